#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2034 # variables for what it sources
# Proves that the harness notices what it is there to notice: bad reports,
# kernel complaints, silent machines, damaged cache entries, useless modules.
# Takes seconds, boots nothing and needs no network.

SELF=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export PARLEY_CACHE=$WORK/cache PARLEY_BUILD=$WORK/build

# shellcheck source=all.sh
. "$SELF/all.sh"
# shellcheck source=judge.sh
. "$VM_DIR/judge.sh"
# shellcheck source=qemu.sh
. "$VM_DIR/qemu.sh"
# shellcheck source=selftest-races.sh
. "$VM_DIR/selftest-races.sh"

# Where nobody has installed them yet, the set-up of "make check" begins here.
need_packages check

checks=0

# flawed WHAT: says which check did not hold, and ends.
flawed() {
	die "harness self-test: $*"
}

# verdict_of EXPECTED-LINES... < REPORT: judges the report on standard input
# like a VM's, sets passed, failed, skipped and the text.
verdict_of() {
	local dir=$WORK/run

	rm -rf "$dir"
	mkdir -p "$dir"
	printf '%s\n' "$@" >"$dir/expected"
	cat >"$dir/result"
	printf '%s\n' "${CONSOLE:-Linux version}" >"$dir/console"
	K_NAME=${AS_KERNEL:-6.12} K_DEBUG='' K_RELEASE=test
	rm -f "$WORK/totals"
	SKIPS=$WORK/skips judge "$dir" "$WORK/totals" >"$WORK/text" 2>&1
	read -r passed failed skipped <"$WORK/totals"
	checks=$((checks + 1))
}

# good CASES PROGRAM-LINES: a whole report around one program's lines.
report() {
	printf 'parley-vm: incomplete\nKTAP version 1\n1..2\nok 1 boot\n'
	printf '# start accept\n'
	cat
	printf '%s 2 accept\n%s\n' "${1:-ok}" "$FINAL"
}

usual() {
	printf '  %s\n' 'KTAP version 1' 1..2 'ok 1 global.one' 'ok 2 global.two'
}

expect() {
	if [ "$passed $failed $skipped" != "$2" ]; then
		cat "$WORK/text" >&2
		flawed "$1: got '$passed $failed $skipped', not '$2'"
	fi
}

must_fail() {
	if [ "$failed" -eq 0 ]; then
		cat "$WORK/text" >&2
		flawed "$1 was not a failure"
	fi
}

check_reports() {
	local both=("boot test" "accept program")

	: >"$WORK/skips"
	verdict_of "${both[@]}" < <(usual | report)
	# Two cases, boot, and the console.
	expect "a good report" "4 0 0"

	verdict_of "${both[@]}" < <(usual | report | sed 's/$/\r/')
	expect "a good report with carriage returns" "4 0 0"

	verdict_of "${both[@]}" < <(usual | report | sed '/^1\.\.2/d')
	must_fail "a missing plan"

	verdict_of "${both[@]}" < <(usual | sed '/1\.\.2/d' | report)
	must_fail "a program's missing plan"

	verdict_of "${both[@]}" < <(usual | sed '$d' | report)
	must_fail "a missing case"

	verdict_of "${both[@]}" < <((usual && echo "  ok 3 global.more") | report)
	must_fail "a surplus case"

	verdict_of "${both[@]}" < <(usual | sed 's/ok 2/ok 3/' | report)
	must_fail "a wrong number"

	verdict_of "${both[@]}" < <(: | report)
	must_fail "a program without cases"

	verdict_of "${both[@]}" "listen program" < <(usual | report)
	must_fail "a program that is not reported"

	verdict_of "boot test" < <(usual | report)
	must_fail "a program that nobody asked for"

	verdict_of "${both[@]}" < <(usual | sed 's/ok 2/not ok 2/' | report "not ok")
	expect "a failed case" "3 1 0"
	grep -q '^FAIL 6.12 accept.global.two$' "$WORK/text" ||
		flawed "a failed case is not named"

	verdict_of "${both[@]}" < <(usual | report "not ok")
	must_fail "a program that fails after its cases"

	verdict_of "${both[@]}" < <(usual | report | sed '$d')
	must_fail "an absent final word"

	verdict_of "${both[@]}" < <(usual | report | sed '/ok 2 accept/,$d')
	must_fail "a report cut off in a program"

	verdict_of "${both[@]}" < <(usual | report | sed '/^  ok 2/,$d')
	must_fail "a report cut off in a case"

	verdict_of "${both[@]}" < <(echo "parley-vm: incomplete")
	must_fail "no report"

	verdict_of "${both[@]}" </dev/null
	must_fail "an empty report"
}

check_skips() {
	local both=("boot test" "accept program")
	local skip='  ok 2 global.two # SKIP no memory'

	: >"$WORK/skips"
	verdict_of "${both[@]}" < <((usual | sed '$d' && echo "$skip") | report)
	expect "an unexpected skip" "3 1 0"

	echo "stock accept.global.two because" >"$WORK/skips"
	verdict_of "${both[@]}" < <((usual | sed '$d' && echo "$skip") | report)
	expect "an expected skip" "3 0 1"

	AS_KERNEL=debug verdict_of "${both[@]}" \
		< <((usual | sed '$d' && echo "$skip") | report)
	expect "a skip expected elsewhere" "3 1 0"

	verdict_of "${both[@]}" < <((usual | sed '$d' &&
		echo "  ok 2 global.two # XFAIL known") | report)
	expect "an expected failure" "4 0 0"
}

# A KUnit report from debugfs: four columns a level, parameters below a case.
check_kunit() {
	verdict_of "kunit-ring program" <<-END
		KTAP version 1
		1..1
		# start kunit
		  KTAP version 1
		  1..1
		      KTAP version 1
		      # Subtest: ring
		      1..2
		      ok 1 empty
		          KTAP version 1
		          # Subtest: sizes
		          ok 1 one page
		          not ok 2 two pages
		      # sizes: pass:1 fail:1 skip:0 total:2
		      not ok 2 sizes
		  not ok 1 ring
		not ok 1 kunit-ring
		$FINAL
	END
	# Parameterized cases have no plan, which is all right only there.
	expect "a KUnit report" "3 1 0"
}

check_console() {
	local line

	while IFS= read -r line; do
		CONSOLE=$line verdict_of "boot test" "accept program" \
			< <(usual | report)
		must_fail "'$line' on the console"
	done <<-'END'
		[    1.0] BUG: KASAN: slab-use-after-free in parley_accept+0x1
		[    1.0] WARNING: CPU: 0 PID: 1 at net/parley/call.c:1
		[    1.0] WARNING: net/parley/call.c:1 at parley_call+0x1
		[    1.0] WARNING: possible circular locking dependency detected
		[    1.0] WARNING: suspicious RCU usage
		[    1.0] UBSAN: array-index-out-of-bounds in net/parley/addr.c
		[    1.0] refcount_t: underflow; use-after-free.
		[    1.0] unregister_netdevice: waiting for lo to become free.
		[    1.0] ref_tracker: net notrefcnt@0 has 1/1 users at
		[    1.0] INFO: task accept:1 blocked for more than 122 seconds.
		[    1.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!
		[    1.0] rcu: INFO: rcu_preempt self-detected stall on CPU
		[    1.0] Oops: general protection fault, probably for
		[    1.0] kmemleak: 3 new suspected memory leaks
		[    1.0] BUG parley (Tainted: G): Objects remaining in parley
		[    1.0] ODEBUG: free active (active state 0) object
	END
	CONSOLE="[    0.1] Memory: 1G available, parley: loaded" \
		verdict_of "boot test" "accept program" < <(usual | report)
	expect "a clean console" "4 0 0"
}

# A machine that says nothing, and one that dies at once.
check_silence() {
	local dir=$WORK/silent

	mkdir -p "$WORK/bin" "$dir"
	accelerator() { ACCEL=(); }
	K_NAME=6.12 K_DEBUG='' K_IMAGE=none
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nexec sleep 100\n' >"$WORK/bin/qemu-system-x86_64"
	chmod +x "$WORK/bin/qemu-system-x86_64"
	PATH=$WORK/bin:$PATH boot_watched "$dir" 60 1 2>/dev/null
	verdict_of "boot test" <"$dir/result"
	must_fail "a silent machine"

	printf '#!/bin/sh\nexit 1\n' >"$WORK/bin/qemu-system-x86_64"
	PATH=$WORK/bin:$PATH boot_watched "$dir" 60 60 2>/dev/null
	verdict_of "boot test" <"$dir/result"
	must_fail "a dead machine"
}

# builder DIR: leaves a trace of each call.
builder() {
	echo made >>"$WORK/made"
	echo content >"$1/file"
	echo 1 >"$1/.version"
}

broken_builder() {
	echo half >"$1/file"
	false
	echo 1 >"$1/.version"
}

# made N WHAT: the entry is whole, and was built N times so far.
made() {
	cache_entry thing builder 2>/dev/null
	checks=$((checks + 1))
	[ "$(cat "$CACHE/thing/file")" = content ] || flawed "$2: not repaired"
	[ "$(wc -l <"$WORK/made")" -eq "$1" ] ||
		flawed "$2: built $(wc -l <"$WORK/made") times, not $1"
}

check_cache() {
	made 1 "a new entry"
	made 1 "a whole entry"
	echo other >"$CACHE/thing/file"
	made 2 "a changed file"
	rm "$CACHE/thing/file"
	made 3 "a missing file"
	sed -i '$d' "$CACHE/thing/.stamp"
	made 4 "half a stamp"
	rm "$CACHE/thing/.stamp"
	made 5 "an entry without a stamp"
	rm -rf "$CACHE/thing"
	mkdir "$CACHE/.new.thing.left"
	made 6 "a removed entry"
	[ ! -e "$CACHE/.new.thing.left" ] ||
		flawed "what a killed run left was not removed"

	checks=$((checks + 1))
	(cache_entry broken broken_builder) 2>/dev/null &
	if wait $!; then
		flawed "a builder that fails went unnoticed"
	fi
	[ ! -e "$CACHE/broken" ] || flawed "a half entry was kept"
}

check_sources() {
	mkdir -p "$WORK/etc/sources.list.d"
	cat >"$WORK/etc/sources.list" <<-'END'
		# deb http://commented.example/debian bookworm main
		deb [arch=amd64 signed-by=/k] http://a.example/debian bookworm main
		deb-src http://src.example/debian bookworm main
	END
	cat >"$WORK/etc/sources.list.d/x.sources" <<-'END'
		Types: deb
		# a comment
		URIs: http://b.example/debian
		Suites: bookworm-updates
		 bookworm-backports
		Components: main

		Enabled: no
		Types: deb
		URIs: http://c.example/debian
		Suites: bookworm
	END
	checks=$((checks + 1))
	[ "$(PARLEY_APT_ETC=$WORK/etc machine_sources)" = \
"http://a.example/debian bookworm
http://b.example/debian bookworm-updates
http://b.example/debian bookworm-backports" ] ||
		flawed "apt's sources were misread"
}

# fake_ko ID [SECTION...]: a "module" with one kfunc of that BTF id, without
# the sections named.  Where .BTF_ids should be absent, ID is "none".
fake_ko() {
	local id=$1 section remove=()

	shift
	for section in "$@"; do
		remove+=(--remove-section "$section")
	done
	{
		echo '.section .BTF,"",@progbits; .byte 0x9f'
		echo '.text; call register_btf_kfunc_id_set'
		echo 'call __register_bpf_struct_ops'
		[ "$id" = none ] || printf '%s\n' '.section .BTF_ids,"a"' \
			'__BTF_ID__set8__parley_kfunc_ids: .long 1, 1' \
			"__BTF_ID__func__bpf_parley_x__1: .long $id, 16"
	} | gcc -x assembler -c -o "$WORK/fake.ko" -
	[ ${#remove[@]} -eq 0 ] || objcopy "${remove[@]}" "$WORK/fake.ko"
}

# plain_ko: one with BTF and nothing to find in it.
plain_ko() {
	echo '.section .BTF,"",@progbits; .byte 0x9f' |
		gcc -x assembler -c -o "$WORK/fake.ko" -
}

# finish_fake: in a process of its own, which it may end; sets rc.
finish_fake() {
	checks=$((checks + 1))
	rc=0
	(finish_module_btf "$WORK/fake.ko" "$WORK/fake") 2>"$WORK/text" &
	wait $! || rc=$?
}

fake_good() {
	finish_fake
	[ "$rc" -eq 0 ] || flawed "$1 was refused: $(cat "$WORK/text")"
}

fake_refused() {
	finish_fake
	[ "$rc" -ne 0 ] || flawed "$1 was not refused"
	grep -q "$2" "$WORK/text" ||
		flawed "$1: the reason given is '$(cat "$WORK/text")'"
	[ ! -e "$WORK/fake.ko" ] || flawed "$1: make would not link it anew"
}

# A module whose BTF is of no use is not to be taken into a VM.
check_btf() {
	K_NAME=debug K_DEBUG=1 K_SID='' K_DIR=$WORK/fake-kernel
	mkdir -p "$K_DIR" "$WORK/fake/net/parley"
	: >"$K_DIR/vmlinux"
	printf '0x0\t__register_bpf_struct_ops\tvmlinux\tEXPORT_SYMBOL_GPL\t\n' \
		>"$K_DIR/Module.symvers"
	: >"$WORK/fake/net/parley/policy_bpf.c"

	fake_ko 77
	fake_good "a module with good BTF"
	fake_ko 0
	fake_refused "an empty BTF id" "resolve_btfids.*bpf_parley_x"
	fake_ko none
	fake_refused "a module without .BTF_ids" "no .BTF_ids"
	fake_ko 77 .BTF
	fake_refused "a module without BTF" "without BTF"

	plain_ko
	fake_refused "a module without policies" "has no policies"
	: >"$K_DIR/Module.symvers"
	plain_ko
	fake_good "a module without policies where there are none"

	# Where there is no vmlinux, as for 6.1, pahole has to help.
	rm "$K_DIR/vmlinux"
	fake_ko 77 .BTF
	printf '#!/bin/sh\nexit 1\n' >"$WORK/bin/pahole"
	chmod +x "$WORK/bin/pahole"
	use_btf_base() { BTF_BASE=none; }
	PATH=$WORK/bin:$PATH fake_refused "a pahole that fails" "pahole cannot"
}

# configured LINE...: what becomes of two configurations, the second over the first,
# where kconfig leaves these lines; in a process of its own, which it may end.
configured() {
	checks=$((checks + 1))
	printf '%s\n' "$@" >"$WORK/kept"
	(configure_debug_kernel) 2>"$WORK/text" &
	wait $!
}

# What a configuration asks for is there in the end, or there is no kernel.
check_configs() {
	K_DIR=$WORK/obj DEBUG_NAME=fake
	DEBUG_CONFIGS=("$WORK/one.config" "$WORK/two.config")
	mkdir -p "$K_DIR"
	printf '%s\n' CONFIG_A=y CONFIG_B=y CONFIG_C=2 >"$WORK/one.config"
	printf '%s\n' '# CONFIG_B is not set' CONFIG_C=3 >"$WORK/two.config"
	debug_make() {
		[ "$1" = allnoconfig ] || cp "$WORK/kept" "$K_DIR/.config"
	}
	configured CONFIG_A=y '# CONFIG_B is not set' CONFIG_C=3 ||
		flawed "a good configuration was refused: $(cat "$WORK/text")"
	! configured CONFIG_A=y CONFIG_C=2 || flawed "an old value went unnoticed"
	! configured CONFIG_C=3 || flawed "a lost symbol went unnoticed"
	! configured CONFIG_A=y CONFIG_B=y CONFIG_C=3 ||
		flawed "a symbol that stayed went unnoticed"
}

# gcov_says SOURCE: like gcov -t -b -c about that file of the module's.
gcov_says() {
	echo "        -:    0:Source:/m/net/parley/$1"
	cat
}

# What ran in one object ran; what the kernel's headers and the tests have in them
# does not count.
check_coverage() {
	local in=$WORK/text

	{
		gcov_says a.c <<-'END'
			function f called 5 returned 100% blocks executed 60%
			        5:    3:int f(int x)
			        -:    4:{
			       5*:    5:	if (x && g(x))
			branch  0 taken 5 (fallthrough)
			branch  1 taken 0
			call    2 never executed
			    #####:    6:		return 1;
			    #####:    7:	return 2;
		END
		gcov_says tests/a_kunit.c <<-'END'
			    #####:    1:static void a_test(void)
		END
		gcov_says tests/../a.c <<-'END'
			function f called 1 returned 100% blocks executed 60%
			        1:    3:int f(int x)
			        1:    5:	if (x && g(x))
			branch  0 taken 0
			branch  1 taken 1
			        1:    7:	return 2;
		END
		gcov_says ../../../usr/include/b.h <<-'END'
			    #####:    1:static inline int b(void)
		END
	} >"$in"
	awk -v root=/m/ -v table="$WORK/table" -v lines="$WORK/lines" \
		-v branches="$WORK/branches" -f "$VM_DIR/coverage.awk" "$in"
	checks=$((checks + 1))
	[ "$(sed -n '2s/  */ /gp' "$WORK/table")" = \
		"net/parley/a.c 4 3 75.0 2 2 100.0" ] ||
		flawed "the table of coverage is $(cat "$WORK/table")"
	[ "$(wc -l <"$WORK/table")" -eq 3 ] ||
		flawed "foreign files are in the table of coverage"
	[ "$(cat "$WORK/lines")" = "net/parley/a.c:6: f: return 1;" ] ||
		flawed "the lines that never ran are $(cat "$WORK/lines")"
	[ ! -s "$WORK/branches" ] ||
		flawed "branches of two objects were not added up"
}

# soak_of LAPS KIB-A-LAP: what a soak would have noted, with some noise.
soak_of() {
	awk -v laps="$1" -v more="$2" 'BEGIN {
		OFS = "\t"
		for (i = 1; i <= laps; i++) {
			kernel = 50000 + more * i + i % 3 * 200
			# Caches get their size, and once something is odd.
			kernel += i < 4 ? i * 2000 - 8000 : i == laps - 2 ? 900 : 0
			print "load", 60 * i - 20, i, 0, 0, 0, kernel + 5000
			print "calm", 60 * i, i, 0, 0, 20000, kernel, 0, 2, 0, 0,
				0, 3000 * i, 1, 1, 1, 1000 * i
		}
	}'
}

check_soak() {
	local growth

	checks=$((checks + 1))
	soak_of 40 0 | awk -f "$VM_DIR/soak.awk" >"$WORK/text" ||
		flawed "flat memory grows: $(cat "$WORK/text")"
	# A page for each hundred calls, and half of that.
	for growth in 120 60; do
		checks=$((checks + 1))
		! soak_of 40 $growth | awk -f "$VM_DIR/soak.awk" >"$WORK/text" ||
			flawed "$growth KiB a lap: $(cat "$WORK/text")"
		grep -q "memory grows" "$WORK/text" ||
			flawed "$growth KiB a lap: $(cat "$WORK/text")"
	done
	checks=$((checks + 1))
	! soak_of 4 0 | awk -f "$VM_DIR/soak.awk" >"$WORK/text" ||
		flawed "a soak of four laps is enough"
	checks=$((checks + 1))
	! soak_of 4 900 | awk -f "$VM_DIR/soak.awk" >"$WORK/text" ||
		flawed "much too much, in four laps: $(cat "$WORK/text")"
	grep -q "memory grows" "$WORK/text" ||
		flawed "much too much, in four laps: $(cat "$WORK/text")"
	checks=$((checks + 1))
	! awk -f "$VM_DIR/soak.awk" </dev/null >"$WORK/text" 2>&1 ||
		flawed "a soak without figures says something"
}

check_reports
check_skips
check_kunit
check_console
check_races
check_silence
check_cache
check_sources
check_btf
check_configs
check_coverage
check_soak
log "harness self-test: $checks checks hold"
