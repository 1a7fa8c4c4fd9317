// SPDX-License-Identifier: GPL-2.0
/* What parley-run cannot do: the text of --list. */
#include <stdio.h>

#include "parley-run.h"

static const char limits[] =
"Both ends must be on parley: the client and the server each under parley-run,\n"
"or written for AF_PARLEY. Parley's ports are not TCP's.\n"
"\n"
"Programs that it cannot change:\n"
"  static programs                 nothing can be preloaded into them: refused\n"
"  setuid and setgid programs, those with file capabilities\n"
"                                  the loader ignores LD_PRELOAD: refused\n"
"  programs for another machine or C library (32-bit ones, musl)\n"
"                                  refused, or reported by the loader\n"
"  system calls without libc (Go), syscall(2), io_uring's socket operation\n"
"                                  these sockets stay TCP's, without a word\n"
"  sockets that others made: inetd, socket activation by systemd\n"
"                                  they stay what they are\n"
"  libc's own sockets, as for DNS over TCP\n"
"                                  they stay TCP's, as they must\n"
"\n"
"What a program cannot do with the sockets it gets:\n"
"  connect to other hosts          ENETUNREACH: parley is for one network\n"
"                                  namespace\n"
"  connect to TCP servers that are not on parley\n"
"                                  ECONNREFUSED: nobody listens there\n"
"  be reached by TCP clients       they find no TCP port\n"
"  connect to its own listener and then accept, in one thread\n"
"                                  connect(2) waits for accept(2)\n"
"  bind to addresses that are not local (IP_FREEBIND, IP_TRANSPARENT), share\n"
"  a port among listeners (SO_REUSEPORT)\n"
"                                  EADDRNOTAVAIL, ENOPROTOOPT, EOPNOTSUPP\n"
"  send urgent data (MSG_OOB), MSG_ZEROCOPY, TCP_MD5SIG, TCP_REPAIR, TCP_ULP\n"
"  (kernel TLS)                    EOPNOTSUPP, ENOPROTOOPT\n"
"  learn from TCP_INFO             the state is true, all else is zero: there\n"
"                                  are no packets\n"
"  learn from SO_DOMAIN, SO_PROTOCOL\n"
"                                  18 (AF_PARLEY) and 0; addresses have the\n"
"                                  families that they always had\n"
"  be found by ss(8), filtered by netfilter, captured by tcpdump(8)\n"
"                                  nothing is sent through the network\n"
"\n"
"There is no choosing by host or port: when a program calls socket(2), it has\n"
"not said yet what for. All TCP sockets of the program and of the programs that\n"
"it starts become parley's; one that must speak both cannot run under it.\n";

void show_limits(void)
{
	fputs(limits, stdout);
}
