/* SPDX-License-Identifier: GPL-2.0 */
/* The listener's two timers: deadline.c and the end of reserve.c. */

/* Nobody decided a deferred call: parley_backlog_default() */
inline default_verdict(c, b, ok)
{
	if
	:: DEFER_TIMEOUT == 2 ->
		leave(c);
		enter(c, APPROVED);
		ok = 1
	:: DEFER_TIMEOUT == 1 || QOS -> end_call(c, REFUSED, 0, b)
	fi
}

/* parley_backlog_expire(): @which has passed, the other one perhaps */
inline expire(c, which, b, ok)
{
	b = 0;
	ok = 0;
	LOCK
		USE(c);
		if
		:: !ENDED(state[c]) ->
			if
			:: limited[c] -> end_call(c, WITHDRAWN, 0, b)
			:: which == DUE_DEFER && state[c] == DEFERRED &&
			   defer_due[c] -> default_verdict(c, b, ok)
			:: which == DUE_DEFER && state[c] != DEFERRED
			fi;
			if
			:: !b -> deadline_set(c)
			:: else
			fi
		:: else
		fi;
	UNLOCK;
	if
	:: b -> ended(c)
	:: atomic { ok -> wake() }
	:: !b && !ok
	fi
}

/* parley_deadline_alarm() */
proctype alarm()
{
	byte c = NONE;
	byte which;
	bit b, ok;

	do
	:: atomic { alarm_armed -> alarm_armed = 0 };
		do
		:: 1 ->
			LOCK
				c = NONE;
				if
				:: due[0] -> c = 0
				:: CALLS > 1 && due[1] -> c = 1
				:: CALLS > 2 && due[CALLS - 1] -> c = CALLS - 1
				:: else -> alarm_due = 0
				fi;
				if
				:: c != NONE -> ref[c]++; which = due[c]
				:: c != NONE && early > 0 ->
					early--;
					if
					:: BROKEN(EARLY)
					:: else -> arm()
					fi;
					c = NONE
				:: c == NONE
				fi;
			UNLOCK;
			if
			:: c == NONE -> break
			:: else ->
				expire(c, which, b, ok);
				atomic {
					put_call(c);
					which = 0;
					b = 0;
					ok = 0
				}
			fi
		od;
		atomic { put_listener() }
	:: atomic { phase == 2 -> break }
	od
}

#define REAPS(i) (reserver[i] && HAS(dead, reserver[i] - 1))

/*
 * parley_reserve_reap(). It comes again and again; here only where it finds
 * something, or nothing to come for.
 */
proctype reaper()
{
	byte c = NONE;
	bit b;

	do
	:: atomic { reaper_armed && (dead || !reservations || !sk) ->
		reaper_armed = 0 };
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
						:: REAPS(i) && (mark[i] ||
						   (on[i] && RESERVED(i))) ->
							c = i
						:: else
						fi;
						i++
					:: else -> break
					od;
					i = 0
				};
				if
				:: c != NONE && mark[c] ->
					mark[c] = 0;
					reservations--;
				:: c != NONE && !mark[c] ->
					leave(c);
					reserver[c] = 0;
					enter(c, APPROVED);
					b = 1
				:: c == NONE && reservations && sk -> watch()
				:: c == NONE && !(reservations && sk)
				fi;
			UNLOCK;
			if
			:: c == NONE -> break
			:: c != NONE && !b -> atomic { put_call(c) }
			:: atomic { b -> if
				:: BROKEN(REAP)
				:: else -> wake()
				fi }
			fi
		od;
		atomic { put_listener() }
	:: atomic { phase == 2 -> break }
	od
}
