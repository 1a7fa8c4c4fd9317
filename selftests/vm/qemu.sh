# shellcheck shell=bash
# Starts QEMU: which accelerator, which serial port is what, and the watchdogs.
#
# Sourced after lib.sh.  A run leaves console (ttyS0) and result (ttyS1) in its
# directory.  The result file says "incomplete" before the VM starts, and only
# a VM that came to its end makes it say something else.

# How the command line deserves its words:
#  panic=-1 oops=panic with -no-reboot: a dying kernel ends QEMU at once;
#  panic_on_warn=0: a warning is a failure, but the others are wanted too;
#  the stall, lockup and workqueue watchdogs: on a loaded host an emulated
#  processor may stand still for longer than their defaults allow;
#  no_timer_check: nor may it find ten ticks late while it boots, and panic;
#  tsc=nowatchdog: nor is an emulated counter that seems to run unevenly worth it to
#  patch the scheduler's clock while it is used, which the emulator may get wrong;
#  no5lvl: while a booting kernel finds out about its processor, KASAN takes
#  addresses of five-level page tables that an interrupt uses for wild ones;
#  printk.devkmsg=on: /init's marks must not be rate-limited away.
COMMAND_LINE=("console=ttyS0,115200" panic=-1 oops=panic panic_on_warn=0
	printk.devkmsg=on log_buf_len=4M rdinit=/init
	watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300
	rcupdate.rcu_exp_cpu_stall_timeout=300000
	workqueue.watchdog_thresh=0 no_timer_check tsc=nowatchdog no5lvl kmemleak=on)

# accelerator: sets ACCEL.  KVM is used where the processor has it and a probe
# really boots; nested set-ups often have the one without the other.
accelerator() {
	local probe=$CACHE/kvm-probe boot_id

	ACCEL=(-accel "tcg,thread=multi")
	grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo || return 0
	[ -r /dev/kvm ] && [ -w /dev/kvm ] || return 0
	boot_id=$(cat /proc/sys/kernel/random/boot_id)
	if [ "$(cut -d' ' -f1 "$probe" 2>/dev/null)" != "$boot_id" ]; then
		probe_kvm "$boot_id" >"$probe.$$"
		mv "$probe.$$" "$probe"
	fi
	if grep -q yes "$probe"; then
		ACCEL=(-accel kvm)
	fi
}

# probe_kvm BOOT-ID: boots the kernel in use with KVM as far as /init.
probe_kvm() {
	local dir answer=no

	dir=$(mktemp -d "$BUILD/.probe.XXXXXX")
	ACCEL=(-accel kvm)
	echo MODE=probe >"$dir/vm.conf"
	: >"$dir/list"
	MODULE_KO='' KUNIT_KO='' TOOL_BIN='' \
		make_initramfs "$dir/initramfs" "$dir/vm.conf" "$dir/list"
	boot "$dir" 30 </dev/null >/dev/null 2>&1
	if [ "$(tail -n 1 "$dir/result")" = "$FINAL" ]; then
		answer=yes
	fi
	rm -rf "$dir"
	ACCEL=(-accel "tcg,thread=multi")
	echo "$1 $answer"
}

# boot DIR SECONDS [QEMU-ARG...]: runs the VM to its end; never fails itself,
# the result file does.  SECONDS 0 means no limit.  SHARE is a file that is
# memory of a device of the VM: what it writes there is on the host at once.
boot() {
	local dir=$1 seconds=$2 memory=1G share=()
	local -a words=("${COMMAND_LINE[@]}")

	shift 2
	[ -z "${SHARE:-}" ] || share=(
		-object "memory-backend-file,id=share,share=on,size=32M,mem-path=$SHARE"
		-device "ivshmem-plain,memdev=share")
	[ -z "$K_DEBUG" ] || memory=3G
	# What comes from the heap is full of 0x6b until somebody writes to it:
	# the poison tests look for that in all that programs are given.
	[ "$K_NAME" != debug ] || words+=("slub_debug=P,kmalloc-*")
	# Every 200th access is watched, for so long that a thread on the other
	# emulated processor gets somewhere: by default hardly anything is seen.
	[ "$K_NAME" != kcsan ] ||
		words+=(kcsan.skip_watch=200 kcsan.udelay_task=400
			kcsan.udelay_interrupt=100)
	echo "parley-vm: incomplete" >"$dir/result"
	: >"$dir/console"
	timeout --foreground -k 10 "$seconds" qemu-system-x86_64 \
		-nodefaults -no-user-config -display none -no-reboot \
		"${ACCEL[@]}" -cpu "${CPU:-max}" -smp "${SMP:-2}" -m "${MEMORY:-$memory}" \
		-chardev file,id=console,path="$dir/console" \
		-serial chardev:console \
		-chardev file,id=result,path="$dir/result",append=on \
		-serial chardev:result \
		"${share[@]}" "$@" \
		-kernel "$K_IMAGE" -initrd "$dir/initramfs" \
		-append "${words[*]}" || true
}

# boot_watched DIR SECONDS SILENCE [QEMU-ARG...]: for tests.  Shows each top-level
# result as it comes, and ends a VM that reports nothing for SILENCE seconds, or that
# is still there a minute after all is reported.
boot_watched() {
	local dir=$1 seconds=$2 silence=$3 pid tail lines line rc since

	shift 3
	[ -n "${COUNTED:-}" ] || accelerator
	echo "parley-vm: incomplete" >"$dir/result"
	# tail wakes up when the file grows; it is ended when QEMU has.
	exec {lines}< <(exec tail -q -n +1 -f "$dir/result" 2>/dev/null)
	tail=$!
	(
		boot "$dir" "$seconds" "$@" </dev/null 2>"$dir/qemu.log"
		kill "$tail" 2>/dev/null || true
	) &
	pid=$!
	# shellcheck disable=SC2064
	trap "pkill -TERM -P $pid; exit 130" INT TERM
	since=$SECONDS
	while true; do
		rc=0
		IFS= read -r -t "$silence" -u "$lines" line || rc=$?
		if [ $rc -gt 128 ]; then
			log "$K_NAME: nothing reported for $silence seconds"
			pkill -TERM -P "$pid" || true
			break
		fi
		[ $rc -eq 0 ] || break
		line=${line%$'\r'}
		case $line in
		"ok "* | "not ok "*)
			log "$K_NAME: $line ($((SECONDS - since)) s)"
			since=$SECONDS
			;;
		"$FINAL")
			# A kernel that does not come down is not waited for.
			timeout 60 tail --pid="$pid" -f /dev/null || {
				log "$K_NAME: does not end"
				pkill -TERM -P "$pid" || true
			}
			break
			;;
		esac
	done
	wait "$pid" || true
	exec {lines}<&-
	trap - INT TERM
	cat "$dir/qemu.log" >&2
}

# boot_terminal DIR SECONDS: the VM's ttyS2 is this terminal.
boot_terminal() {
	accelerator
	boot "$1" "$2" -chardev stdio,id=terminal,signal=off \
		-serial chardev:terminal
}

# Where the emulator counts instructions, or has to go through them, "rep movsb" is
# one for each byte; where that is not said to be fast, the kernel copies by words.
SLOW_MOVSB=erms=off,fsrm=off

# counted COMMAND...: runs it; the time of its VMs are the instructions that their
# one processor executes, a nanosecond each, and where it has nothing to do, time
# passes at once.
counted() {
	local COUNTED=1
	local -a ACCEL=(-accel "tcg,thread=single" -icount "shift=0,sleep=off")
	local -a COMMAND_LINE=("${COMMAND_LINE[@]}" mitigations=off)
	local SMP=1 CPU=max,$SLOW_MOVSB MEMORY=2G

	"$@"
}

# boot_counted DIR SECONDS: as boot_terminal.
boot_counted() {
	counted boot "$1" "$2" -chardev stdio,id=terminal,signal=off \
		-serial chardev:terminal
}

# boot_timed DIR SECONDS: the same with two processors and real time.
boot_timed() {
	local -a COMMAND_LINE=("${COMMAND_LINE[@]}" mitigations=off)
	local CPU=max MEMORY=2G

	accelerator
	[ "${ACCEL[*]}" = "-accel kvm" ] || CPU=max,$SLOW_MOVSB
	boot "$1" "$2" -chardev stdio,id=terminal,signal=off \
		-serial chardev:terminal
}
