/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listener's backlog, and the references to what is in it: backlog.c,
 * call.c, listen.c, deadline.c, reserve.c. The lists are not there as such:
 * who is on which follows from the state and the marks, as in the code, and
 * the order from the id or, for what is approved, from @place.
 */
#define NONE	255

/* A call, by the caller's number. */
byte ref[MAX];	/* references to the object */
byte sref[MAX];	/* to the calling socket */
byte aref[MAX];	/* to the accepted one */
byte id[MAX];		/* order of arrival */
byte place[MAX];	/* its turn among the approved, from 1 */
byte due[MAX];	/* in the tree of deadlines: for which of the two */
byte reserver[MAX];	/* thread + 1 */
byte tallied[MAX];	/* parley_call.tallied, while it is moved */
bit on[MAX];		/* it is on a list */
bit told[MAX];
bit seen[MAX];
bit judged[MAX];
bit approved[MAX];
bit known[MAX];
bit bound[MAX];	/* it holds a reference to the listener */
bit limited[MAX];	/* it has a connect time-out */
bit defer_due[MAX];	/* and one of its deferral */
bit deferred[MAX];
bit mark[MAX];
byte cwait[MAX];	/* the caller: 0 awake, 1 waits, 2 woken */
byte served[MAX];	/* how many accepts have returned it */
bit freed[MAX];

#define DUE_CONNECT	1
#define DUE_DEFER	2

/* The listener. */
byte held;		/* its lock: by process + 1 */
bit listed = 1;		/* it can be found */
bit sk = 1;		/* it has a socket */
bit closing;		/* lock_sock() of that, while it is closed */
byte lref = 1;
bit lfreed;
byte charged;
byte count[STATES];
byte ready;
byte urgent;
byte reservations;
byte next_id;
bit alarm_due;
bit alarm_armed;
bit reaper_armed;
byte aq;		/* who sleeps in accept; a wake-up takes one off */
byte dq;		/* who sleeps in NEXT_CALL */
byte dead;		/* threads that ended */

/* What may still go wrong. */
byte fails;
byte early;
byte signals;

hidden byte i;
hidden byte n;
hidden byte m;

/*
 * Under the lock nobody else who takes it sees anything, so a critical section
 * is one step. With FINE it is as many as it has statements: for those who look
 * without the lock. ONE_STEP is for what only a FINE search needs to tell apart.
 */
#ifdef FINE
#define LOCK	atomic { held == 0 -> held = _pid + 1 };
#define UNLOCK	d_step { numbers(); held = 0 }
#define ONE_STEP	{
#else
#define LOCK	atomic { assert(held == 0); held = _pid + 1;
#define UNLOCK	numbers(); held = 0 }
#define ONE_STEP	atomic {
#endif
#define UNLOCKED	assert(held != _pid + 1)

#define READY(c)	(state[c] == PENDING || \
			 (state[c] == APPROVED && !reserver[c]))
#define URGENT(c)	(state[c] == DEFERRED && !seen[c])
#define RESERVED(c)	(state[c] == APPROVED && reserver[c])
#define USE(c)		assert(ref[c] > 0 && !freed[c])

/* What is true whenever the lock is free. */
inline numbers()
{
	d_step {
		i = 0;
		n = 0;
		m = 0;
		do
		:: i < CALLS ->
			assert(on[i] == (bound[i] && CHARGED(state[i])));
			n = n + on[i];
			m = m + (on[i] && READY(i));
			i++
		:: else -> break
		od;
		assert(n == charged && charged <= LIMIT);
		assert(m == ready);
		assert(count[PENDING] + count[JUDGING] + count[DEFERRED] +
		       count[APPROVED] == charged);
		i = 0;
		n = 0;
		m = 0
	}
}

inline put_listener()
{
	assert(lref > 0 && !lfreed);
	lref--;
	if
	:: lref == 0 ->
		assert(!charged && !ready && !alarm_armed && !reaper_armed);
		lfreed = 1
	:: else
	fi
}

inline put_call(c)
{
	USE(c);
	ref[c]--;
	if
	:: ref[c] == 0 ->
		assert(told[c] && !on[c] && !due[c] && !mark[c]);
		freed[c] = 1;
		reserver[c] = 0;
		if
		:: bound[c] -> bound[c] = 0; put_listener()
		:: else
		fi
	:: else
	fi
}

/* A socket holds the call that it made, or was made by, until it is freed. */
inline put_caller(c)
{
	assert(sref[c] > 0);
	sref[c]--;
	if
	:: sref[c] == 0 -> put_call(c)
	:: else
	fi
}

inline put_accepted(c)
{
	assert(aref[c] > 0);
	aref[c]--;
	if
	:: aref[c] == 0 -> put_call(c)
	:: else
	fi
}

/* Any of those who sleep: the order of the queue does not matter. */
inline wake_one(q)
{
	UNLOCKED;
	if
	:: q & 1 -> q = q & ~1
	:: q & 2 -> q = q & ~2
	:: q & 4 -> q = q & ~4
	:: q & 8 -> q = q & ~8
	:: q == 0
	fi
}

/* parley_listener_wake() */
inline wake()
{
	assert(!lfreed);
	if
	:: sk -> wake_one(aq)
	:: else
	fi
}

/* parley_listener_wake_all() */
inline wake_all()
{
	UNLOCKED;
	assert(!lfreed);
	if
	:: sk -> aq = 0
	:: else
	fi;
	dq = 0
}

/* parley_backlog_wake() */
inline wake_both()
{
	wake();
	wake_one(dq)
}

inline tally(c)
{
	ready = ready + READY(c) - (tallied[c] & 1);
	urgent = urgent + URGENT(c) - ((tallied[c] >> 1) & 1);
	reservations = reservations + (RESERVED(c) -> 1 : 0) -
		       (tallied[c] >> 2);
	tallied[c] = 0
}

inline leave(c)
{
	d_step {
		assert(held == _pid + 1);
		USE(c);
		assert(on[c]);
		on[c] = 0;
		count[state[c]]--;
		tallied[c] = READY(c) | (URGENT(c) << 1) |
			     ((RESERVED(c) -> 1 : 0) << 2);
		if
		:: BROKEN(TALLY) ->
			ready = ready - (tallied[c] & 1);
			tallied[c] = tallied[c] & 6
		:: else
		fi
	}
}

/* Its turn is over, or it is not approved any more. */
inline no_turn(c)
{
	i = 0;
	do
	:: i < CALLS ->
		if
		:: place[c] && place[i] > place[c] -> place[i]--
		:: else
		fi;
		i++
	:: else -> break
	od;
	place[c] = 0;
	i = 0
}

/* Behind all that were approved before, wherever they are now. */
inline turn(c)
{
	i = 0;
	n = 1;
	do
	:: i < CALLS ->
		n = n + (place[i] > 0);
		i++
	:: else -> break
	od;
	place[c] = n;
	i = 0;
	n = 0
}

inline enter(c, to)
{
	d_step {
		assert(held == _pid + 1);
		assert(!on[c]);
		if
		:: state[c] != to -> step(c, to)
		:: else
		fi;
		on[c] = 1;
		count[to]++;
		tally(c);
		if
		:: to == APPROVED && !place[c] -> turn(c)
		:: to == PENDING || to == DEFERRED -> no_turn(c)
		:: else
		fi
	}
}

/* parley_deadline_arm() */
inline arm()
{
	alarm_due = 1;
	if
	:: !alarm_armed -> alarm_armed = 1; lref++
	:: else
	fi
}

/*
 * parley_deadline_set(). Time is not counted: which of two deadlines comes
 * first, and whether it is before the one that the alarm comes for, is open.
 */
inline deadline_set(c)
{
	due[c] = 0;
	if
	:: limited[c] -> due[c] = DUE_CONNECT
	:: defer_due[c] && state[c] == DEFERRED -> due[c] = DUE_DEFER
	:: else
	fi;
	if
	:: due[c] && !alarm_due -> arm()
	:: due[c] && alarm_due && !alarm_armed -> arm()
	:: due[c] && alarm_due ->
		if
		:: BROKEN(ALARM) -> due[c] = 0
		:: else
		fi
	:: !due[c]
	fi
}

/* parley_reserve_watch() */
inline watch()
{
	if
	:: !reaper_armed -> reaper_armed = 1; lref++
	:: else
	fi
}

/* parley_reserve_mark(): one for a thread is enough */
inline leave_mark(c)
{
	i = 0;
	n = 0;
	do
	:: i < CALLS ->
		n = n + (mark[i] && reserver[i] == reserver[c]);
		i++
	:: else -> break
	od;
	if
	:: n == 0 && !BROKEN(MARK) ->
		ref[c]++;
		mark[c] = 1;
		reservations++;
		watch()
	:: else
	fi;
	i = 0;
	n = 0
}

/* What nobody asks about a call with an outcome: for fewer states. */
inline no_meaning(c)
{
	no_turn(c);
	do
	:: i < CALLS ->
		if
		:: id[i] > id[c] -> id[i]--
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0;
	next_id--;
	id[c] = 0;
	seen[c] = 0;
	judged[c] = 0;
	approved[c] = 0;
	deferred[c] = 0;
	defer_due[c] = 0;
	limited[c] = 0;
	if
	:: !mark[c] -> reserver[c] = 0
	:: else
	fi
}

/* __parley_backlog_end(); @won is set, and left alone if it is too late */
inline end_call(c, to, closed, won)
{
	d_step {
		assert(held == _pid + 1);
		USE(c);
		if
		:: !ENDED(state[c]) || BROKEN(TWICE) ->
			won = 1;
			m = RESERVED(c);
			on[c] = on[c] || BROKEN(TWICE);
			leave(c);
			due[c] = 0;
			known[c] = 0;
			charged = charged - !BROKEN(CHARGE);
			step(c, to);
			if
			:: m && !closed -> leave_mark(c)
			:: else
			fi;
			tally(c);
			no_meaning(c);
			m = 0
		:: else
		fi
	}
}

/* parley_backlog_ended(): by the winner, when the lock is free */
inline ended(c)
{
	atomic {
		UNLOCKED;
		USE(c);
		told[c] = 1
	};
	atomic {
		UNLOCKED;
		USE(c);
		assert(sref[c] > 0);
		if
		:: cwait[c] == 1 && !BROKEN(ANSWER) -> cwait[c] = 2
		:: else
		fi;
		if
		:: state[c] != ESTABLISHED -> put_caller(c)
		:: else
		fi;
		put_call(c)
	}
}

/* parley_verdict_defer() */
inline defer_call(c)
{
	if
	:: DEFER_TIMEOUT && !deferred[c] -> defer_due[c] = 1
	:: else
	fi;
	deferred[c] = 1;
	known[c] = 1;
	enter(c, DEFERRED)
}

/* The oldest that an accept may take, as parley_backlog_oldest() */
inline oldest(c)
{
	d_step {
		i = 0;
		c = NONE;
		do
		:: i < CALLS ->
			if
			:: on[i] && READY(i) && c == NONE -> c = i
			:: on[i] && READY(i) && c != NONE &&
			   place[i] && (!place[c] || place[i] < place[c]) ->
				c = i
			:: on[i] && READY(i) && c != NONE &&
			   !place[i] && !place[c] && id[i] < id[c] ->
				c = i
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* The oldest that nobody has looked at, as in parley_verdict_offer() */
inline oldest_new(c, all)
{
	d_step {
		i = 0;
		c = NONE;
		do
		:: i < CALLS ->
			if
			:: on[i] && !seen[i] && (state[i] == PENDING ||
			   (all && state[i] == DEFERRED)) &&
			   (c == NONE || id[i] < id[c]) -> c = i
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* parley_backlog_untake(): what failed goes back where it was */
inline untake(c, b)
{
	ONE_STEP
	b = 0;
	LOCK
		USE(c);
		if
		:: state[c] == JUDGING && !BROKEN(UNTAKE) ->
			leave(c);
			enter(c, (approved[c] -> APPROVED : PENDING));
			if
			:: reserver[c] -> watch()
			:: else
			fi;
			b = !BROKEN(UNTAKE_WAKE)
		:: else
		fi;
	UNLOCK
	};
	if
	:: atomic { b -> wake_both(); b = 0 }
	:: !b
	fi
}
