/* SPDX-License-Identifier: GPL-2.0 */
/* Who accepts: accept.c and wait.c. */

/* parley_backlog_take() */
inline take(c)
{
#ifdef FINE
	if
	:: !ready -> c = NONE
	:: ready ->
#endif
	LOCK
		oldest(c);
		if
		:: c != NONE ->
			approved[c] = state[c] == APPROVED;
			leave(c);
			enter(c, JUDGING);
			ref[c]++
		:: else
		fi;
	UNLOCK
#ifdef FINE
	fi
#endif
}

/* parley_accept_call(): @v is ACCEPT if there is a connection then */
inline accept_call(c, v, b)
{
	v = ACCEPT;
	if
	:: POLICY && !approved[c] && !judged[c] -> apply(c, v, b)
	:: else
	fi;
	if
	:: v == ACCEPT -> establish(c, v, b)
	:: else
	fi
}

/*
 * parley_accept_socket(), under the listening socket's lock_sock(), then
 * parley_backlog_establish().
 */
inline establish(c, v, b)
{
	ONE_STEP
	b = 0;
	atomic {
		!closing;
		if
		:: !listed -> v = FAIL
		:: fails > 0 && listed -> fails--; v = FAIL
		:: listed ->
			aref[c] = 1;
			ref[c]++
		fi
	};
	LOCK
		USE(c);
		if
		:: v == ACCEPT && (state[c] == JUDGING || BROKEN(ESTABLISH)) ->
			if
			:: QOS -> end_call(c, REFUSED, 0, b)
			:: 1 ->
				/* a peer each */
				aref[c]++;
				end_call(c, ESTABLISHED, 0, b)
			fi
		:: else
		fi;
	UNLOCK
	};
	if
	:: b -> ended(c)
	:: v == FAIL -> untake(c, b)
	:: else
	fi;
	/* accept(2) returns it, or it was made for nothing. */
	atomic {
		b = 0;
		if
		:: v == FAIL
		:: v == ACCEPT && state[c] == ESTABLISHED ->
			served[c]++;
			assert(served[c] == 1);
			assert(!outcome[c] || outcome[c] == ESTABLISHED);
			/* its close(2): the caller is let go of */
			put_caller(c);
			put_accepted(c)
		:: v == ACCEPT && state[c] != ESTABLISHED ->
			v = GONE;
			put_accepted(c)
		fi
	}
}

/*
 * parley_wait() for accept. Whoever is woken while it leaves passes it on.
 * @c is what was taken, or NONE and it is over: closed, or killed.
 */
inline wait_accept(c, me, b, killed)
{
	ONE_STEP
	take(c);
	/* prepare_to_wait() */
	if
	:: c == NONE -> aq = aq | BIT(me)
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
			:: killed && BROKEN(REQUEUE) -> aq = aq | BIT(me)
			:: !killed ->
				aq = aq | BIT(me);
				take(c)
			fi
			};
			if
			:: c != NONE || killed || !sk -> break
			:: c == NONE && !killed && sk && !HAS(aq, me)
			/* It stays on the queue, if nobody woke it. */
			:: atomic { c == NONE && signals && !phase &&
				    !killed && sk ->
				signals--;
				killed = 1 }
			fi
		od;
		/* parley_wait_leave(), or without the queue's lock */
		if
		:: BROKEN(LEAVE) -> b = HAS(aq, me)
		:: else
		fi;
		atomic {
			if
			:: !HAS(aq, me) && !b && ready && !BROKEN(PASS) -> wake()
			:: else
			fi;
			b = 0;
			aq = aq & ~BIT(me)
		}
	:: else
	fi
}

proctype acceptor(byte me)
{
	byte c = NONE;
	byte v;
	bit killed, b;

	do
	:: 1 ->
		wait_accept(c, me, b, killed);
		if
		:: c == NONE -> break
		:: else
		fi;
		accept_call(c, v, b);
		atomic {
			put_call(c);
			c = NONE;
			/* An error may be the last that it sees. */
			if
			:: v == FAIL && signals && !phase ->
				signals--;
				v = 0;
				break
			:: 1 -> v = 0
			fi
		}
	od
}
