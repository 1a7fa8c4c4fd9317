#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration: runs inside the VM (busybox sh, the module loaded,
# parleyctl in PATH) and prints a transcript. Every step checks what it shows;
# the first that goes otherwise ends the demo with status 1.
#
# Two commands may run in the background, "server" and "caller". Their output
# comes through a fifo and is printed, marked with the name, when the story
# waits for it: the steps wait for events, never for time.
set -u

dir=$(mktemp -d)
server_pid=
caller_pid=

cleanup()
{
	for pid in $server_pid $caller_pid; do
		kill "$pid" 2>/dev/null
	done
	rm -rf "$dir"
}
trap cleanup EXIT

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
	eval "$1" </dev/null >"$dir/output" 2>&1 3<&- 4>&- 5<&- 6>&-
	status=$?
	output=$(cat "$dir/output")
	echo "$output"
	[ "$status" -eq "$2" ] ||
		fail "'$1' ended with status $status instead of $2"
	case $output in
	*$3*) ;;
	*) fail "'$1' did not say '$3'" ;;
	esac
}

# start NAME COMMAND: in the background; server has its output at descriptor
# 3 and its input at 4, caller at 5 and 6
start()
{
	echo "\$ $2 &"
	mkfifo "$dir/in" "$dir/out"
	eval "exec $2" <"$dir/in" >"$dir/out" 2>&1 3<&- 4>&- 5<&- 6>&- &
	if [ "$1" = server ]; then
		server_pid=$!
		exec 4>"$dir/in" 3<"$dir/out"
	else
		caller_pid=$!
		exec 6>"$dir/in" 5<"$dir/out"
	fi
	rm "$dir/in" "$dir/out"
}

# next_line NAME: reads and prints one line; false at the end, and when there
# is nothing for a minute
next_line()
{
	# shellcheck disable=SC3045 # busybox has read -t
	if [ "$1" = server ]; then
		IFS= read -r -t 60 line <&3
	else
		IFS= read -r -t 60 line <&5
	fi && echo "  $1 | $line"
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

# finish NAME STATUS: prints the rest; the command must end with STATUS
finish()
{
	while next_line "$1"; do
		:
	done
	if [ "$1" = server ]; then
		exec 3<&- 4>&-
		pid=$server_pid
		server_pid=
	else
		exec 5<&- 6>&-
		pid=$caller_pid
		caller_pid=
	fi
	wait "$pid" 2>/dev/null	# it says "Terminated"
	status=$?
	[ "$status" -eq "$2" ] ||
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

chapter '7. The administrator caps every backlog'
cap=$(cat /proc/sys/net/parley/max_backlog) || fail 'no net.parley.max_backlog'
run "sysctl -w net.parley.max_backlog=3" 0 'net.parley.max_backlog = 3'
tell 'listen() asks for 100 and succeeds, and can see that it got 3.'
start server "parleyctl listen --no-accept --backlog 100 127.0.0.1:7000"
await server 'backlog 3 instead of 100'
await server 'calls are left waiting'
sysctl -w "net.parley.max_backlog=$cap" >/dev/null

chapter '8. The module stays while a socket is open'
run "rmmod parley" 1 'temporarily unavailable'
tell 'The server ends.'
kill "$server_pid"
finish server 0

chapter '9. The books'
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
