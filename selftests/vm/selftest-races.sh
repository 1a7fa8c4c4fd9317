# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# The harness' tests of itself, of data races: which reports of KCSAN's count.
#
# Sourced by selftest.sh, which has verdict_of() and what else is used here.

# race FUNCTION FUNCTION [FUNCTION]: like KCSAN's report of a data race; the third is what
# the second calls.
race() {
	cat <<-END
		[    2.0] ==================================================================
		[    2.0] BUG: KCSAN: data-race in ${1%+*} / ${2%+*}
		[    2.0]
		[    2.0] write to 0xff11000001 of 8 bytes by task 175 on cpu 1:
		[    2.0]  $1
		[    2.0]  __x64_sys_connect+0x41/0x50
		[    2.0]
		[    2.0] read to 0xff11000001 of 8 bytes by task 166 on cpu 0:
		[    2.0]  ${3:-list_del+0x5b/0x2a0}
		[    2.0]  $2
		[    2.0] ==================================================================
	END
}

# Of what is compiled into the module and not its own, few races are known: $1 is a
# function of its own.
check_known_races() {
	local ours=$1 hash="rht_ptr.isra.0+0x1/0x2 [parley]"
	local lock="bit_spin_lock.constprop.0+0x1/0x2 [parley]"
	local orphan="sock_orphan+0x1/0x2 [parley]" pair

	CONSOLE=$(race "$hash" "$ours" "$lock") \
		verdict_of "boot test" "accept program" < <(usual | report)
	expect "a data race about a bucket's lock bit" "4 0 0"
	CONSOLE=$(race "$hash" "$ours" "test_and_set_bit_lock+0x1/0x2 [parley]
		[    2.0]  $lock" | sed 's/^	*//') \
		verdict_of "boot test" "accept program" < <(usual | report)
	expect "the same, by a function that the lock is made of" "4 0 0"
	CONSOLE=$(race "$orphan" "$ours" "sock_def_wakeup+0x1/0x2") \
		verdict_of "boot test" "accept program" < <(usual | report)
	expect "a data race of sock_orphan() with a wake-up" "4 0 0"
	for pair in "$hash" "$orphan" "$lock"; do
		CONSOLE=$(race "$pair" "$ours") \
			verdict_of "boot test" "accept program" < <(usual | report)
		must_fail "a data race of a list with ${pair%%[.+]*}"
		CONSOLE=$(race "$ours" "$ours" "$pair") \
			verdict_of "boot test" "accept program" < <(usual | report)
		must_fail "a data race of the module with ${pair%%[.+]*}"
	done
}

# A data race is ours where the module is in one of its stacks.
check_races() {
	local K_CHECKS=kcsan core="do_exit+0x1/0x2" ours="parley_x+0x1/0x2 [parley]"

	CONSOLE=$(race "$core" "$core") verdict_of "boot test" "accept program" \
		< <(usual | report)
	expect "a data race of the kernel's own" "4 0 0"
	[ "$(wc -l <"$WORK/run/core-races")" -eq 1 ] ||
		flawed "a data race of the kernel's own is not listed"
	CONSOLE=$(race "$core" "$core
		[    2.0]  asm_sysvec_apic_timer_interrupt+0x1/0x2
		[    2.0]  $ours" | sed 's/^	*//') verdict_of "boot test" "accept program" \
		< <(usual | report)
	expect "a data race of interrupts, one of them in the module" "4 0 0"
	CONSOLE=$(race "$core
		[    2.0]  asm_sysvec_apic_timer_interrupt+0x1/0x2" "$ours" |
		sed 's/^	*//') verdict_of "boot test" "accept program" \
		< <(usual | report)
	must_fail "a data race of the module with an interrupt"
	CONSOLE=$(race "$core" "$ours") verdict_of "boot test" "accept program" \
		< <(usual | report)
	must_fail "a data race with the module reading"
	CONSOLE=$(race "$ours" "$core") verdict_of "boot test" "accept program" \
		< <(usual | report)
	must_fail "a data race with the module writing"
	check_known_races "$ours"
	CONSOLE=$(race "$core" "$core" && race "$core" "$ours") \
		verdict_of "boot test" "accept program" < <(usual | report)
	must_fail "a data race of the module's after another"
	CONSOLE=$(race "$core" "$core" | sed '$d') \
		verdict_of "boot test" "accept program" < <(usual | report)
	must_fail "a report of a data race that is cut off"
	CONSOLE=$(race "$core" "$core" && echo "[    3.0] WARNING: CPU: 0") \
		verdict_of "boot test" "accept program" < <(usual | report)
	must_fail "a warning after a data race"
	K_CHECKS='' CONSOLE=$(race "$core" "$core") \
		verdict_of "boot test" "accept program" < <(usual | report)
	must_fail "a data race where KCSAN is not expected"
}
