/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a run is about, from the environment: model.sh takes it from configs.
 * So one verifier, which takes longer to compile than to run, serves for all.
 */
#ifndef MAX
#define MAX 2
#endif

hidden byte CALLS;	/* how many callers, at most MAX */
hidden byte ACCEPTORS;
hidden byte DECIDERS;
hidden byte LIMIT;	/* the listener's backlog */
hidden byte ARRIVAL;	/* the policy is asked on arrival */
hidden byte POLICY;	/* 1: it may refuse, 2: it may defer, 3: both */
hidden byte WITHDRAW;	/* callers close, any time */
hidden byte TIMEOUT;	/* this many callers have a connect time-out */
hidden byte DEFER_TIMEOUT;	/* 1: its default is to refuse, 2: to accept */
hidden byte SIGNALS;	/* so many who wait at the listener are killed */
hidden byte VERDICTS;	/* deciders: 1: accept, 2: refuse, 4: defer, 8: undecide */
hidden byte REVIEW;	/* and review */
hidden byte RESERVE;	/* and reserve a call for themselves */
hidden byte SUCCESSOR;	/* another decider goes on where all have ended */
hidden byte CLOSE;	/* the listener is closed, any time */
hidden byte FAILS;	/* what needs memory fails, so many times */
hidden byte EARLY;	/* the alarm is early, so many times */
hidden byte QOS;	/* the listener's capacity may not be enough */
hidden byte STEPS;	/* how many system calls each decider makes */
hidden byte BREAK;	/* what is broken, to see that it is noticed */

c_decl {
	static int parley_option(const char *name)
	{
		const char *value = getenv(name);

		return value ? atoi(value) : 0;
	}
}

inline options()
{
	c_code {
		CALLS = parley_option("CALLS");
		ACCEPTORS = parley_option("ACCEPTORS");
		DECIDERS = parley_option("DECIDERS");
		LIMIT = parley_option("LIMIT");
		ARRIVAL = parley_option("ARRIVAL");
		POLICY = parley_option("POLICY");
		WITHDRAW = parley_option("WITHDRAW");
		TIMEOUT = parley_option("TIMEOUT");
		DEFER_TIMEOUT = parley_option("DEFER_TIMEOUT");
		SIGNALS = parley_option("SIGNALS");
		VERDICTS = parley_option("VERDICTS");
		REVIEW = parley_option("REVIEW");
		RESERVE = parley_option("RESERVE");
		SUCCESSOR = parley_option("SUCCESSOR");
		CLOSE = parley_option("CLOSE");
		FAILS = parley_option("FAILS");
		EARLY = parley_option("EARLY");
		QOS = parley_option("QOS");
		STEPS = parley_option("STEPS");
		BREAK = parley_option("BREAK");
	}
}

/* BREAK: one step each that is left out or done wrong */
#define NO_TALLY	1
#define NO_ALARM	2
#define NO_MARK	3
#define NO_TWICE	4
#define NO_CHARGE	5
#define NO_ANSWER	6
#define NO_UNTAKE	7
#define NO_UNTAKE_WAKE	8
#define NO_UNLOCKED	9
#define NO_LOOK	10
#define NO_LIMIT	11
#define NO_BLIND	12
#define NO_ESTABLISH	13
#define NO_PASS	14
#define NO_DEATH	15
#define NO_GIVE	16
#define NO_HOLD	17
#define NO_REVIEW	18
#define NO_EARLY	19
#define NO_REAP	20
#define NO_CLEAR	21
#define NO_REQUEUE	22
#define NO_LEAVE	23
#define BROKEN(what)	(BREAK == NO_##what)
