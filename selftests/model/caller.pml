/* SPDX-License-Identifier: GPL-2.0 */
/* Who calls, and waits for the outcome: connect.c; and the policy's part of it. */

/* What the kernel's policy says: foreign code, never under a lock. */
inline ask_policy(v)
{
	if
	:: BROKEN(UNLOCKED) -> held = _pid + 1
	:: else
	fi;
	UNLOCKED;
	if
	:: v = ACCEPT
	:: POLICY & 1 -> v = REFUSE
	:: POLICY & 2 -> v = DEFER
	:: fails > 0 -> fails--; v = FAIL
	fi
}

/* parley_verdict_apply(): @v becomes what is left of the verdict */
inline apply(c, v, b)
{
	ONE_STEP
	ask_policy(v);
	LOCK
		USE(c);
		b = 0;
		if
		:: v == FAIL
		:: state[c] == JUDGING && v == ACCEPT -> judged[c] = 1
		:: state[c] == JUDGING && v == REFUSE ->
			judged[c] = 0;
			end_call(c, REFUSED, 0, b)
		:: state[c] == JUDGING && v == DEFER ->
			judged[c] = 0;
			leave(c);
			seen[c] = 0;
			defer_call(c);
			deadline_set(c)
		:: state[c] != JUDGING && v != FAIL -> v = GONE
		fi;
	UNLOCK
	};
	if
	:: b -> ended(c)
	:: atomic { v == DEFER -> wake_all() }
	:: v == FAIL -> untake(c, b)
	:: !b && v != DEFER && v != FAIL
	fi;
	b = 0
}

/* Waits as parley_connect_wait() or wait_var_event() do, until it is told. */
inline wait_told(c, may_leave, b)
{
	/* queued, then look */
	b = BROKEN(LOOK) && told[c];
	cwait[c] = 1;
	do
	:: 1 ->
		if
		:: b || (told[c] && !BROKEN(LOOK)) -> break
		:: else
		fi;
		/* asleep */
		if
		:: atomic { cwait[c] == 2 -> cwait[c] = 1; b = told[c] }
		:: atomic { may_leave && WITHDRAW && !phase -> break }
		fi
	od;
	atomic { b = told[c]; cwait[c] = 0 }
}

/* parley_backlog_add(): @v is what the policy said on arrival, or FAIL */
inline add(c, v, no)
{
	ONE_STEP
	/* As all callers are alike, they may as well come in this order. */
	c == 0 || bound[(c -> c - 1 : 0)] || told[(c -> c - 1 : 0)];
	LOCK
		if
		:: !sk -> no = 1
		:: sk && charged >= LIMIT + BROKEN(LIMIT) -> no = 1
		:: sk && charged < LIMIT + BROKEN(LIMIT) ->
			charged++;
			bound[c] = 1;
			next_id++;
			id[c] = next_id;
			limited[c] = c < TIMEOUT;
			ref[c]++;
			judged[c] = v == ACCEPT;
			if
			:: v == DEFER -> defer_call(c)
			:: else -> enter(c, PENDING)
			fi;
			deadline_set(c)
		fi;
	UNLOCK
	};
	if
	:: atomic { !no && v == DEFER -> wake_all(); v = 0 }
	:: atomic { !no && v != DEFER -> wake_both(); v = 0 }
	:: no
	fi
}

proctype caller(byte c)
{
	byte v = FAIL;
	bit no, b;

	ONE_STEP
	/* A call, the socket's; its socket, the call's and the descriptor's. */
	ref[c] = 1;
	sref[c] = 2;
	/* parley_local_find() */
	atomic {
		if
		:: listed && lref -> lref++
		:: else -> no = 1; v = NONE
		fi
	};
	/* The policy, on arrival. */
	if
	:: !no && ARRIVAL ->
		if
		:: charged >= LIMIT -> no = 1
		:: charged < LIMIT ->
			ask_policy(v);
			no = (v == REFUSE || v == FAIL)
		fi
	:: else
	fi
	};
	if
	:: !no -> add(c, v, no)
	:: else
	fi;
	/* parley_call_refuse(): nobody else knows the call */
	if
	:: atomic { no ->
		assert(!bound[c]);
		if
		:: v != NONE -> put_listener()
		:: else
		fi;
		step(c, REFUSED);
		told[c] = 1;
		put_caller(c)
	}
	:: !no
	fi;
	/* connect(2) waits; then, unless it is told, the socket is closed. */
	if
	:: !no ->
		wait_told(c, 1, b);
		if
		:: !b ->
			LOCK
				end_call(c, WITHDRAWN, 0, b);
			UNLOCK;
			if
			:: b -> ended(c)
			:: !b && BROKEN(BLIND) -> outcome[c] = WITHDRAWN
			:: !b && !BROKEN(BLIND) -> wait_told(c, 0, b)
			fi
		:: else
		fi
	:: else
	fi;
	atomic {
		told[c];
		assert(ENDED(state[c]));
		if
		:: !outcome[c] -> outcome[c] = state[c]
		:: else
		fi;
		no = 0;
		b = 0;
		v = 0;
		/* close(2); a peer is let go of */
		if
		:: state[c] == ESTABLISHED -> put_accepted(c)
		:: else
		fi;
		put_caller(c)
	}
}
