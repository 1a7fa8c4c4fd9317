#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration: runs inside the VM (busybox sh, the module loaded,
# parleyctl in PATH) and prints a transcript. Every step checks what it shows;
# the first that goes otherwise ends the demo with status 1.
#
# Four commands may run in the background: "server", "caller", "second" (a
# caller) and "decider". Their output comes through a fifo and is printed, marked
# with the name, when the story waits for it: the steps wait for events, never
# for time.
#
# busybox's "read" loses what it has when a child ends meanwhile. So they are not
# this shell's children, but those of a shell each that tells how the command
# ended and then stays until descriptor 9 is closed.
set -u

dir=$(mktemp -d)
door=/tmp/door
rules=/tmp/rules
server_pid=
caller_pid=
second_pid=
decider_pid=

cleanup()
{
	for pid in $server_pid $caller_pid $second_pid $decider_pid; do
		kill "$pid" 2>/dev/null
	done
	exec 9>&-
	wait
	rm -rf "$dir" "$rules"
}
trap cleanup EXIT
mkfifo "$dir/hold"
exec 9<>"$dir/hold"

chapter()
{
	printf '\n== %s\n\n' "$1"
}

tell()
{
	printf '%s\n' "$@" | sed 's/^/# /'
}

fail()
{
	echo "demo: FAILED: $1"
	exit 1
}

# run COMMAND EXPECTED-STATUS PATTERN: the output must contain PATTERN
run()
{
	echo "\$ $1"
	eval "$1" </dev/null >"$dir/output" 2>&1 \
		3<&- 4>&- 5<&- 6>&- 7<&- 8<&- 9<&-
	status=$?
	output=$(cat "$dir/output")
	[ -z "$output" ] || echo "$output"
	[ "$status" -eq "$2" ] ||
		fail "'$1' ended with status $status instead of $2"
	case $output in
	*$3*) ;;
	*) fail "'$1' did not say '$3'" ;;
	esac
}

# start NAME COMMAND: in the background; the server has its output at
# descriptor 3 and its input at 4, the decider at 5 and 6; callers have no input,
# and their output is at 7 and 8
start()
{
	echo "\$ $2 &"
	mkfifo "$dir/in" "$dir/out"
	case $1 in
	server | decider) in=$dir/in ;;
	*) in=/dev/null ;;
	esac
	(
		sh -c "echo \"@pid \$\$\"; exec $2" <"$in" 2>&1 9<&- &
		wait $! 2>/dev/null	# it says "Terminated"
		echo "@status $?"
		read -r _ <&9
	) >"$dir/out" 9<"$dir/hold" 3<&- 4>&- 5<&- 6>&- 7<&- 8<&- &
	case $1 in
	server) exec 3<"$dir/out" 4>"$dir/in" ;;
	decider) exec 5<"$dir/out" 6>"$dir/in" ;;
	caller) exec 7<"$dir/out" ;;
	second) exec 8<"$dir/out" ;;
	esac
	rm "$dir/in" "$dir/out"
	read_line "$1" || fail "the $1 did not start"
	eval "$1_pid=${line#@pid }"
}

# read_line NAME: reads a line; false when there is nothing for a minute
read_line()
{
	# shellcheck disable=SC3045 # busybox has read -t
	case $1 in
	server) IFS= read -r -t 60 line <&3 ;;
	decider) IFS= read -r -t 60 line <&5 ;;
	caller) IFS= read -r -t 60 line <&7 ;;
	second) IFS= read -r -t 60 line <&8 ;;
	esac
}

# next_line NAME: reads and prints one line; false at the end, with the status
# in $status, or when there is nothing for a minute
next_line()
{
	status=unknown
	read_line "$1" || return 1
	case $line in
	'@status '*)
		status=${line#@status }
		return 1
		;;
	esac
	printf '%9s | %s\n' "$1" "$line"
}

# await NAME PATTERN: prints lines up to one that contains PATTERN
await()
{
	while next_line "$1"; do
		case $line in
		*$2*) return ;;
		esac
	done
	fail "the $1 ended, or was silent for a minute, before it said '$2'"
}

enter()
{
	echo '(Enter at the server)'
	echo >&4
}

# answer TEXT: somebody types at the decider
answer()
{
	echo "(at the decider: $1)"
	echo "$1" >&6
}

# finish NAME STATUS: prints the rest; the command must end with STATUS
finish()
{
	while next_line "$1"; do
		:
	done
	eval "$1_pid="
	case $1 in
	server) exec 3<&- 4>&- ;;
	decider) exec 5<&- 6>&- ;;
	caller) exec 7<&- ;;
	second) exec 8<&- ;;
	esac
	[ "$status" = "$2" ] ||
		fail "the $1 ended with status $status instead of $2"
}

chapter '1. A call is accepted, and data flows both ways'
tell 'A server listens; it sends back what it receives.'
start server "parleyctl listen --echo --count 1 127.0.0.1:7000"
await server 'listening at 127.0.0.1:7000'
run "parleyctl call --send 'good morning' 127.0.0.1:7000" 0 'good morning'
await server 'accepted a call from 127.0.0.1:'
finish server 0

chapter '2. Nobody listens: refused at once, with the reason'
tell 'That server took one call and ended, so now the port is free.'
run "parleyctl call 127.0.0.1:7000" 1 NO_LISTENER

chapter '3. connect() ends with the verdict, not with queueing'
tell 'This server accepts a call only when somebody presses Enter.'
start server "parleyctl listen --step --count 1 127.0.0.1:7000"
await server 'Enter accepts'
start caller "parleyctl call --send 'are you there?' 127.0.0.1:7000"
await caller 'calling 127.0.0.1:7000 as 127.0.0.1:'
await server 'backlog: 1 of '
tell 'The caller has an address already, but it is not connected: its call waits.'
enter
await server 'accepted a call from'
await caller 'accepted by 127.0.0.1:7000'
finish caller 0
finish server 0

chapter '4. A full backlog refuses at once; a caller that dies leaves it at once'
start server "parleyctl listen --no-accept --backlog 1 127.0.0.1:7000"
await server 'calls are left waiting'
start caller "parleyctl call 127.0.0.1:7000"
await caller 'calling 127.0.0.1:7000'
await server 'backlog: 1 of 1'
run "parleyctl call 127.0.0.1:7000" 1 BACKLOG_FULL
tell 'Now the caller that waits is killed.'
kill "$caller_pid"
finish caller 143
enter
await server 'backlog: 0 of 1'

chapter '5. A call that nobody decides times out and leaves the backlog'
tell 'The same server; this caller waits no longer than two seconds.'
start caller "parleyctl call --timeout 2000 127.0.0.1:7000"
await caller 'calling 127.0.0.1:7000'
await server 'backlog: 1 of 1'
await caller 'timed out after'
ms=${line#*after }
[ "${ms%%.*}" -ge 2000 ] || fail "timed out after $ms: that is too early"
await caller TIMED_OUT
finish caller 1
enter
await server 'backlog: 0 of 1'

chapter '6. The server goes: the calls that wait are refused'
start caller "parleyctl call 127.0.0.1:7000"
await caller 'calling 127.0.0.1:7000'
await server 'backlog: 1 of 1'
tell 'The server stops listening (Ctrl-D).'
exec 4>&-
await server 'waiting calls refused: 1'
await caller LISTENER_CLOSED
finish caller 1
finish server 0

chapter '7. The call states its terms, the rules answer: with data, code and time'
tell 'What the callers say is seen before anything is connected.'
cat >"$rules" <<-'END'
	accept data 0 "member" reply "welcome back"
	refuse data 0 "guest" code 7 retry-after 2s reply "members only today"
	default defer
END
run "cat $rules" 0 'default defer'
start server "parleyctl listen --rules $rules --control $door 127.0.0.1:7000"
await server 'to decide'
run "parleyctl call --data 'guest 12' 127.0.0.1:7000" 1 'members only today'
case $output in
*RULE*code:\ 7*'call again after: 2 s'*) ;;
*) fail 'reason, code or time are missing' ;;
esac
run "parleyctl call --data 'member 5' --send hello 127.0.0.1:7000" 0 \
	'welcome back'
await server 'accepted by rule 0'
await server 'call ended'

chapter '8. A deferred call waits aside, and is decided later'
tell 'The rules have nothing for this caller: a person is to decide.'
start caller "parleyctl call --data 'friend of a member' 127.0.0.1:7000"
await caller 'calling 127.0.0.1:7000'
await server 'calls deferred: 1'
tell 'It does not hold up those behind it.'
run "parleyctl call --data 'member 6' --send hello 127.0.0.1:7000" 0 \
	'welcome back'
await server 'call ended'
run "parleyctl calls --control $door" 0 'friend of a member'
id=$(echo "$output" | awk '$2 == "deferred" { print $1 }')
run "parleyctl decide --control $door --reply 'just this once' $id accept" 0 ''
await caller 'accepted by 127.0.0.1:7000'
await caller 'just this once'
await server 'accepted by a decider'
await server 'call ended'
finish caller 0

chapter '9. A decider is killed; its calls stay, and a successor decides'
start caller "parleyctl call --data 'first in line' 127.0.0.1:7000"
await caller 'calling 127.0.0.1:7000'
start second "parleyctl call --data 'second in line' 127.0.0.1:7000"
await second 'calling 127.0.0.1:7000'
start decider "parleyctl ask --control $door"
await decider 'first in line'
await decider 'leave: q'
tell 'It has seen the first call, and is killed before it has decided.'
kill -9 "$decider_pid"
finish decider 137
tell 'Nobody was refused, nobody was let in; both calls wait still.'
run "parleyctl calls --control $door" 0 'second in line'
case $output in
*'first in line'*) ;;
*) fail 'the first call is lost' ;;
esac
start decider "parleyctl ask --control $door"
await decider 'first in line'
await decider 'leave: q'
answer 'a glad that you waited'
await caller 'accepted by 127.0.0.1:7000'
await caller 'glad that you waited'
finish caller 0
await decider 'second in line'
await decider 'leave: q'
answer 'r 42 10s come back when it is quiet'
await second SERVER
await second 'code: 42'
await second 'call again after: 10 s'
await second 'come back when it is quiet'
finish second 1
await decider refused
answer q
finish decider 0
tell 'The server ends.'
kill "$server_pid"
await server 'stopped listening'
finish server 0

chapter '10. A filter judges calls in the kernel, before the server runs'
tell 'An eBPF socket filter, attached to the listener: who says hello comes in.'
start server "parleyctl listen --filter /bpf/filter.bpf.o,word=hello,retry_after_ms=5000 127.0.0.1:7000"
await server 'listening at 127.0.0.1:7000'
run "parleyctl call --data 'good day' 127.0.0.1:7000" 1 FILTER
run "parleyctl call --data 'hello there' --send hello 127.0.0.1:7000" 0 \
	'accepted by'
await server 'accepted by the filter'
await server 'call ended'
tell 'The server ends.'
kill "$server_pid"
await server 'stopped listening'
finish server 0

chapter '11. A policy keeps a quota of live connections for each user'
if [ -d /sys/kernel/btf ] &&
   grep -q bpf_struct_ops_parley_policy_ops /sys/kernel/btf/parley; then
	run "parleyctl policy load --set max=1 /bpf/quota_uid.bpf.o" 0 quota_uid
	start server "parleyctl listen --policy quota_uid --stage arrival --step 127.0.0.1:7000"
	await server 'Enter accepts'
	start caller "parleyctl call 127.0.0.1:7000"
	await caller 'calling 127.0.0.1:7000'
	await server 'backlog: 1 of '
	tell 'One call of this user is all the policy allows; the next is refused at once.'
	run "parleyctl call 127.0.0.1:7000" 1 'code: 1'
	run "parleyctl policy show quota_uid" 0 'live 1'
	enter
	await server 'accepted by the policy'
	await caller 'accepted by 127.0.0.1:7000'
	finish caller 0
	await server 'call ended'
	tell 'That connection is closed, so there is a place again.'
	start caller "parleyctl call 127.0.0.1:7000"
	await caller 'calling 127.0.0.1:7000'
	await server 'backlog: 1 of '
	tell 'Without its policy a listener refuses: nobody slips in.'
	run "parleyctl policy unload quota_uid" 0 ''
	run "parleyctl call 127.0.0.1:7000" 1 POLICY_FAULT
	enter
	await server 'accepted by the policy'
	finish caller 0
	await server 'call ended'
	tell 'The server ends.'
	kill "$server_pid"
	await server 'stopped listening'
	finish server 0
else
	tell 'This kernel lets modules have no such policies.'
	run "parleyctl policy load /bpf/quota_uid.bpf.o" 1 'struct_ops'
fi

chapter '12. The administrator caps every backlog'
cap=$(cat /proc/sys/net/parley/max_backlog) || fail 'no net.parley.max_backlog'
run "sysctl -w net.parley.max_backlog=3" 0 'net.parley.max_backlog = 3'
tell 'listen() asks for 100 and succeeds, and can see that it got 3.'
start server "parleyctl listen --no-accept --backlog 100 127.0.0.1:7000"
await server 'backlog 3 instead of 100'
await server 'calls are left waiting'
sysctl -w "net.parley.max_backlog=$cap" >/dev/null

chapter '13. The module stays while a socket is open'
run "rmmod parley" 1 'temporarily unavailable'
tell 'The server ends.'
kill "$server_pid"
finish server 0

chapter '14. The books'
tell 'Every call was established, refused or withdrawn; nothing is left.'
# Freed objects may stay for a moment (RCU): look again, but not for ever.
tries=0
until parleyctl stat sockets calls pending pages 2>/dev/null |
      awk '$2 != 0 { bad = 1 } END { exit bad || NR != 4 }'; do
	tries=$((tries + 1))
	[ "$tries" -lt 500 ] || {
		parleyctl stat
		fail 'sockets, calls or pages are left'
	}
done
run "parleyctl stat" 0 withdrawn
awk '{ n[$1] = $2 }
     END { exit n["called"] != n["established"] + n["refused"] + n["withdrawn"] }' \
    "$dir/output" || fail 'called is not established + refused + withdrawn'

printf '\n== That was parley: every step went as told.\n'
