/* SPDX-License-Identifier: GPL-2.0 */
/* Who decides, and who goes on with that: decide.c, verdict.c, reserve.c. */

/* parley_verdict_offer(): @b is set if the policy has to be asked */
inline offer(c, all, b)
{
	LOCK
		oldest_new(c, all);
		b = 0;
		if
		:: c != NONE ->
			b = POLICY && state[c] == PENDING && !judged[c];
			leave(c);
			if
			:: b ->
				approved[c] = 0;
				enter(c, JUDGING)
			:: else ->
				seen[c] = 1;
				known[c] = 1;
				enter(c, state[c])
			fi;
			ref[c]++
		:: else
		fi;
	UNLOCK
}

/* parley_verdict_give() */
inline give(c, v, b)
{
	b = 0;
	LOCK
		if
		:: state[c] == JUDGING ->
			leave(c);
			seen[c] = 1;
			known[c] = 1;
			enter(c, PENDING);
			b = !BROKEN(GIVE)
		:: else -> v = GONE
		fi;
	UNLOCK;
	if
	:: atomic { b -> wake(); b = 0 }
	:: !b
	fi
}

/* parley_verdict_unsee(): it could not be shown */
inline unsee(c)
{
	LOCK
		if
		:: state[c] == PENDING || state[c] == DEFERRED ->
			leave(c);
			seen[c] = 0;
			enter(c, state[c])
		:: else
		fi;
	UNLOCK;
	atomic { wake_all() }
}

/* Whether there is something to look at: parley_next_more() */
inline more_new(v)
{
	d_step {
		i = 0;
		v = urgent > 0;
		do
		:: i < CALLS ->
			v = v | (on[i] && state[i] == PENDING && !seen[i]);
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* parley_wait() for PARLEY_IOC_NEXT_CALL */
inline wait_next(c, me, all, v, b, killed)
{
	ONE_STEP
	offer(c, all, b);
	if
	:: c == NONE ->
		wants_deferred[me] = all;
		dq = dq | BIT(me)
	:: else
	fi
	};
	if
	:: c == NONE ->
		do
		:: 1 ->
			ONE_STEP
			if
			:: killed && !BROKEN(REQUEUE)
			:: killed && BROKEN(REQUEUE) -> dq = dq | BIT(me)
			:: !killed ->
				dq = dq | BIT(me);
				offer(c, all, b)
			fi
			};
			if
			:: c != NONE || killed || !sk -> break
			:: c == NONE && !killed && sk && !HAS(dq, me)
			:: atomic { c == NONE && signals && !phase &&
				    !killed && sk &&
				    me < ACCEPTORS + DECIDERS ->
				signals--;
				killed = 1 }
			fi
		od;
		atomic {
			more_new(v);
			if
			:: !HAS(dq, me) && v -> wake_one(dq)
			:: else
			fi;
			dq = dq & ~BIT(me)
		}
	:: else
	fi
}

/*
 * PARLEY_IOC_NEXT_CALL: @v is ACCEPT if @c was shown. A call that comes to
 * nothing is not replaced by another here; the caller of this may ask again.
 */
inline next_call(c, me, all, v, b, killed)
{
	wait_next(c, me, all, v, b, killed);
	v = ACCEPT;
	if
	:: c != NONE && b ->
		apply(c, v, b);
		if
		:: v == ACCEPT -> give(c, v, b)
		:: else
		fi
	:: else
	fi;
	if
	:: atomic { c != NONE && v == ACCEPT && fails > 0 -> fails-- };
		v = FAIL;
		unsee(c)
	:: 1
	fi;
	atomic {
		b = 0;
		if
		:: c != NONE -> put_call(c)
		:: else -> v = FAIL
		fi
	}
}

/* parley_verdict_decide(), with PARLEY_DECIDE_AGAIN */
inline decide(c, v, me, keep, b)
{
	ONE_STEP
	atomic {
		b = 0;
		keep = 0;
		if
		:: VERDICTS & 1 -> v = ACCEPT
		:: RESERVE -> v = ACCEPT; keep = 1
		:: VERDICTS & 2 -> v = REFUSE
		:: VERDICTS & 4 -> v = DEFER
		:: VERDICTS & 8 -> v = UNDECIDE
		fi
	};
	LOCK
		if
		:: !known[c] -> v = FAIL
		:: known[c] && v != REFUSE && (state[c] == JUDGING ||
		   (RESERVED(c) && reserver[c] != me + 1)) -> v = FAIL
		:: else ->
			if
			:: v == ACCEPT && QOS ->
				v = REFUSE;
				keep = 0
			:: v == ACCEPT -> leave(c);
				if
				:: keep -> forget(me); reserver[c] = me + 1;
					watch()
				:: else -> reserver[c] = 0
				fi;
				d_step { no_turn(c) };
				enter(c, APPROVED)
			:: v == DEFER -> leave(c);
				reserver[c] = 0;
				seen[c] = 1;
				defer_call(c);
				deadline_set(c)
			:: v == UNDECIDE -> leave(c);
				reserver[c] = 0;
				seen[c] = 0;
				enter(c, (state[c] == DEFERRED -> DEFERRED :
					  PENDING))
			:: v == REFUSE
			fi;
			if
			:: v == REFUSE ->
				end_call(c, REFUSED, 0, b);
				ref[c] = ref[c] + !BROKEN(HOLD)
			:: else
			fi
		fi;
	UNLOCK
	};
	if
	:: v == REFUSE && b ->
		ended(c);
		atomic { put_call(c); b = 0 }
	:: atomic { v == ACCEPT && !keep -> wake() }
	:: atomic { v == UNDECIDE -> wake_all() }
	:: else
	fi
}

/* parley_reserve_forget(): this thread goes on to another call */
inline forget(me)
{
	d_step {
		i = 0;
		do
		:: i < CALLS ->
			if
			:: mark[i] && reserver[i] == me + 1 ->
				mark[i] = 0;
				reservations--;
				put_call(i)
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* All that were seen, or with @again all that are deferred, are new again. */
inline renew(again, b)
{
	b = 0;
	LOCK
		d_step {
			n = 0;
			do
			:: n < CALLS ->
				if
				:: on[n] && ((again && state[n] == DEFERRED) ||
				   (!again && seen[n] && !BROKEN(DEATH) &&
				    (state[n] == PENDING ||
				    state[n] == DEFERRED))) ->
					leave(n);
					seen[n] = 0;
					if
					:: again ->
						judged[n] = 0;
						enter(n, PENDING)
					:: else -> enter(n, state[n])
					fi;
					b = 1
				:: else
				fi;
				n++
			:: else -> break
			od;
			n = 0
		};
	UNLOCK;
	if
	:: atomic { b && !BROKEN(REVIEW) -> wake_all(); b = 0 }
	:: !b || BROKEN(REVIEW)
	fi
}

/* parley_reserve_take(): @v is FAIL if the call has ended */
inline take_reserved(c, me, v)
{
	v = ACCEPT;
	LOCK
		c = NONE;
		d_step {
			i = 0;
			do
			:: i < CALLS ->
				if
				:: mark[i] && reserver[i] == me + 1 -> v = FAIL
				:: !mark[i] && on[i] && RESERVED(i) &&
				   reserver[i] == me + 1 -> c = i
				:: else
				fi;
				i++
			:: else -> break
			od;
			i = 0
		};
		if
		:: v == FAIL -> forget(me); c = NONE
		:: v != FAIL && c != NONE ->
			approved[c] = 1;
			leave(c);
			enter(c, JUDGING);
			ref[c]++
		:: else
		fi;
	UNLOCK
}

/*
 * A decider, which may end at any moment; the thread that decides accepts what
 * it has reserved.
 */
proctype decider(byte me)
{
	byte c = NONE;
	byte mine = NONE;	/* the call that it has reserved */
	byte v;
	byte left = STEPS;
	bit keep, killed, b;

	do
	:: left > 0 && !killed && !phase ->
		left--;
		if
		:: next_call(c, me, 1, v, b, killed)
		:: VERDICTS | RESERVE ->
			if
			:: c = 0
			:: CALLS > 1 -> c = 1
			:: CALLS > 2 -> c = 2
			fi;
			decide(c, v, me, keep, b);
			if
			:: v == ACCEPT && keep -> mine = c
			:: c == mine && v != FAIL && !keep -> mine = NONE
			:: else
			fi
		:: REVIEW -> renew(1, b)
		:: mine != NONE && listed ->
			take_reserved(c, me, v);
			if
			:: c != NONE ->
				assert(c == mine);
				accept_call(c, v, b);
				if
				:: ENDED(state[c]) -> mine = NONE
				:: else
				fi;
				atomic { put_call(c) }
			:: else ->
				assert(v == FAIL || !listed);
				mine = NONE
			fi
		fi;
		c = NONE;
		v = 0;
		keep = 0;
		b = 0
	:: 1 -> break
	od;
	atomic {
		c = NONE;
		mine = NONE;
		left = 0;
		killed = 0;
		dead = dead | BIT(me);
		living--
	}
}

/* Whoever goes on where deciders have died: no call is hidden from it. */
proctype successor(byte me)
{
	byte c = NONE;
	byte v;
	bit killed, b;

	living == 0;
	renew(0, b);
	do
	:: sk ->
		next_call(c, me, 1, v, b, killed);
		if
		:: c != NONE -> fetched[c] = 1
		:: else
		fi;
		c = NONE;
		v = 0
	:: !sk || killed -> break
	od
}
