// SPDX-License-Identifier: GPL-2.0
/* See lib_end.h. */
#include <sys/socket.h>
#include <unistd.h>

#include "lib_end.h"

void end_happen(enum end_event event, int self, int peer)
{
	struct linger rude = { .l_onoff = 1, .l_linger = 0 };

	switch (event) {
	case PEER_SHUTS_WRITE:
		shutdown(peer, SHUT_WR);
		break;
	case PEER_SHUTS_READ:
		shutdown(peer, SHUT_RD);
		break;
	case PEER_SHUTS_BOTH:
		shutdown(peer, SHUT_RDWR);
		break;
	case PEER_ABORTS:
		setsockopt(peer, SOL_SOCKET, SO_LINGER, &rude, sizeof(rude));
		close(peer);
		break;
	case PEER_CLOSES:
		close(peer);
		break;
	case SELF_SHUTS_READ:
		shutdown(self, SHUT_RD);
		break;
	case SELF_SHUTS_WRITE:
		shutdown(self, SHUT_WR);
		break;
	case SELF_SHUTS_BOTH:
		shutdown(self, SHUT_RDWR);
		break;
	case END_EVENTS:
		break;
	}
}
