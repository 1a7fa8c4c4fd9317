# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# Somebody on the host who does to a VM what its tests cannot do to themselves:
# it stops for a while, by the emulator's monitor or by a signal to the emulator.
#
# Sourced by run.sh.  The VM's ttyS2 carries a request a line, "stop SECONDS" or
# "freeze SECONDS", and the answer when that is over: what became of it.

# companion_args DIR: sets COMPANION, what QEMU is to be given.
companion_args() {
	local dir=$1

	rm -f "$dir"/{host,monitor}.{in,out}
	mkfifo "$dir"/{host,monitor}.{in,out}
	COMPANION=(-pidfile "$dir/pid"
		-chardev "pipe,id=monitor,path=$dir/monitor"
		-mon "chardev=monitor,mode=readline"
		-chardev "pipe,id=host,path=$dir/host"
		-serial chardev:host)
}

# companion DIR: until somebody ends it; QEMU need not be there yet.
companion() {
	local dir=$1 ask what seconds never answer

	# Opened for both, a FIFO never ends and nobody waits for who is not there.
	exec {ask}<>"$dir/host.out" {answer}<>"$dir/host.in"
	exec {to_monitor}<>"$dir/monitor.in" {monitor}<>"$dir/monitor.out"
	mkfifo "$dir/never"
	exec {never}<>"$dir/never"
	while read -r -u "$ask" what seconds; do
		seconds=${seconds%$'\r'}
		case $what in
		stop) companion_stop "$seconds" ;;
		freeze) companion_freeze "$(cat "$dir/pid")" "$seconds" ;;
		*) echo "what?" ;;
		esac >&"$answer"
	done
}

# companion_pause SECONDS: nothing is ever to be read there.
companion_pause() {
	read -r -t "$1" -u "$never" || true
}

# companion_state: what the monitor says the VM does.
companion_state() {
	local line

	echo "info status" >&"$to_monitor"
	while read -r -t 60 -u "$monitor" line; do
		case $line in
		"VM status: "*)
			line=${line#VM status: }
			echo "${line%$'\r'}"
			return
			;;
		esac
	done
	echo "unknown"
}

companion_stop() {
	local state

	echo stop >&"$to_monitor"
	state=$(companion_state)
	companion_pause "$1"
	echo cont >&"$to_monitor"
	echo "$state"
}

# companion_freeze PID SECONDS: the third word of stat is T for what is stopped.
companion_freeze() {
	local state

	kill -STOP "$1"
	companion_pause "$2"
	state=$(sed 's/.*) //' "/proc/$1/stat")
	kill -CONT "$1"
	[ "${state%% *}" = T ] && echo frozen || echo "state ${state%% *}"
}
