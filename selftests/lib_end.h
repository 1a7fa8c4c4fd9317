/* SPDX-License-Identifier: GPL-2.0 */
/* The ways in which a connection, or half of it, comes to its end. */
#ifndef PARLEY_SELFTEST_LIB_END_H
#define PARLEY_SELFTEST_LIB_END_H

enum end_event {
	PEER_SHUTS_WRITE,
	PEER_SHUTS_READ,
	PEER_SHUTS_BOTH,
	PEER_CLOSES,
	PEER_ABORTS,		/* SO_LINGER {1, 0}, then close(2) */
	SELF_SHUTS_READ,
	SELF_SHUTS_WRITE,
	SELF_SHUTS_BOTH,
	END_EVENTS
};

/* lets it happen to the two ends of a connection */
void end_happen(enum end_event event, int self, int peer);

#endif /* PARLEY_SELFTEST_LIB_END_H */
