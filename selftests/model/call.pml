/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The life of a call, and all who have a hand in it: callers, acceptors,
 * deciders, the timers, who closes the listener. Documentation/model.rst says
 * what is modelled and what is not; model.sh runs it, with what configs says.
 */

#include "options.pml"
#include "state.pml"
#include "backlog.pml"

#define ACCEPT	0
#define REFUSE	1
#define DEFER	2
#define FAIL	3
#define UNDECIDE 4
#define GONE	5

/* Who sleeps where, by number: acceptors first, then deciders. */
#define SLOTS	8

byte outcome[MAX];	/* what the caller knows */
bit fetched[MAX];	/* the successor has seen it */
bit wants_deferred[SLOTS];
byte living;
byte phase;		/* 1: all that can happen has; 2: and it is over */

#include "caller.pml"
#include "acceptor.pml"
#include "decider.pml"
#include "timers.pml"

/* parley_listener_close() */
proctype closer()
{
	byte c = NONE;
	bit b;

	(CLOSE || phase);
	atomic {
		closing = 1;
		listed = 0
	};
	LOCK
		sk = 0;
	UNLOCK;
	do
	:: 1 ->
		LOCK
			b = 0;
			d_step {
				c = NONE;
				i = 0;
				do
				:: i < CALLS ->
					if
					:: on[i] && !(BROKEN(CLEAR) &&
					   state[i] == DEFERRED) -> c = i
					:: else
					fi;
					i++
				:: else -> break
				od;
				i = 0
			};
			if
			:: c != NONE -> end_call(c, REFUSED, 1, b)
			:: else
			fi;
		UNLOCK;
		if
		:: c == NONE -> break
		:: else -> ended(c)
		fi
	od;
	/* parley_reserve_clear(), parley_deadline_stop() */
	atomic {
		d_step {
			i = 0;
			do
			:: i < CALLS ->
				if
				:: mark[i] ->
					mark[i] = 0;
					reservations--;
					put_call(i)
				:: else
				fi;
				i++
			:: else -> break
			od;
			i = 0
		};
		if
		:: reaper_armed -> reaper_armed = 0; put_listener()
		:: else
		fi
	};
	atomic {
		if
		:: alarm_armed -> alarm_armed = 0; put_listener()
		:: else
		fi;
		assert(charged == 0)
	};
	atomic {
		b = 0;
		closing = 0;
		aq = 0;
		dq = 0;
		put_listener()
	}
}

/* When nobody can do anything any more: did all get what they wait for? */
inline quiet()
{
	d_step {
		/* Who sleeps has nothing to take. */
		assert(!sk || !aq || !ready);
		n = 0;
		i = 0;
		do
		:: i < SLOTS ->
			n = n | (HAS(dq, i) && wants_deferred[i]);
			i++
		:: else -> break
		od;
		assert(!sk || !n || !urgent);
		i = 0;
		do
		:: i < CALLS ->
			/* No accept goes on for ever; nor does a time-out. */
			assert(state[i] != JUDGING && state[i] != NEW);
			assert(told[i] == ENDED(state[i]));
			assert(!limited[i] || told[i]);
			assert(!defer_due[i] || state[i] != DEFERRED);
			/* Who waits for an outcome has been told of it. */
			assert(cwait[i] != 1 || !told[i]);
			assert(!sk || !dq || state[i] != PENDING || seen[i]);
			/* What was for a thread that died is for anybody. */
			assert(!REAPS(i) || (!mark[i] && !RESERVED(i)));
			/* A successor sees what is not decided. */
			assert(!SUCCESSOR || !sk || !on[i] || fetched[i] ||
			       state[i] == APPROVED);
			i++
		:: else -> break
		od;
		assert(sk || !charged);
		i = 0;
		n = 0
	}
}

/* And when all have closed what they had: everything is freed, once. */
inline over()
{
	d_step {
		assert(lref == 0 && lfreed && !charged && !aq && !dq);
		i = 0;
		do
		:: i < CALLS ->
			assert(freed[i] && !ref[i] && !sref[i] && !aref[i]);
			assert(ends[i] && outcome[i] == state[i]);
			assert(served[i] == (state[i] == ESTABLISHED));
			i++
		:: else -> break
		od;
		i = 0
	}
}

init {
	byte k;

	atomic {
		options();
		fails = FAILS;
		early = EARLY;
		signals = SIGNALS;
		living = DECIDERS;
		k = 0;
		do
		:: k < CALLS -> run caller(k); k++
		:: else -> break
		od;
		k = 0;
		do
		:: k < ACCEPTORS -> run acceptor(k); k++
		:: else -> break
		od;
		do
		:: k < ACCEPTORS + DECIDERS -> run decider(k); k++
		:: else -> break
		od;
		if
		:: SUCCESSOR -> run successor(k)
		:: else
		fi;
		if
		:: TIMEOUT || DEFER_TIMEOUT -> run alarm()
		:: else
		fi;
		if
		:: RESERVE -> run reaper()
		:: else
		fi;
		run closer();
		k = 0
	};
	atomic { timeout -> quiet(); phase = 1 };
	atomic { timeout -> over(); phase = 2 }
}
