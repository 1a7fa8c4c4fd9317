#!/bin/bash
# Boots a VM for a kernel and does something in it.
#
#	run.sh test [KERNEL...]		the tests, KERNELs or all stock ones
#	run.sh coverage-docs		all tests on gcov, and Documentation/coverage.rst
#	run.sh demo			the demonstration, on 6.12
#	run.sh ratio [KERNEL]		programs on parley and on TCP, on 6.12
#	run.sh time [KERNEL]		the tests of time, or TEST, counted; DAYS=1
#	run.sh shell [KERNEL]		a prompt in the VM
#	run.sh soak [KERNEL]		storms and redis for SOAK_SECONDS, on debug
#	run.sh fuzz [KERNEL]		the fuzzer, on the debug kernel
#	run.sh bench [KERNEL]		what things cost
#	run.sh bench-docs [KERNEL]	the same, and Documentation/bench.* from it
#
# TEST=name[.case][,...] narrows what "test" runs; kunit is a name on debug.  On kcsan
# it is, where nothing else is asked for, what kcsan-programs lists.
# V=1 names what passed.
# ADD=1 with the kernel gcov: what earlier runs of the same module covered counts, too.
# MODE=counted or MODE=smp, and BENCH="--only stream:64KiB --families unix,parley" or
# what else bench takes, narrow what "bench" measures.
# PARLEY_STORM_SCALE=percent is how long races and storms are; less on kernels for
# debugging if nothing is said.
# FUZZ_SECONDS=n and SEED=n say how long "fuzz" runs, and with what; REPLAY=file is
# run again instead, REPEAT=n times.
# PARLEY_LIMIT=seconds goes for every program, on a slow machine say.
# SOAK_STORMS="storm bpf_storm", SOAK_SCALE=percent and SOAK_SEED narrow the soak;
# laps have to be short enough for six in its time.
# PARLEY_SUMMARY names a file that gets this step's totals added.

# shellcheck source-path=SCRIPTDIR source=all.sh
. "$(dirname "${BASH_SOURCE[0]}")/all.sh"
# shellcheck source=judge.sh
. "$VM_DIR/judge.sh"
# shellcheck source=qemu.sh
. "$VM_DIR/qemu.sh"
# shellcheck source=companion.sh
. "$VM_DIR/companion.sh"
# shellcheck source=fuzz.sh
. "$VM_DIR/fuzz.sh"

# limit_of PROGRAM: its seconds, from the file limits; five times on a kernel
# for debugging.
limit_of() {
	local seconds

	seconds=$(awk -v p="$1" '$1 == p { print $2 }' "$VM_DIR/limits")
	seconds=${PARLEY_LIMIT:-${seconds:-120}}
	[ -z "$K_DEBUG" ] || seconds=$((seconds * 5))
	echo "$seconds"
}

# list_programs: "NAME LIMIT ARGUMENTS" for each program to run, TEST obeyed.
list_programs() {
	local program want=${TEST:-} item test arguments

	while read -r program; do
		if [ -z "$want" ]; then
			echo "$program $(limit_of "$program")"
			continue
		fi
		for item in ${want//,/ }; do
			[ "${item%%.*}" = "$program" ] || continue
			# program, program.test or program.fixture.test; a test
			# outside fixtures is reported as global.test.
			arguments=
			if [ "$item" != "$program" ]; then
				test=${item#*.}
				case $test in
				global.*) arguments=" -f global -t ${test#*.}" ;;
				*.*) arguments=" -f ${test%%.*} -t ${test##*.}" ;;
				*) arguments=" -t $test" ;;
				esac
			fi
			[ -z "${FUZZ_SECONDS:-}" ] || arguments=$(fuzz_arguments)
			echo "$program $(limit_of "$program")$arguments"
		done
	done <"$TEST_BIN/programs"
}

# wanted_programs: the programs that TEST names, one a line; none means all.
wanted_programs() {
	local item

	for item in ${TEST:+${TEST//,/ }}; do
		echo "${item%%.*}"
	done
}

# kunit_suites: the names of the suites in the KUnit sources.
kunit_suites() {
	[ -n "$KUNIT_KO" ] || return 0
	find "$TREE/net/parley" -name '*.c' -exec awk '
		/struct kunit_suite [a-z_0-9]+ = \{/ { on = 1 }
		on && /\.name *=/ { split($0, q, "\""); print q[2]; on = 0 }
		' {} + | LC_ALL=C sort
}

# prepare_test DIR: builds what the run in DIR needs; the rest is apart from
# other runs in the same tree.
prepare_test() {
	local dir=$1 programs suites=() suite name rest

	mapfile -t programs < <(wanted_programs)
	build_tests "${programs[@]}"
	build_tools
	build_module
	if kernel_checks kcsan; then
		nm -u "$MODULE_KO" | grep -w __tsan_read8 >/dev/null ||
			die "KCSAN does not see what the module does"
	fi
	list_programs >"$dir/list"
	make_share "$dir"
	if kernel_checks kunit &&
		[[ -z ${TEST:-} || ,$TEST, = *,kunit,* ]]; then
		[ -n "$KUNIT_KO" ] || die "the build made no parley_kunit.ko"
		mapfile -t suites < <(kunit_suites)
		[ ${#suites[@]} -gt 0 ] || die "no KUnit suite in net/parley"
	fi
	[ -s "$dir/list" ] || [ ${#suites[@]} -gt 0 ] ||
		die "no test program matches '${TEST:-}'"

	# What the run is held to.
	{
		echo "boot test"
		for suite in "${suites[@]}"; do
			echo "kunit-$suite program"
		done
		while read -r name rest; do
			echo "$name program"
		done <"$dir/list"
		! kernel_checks kcsan || echo "kcsan test"
		printf '%s test\n' taint rmmod leaks
	} >"$dir/expected"
	{
		echo "MODE=test"
		echo "PLAN=$(wc -l <"$dir/expected")"
		echo "KUNIT=${#suites[@]}"
		echo "KUNIT_SUITES=\"${suites[*]}\""
		echo "KMEMLEAK=$(kernel_checks kmemleak && echo 1 || echo 0)"
		echo "KCSAN=$(kernel_checks kcsan && echo 1 || echo 0)"
		echo "COVERAGE=${K_COVERAGE:-0}"
		echo "SCALE=${PARLEY_STORM_SCALE:-}"
	} >"$dir/vm.conf"
	[ -z "$K_COVERAGE" ] || note_coverage "$dir"
	make_initramfs "$dir/initramfs" "$dir/vm.conf" "$dir/list"
}

# run_one KERNEL TOTALS: what run_test starts for each kernel.
run_one() {
	local dir name limit rest silence=0 total=0 ports=()

	use_kernel "$1"
	if [ "$K_NAME" = kcsan ] && [ -z "${TEST:-}" ]; then
		TEST=$(grep -v '^#' "$VM_DIR/kcsan-programs" | paste -sd,)
	fi
	run_dir test
	dir=$RUN_DIR
	with_lock "$BUILD_LOCK" prepare_test "$dir"
	while read -r name limit rest; do
		total=$((total + limit))
		[ "$limit" -le "$silence" ] || silence=$limit
	done <"$dir/list"
	if [ -n "${COUNTED:-}" ]; then
		# Of the host's.
		total=$((1200 + 30 * DAYS)) silence=$((600 + 30 * DAYS))
	fi
	log "$K_NAME ($K_RELEASE): running $(wc -l <"$dir/list") programs"
	companion_args "$dir"
	companion "$dir" &
	# shellcheck disable=SC2064
	trap "kill $!" EXIT
	[ -z "$K_COVERAGE" ] ||
		ports=(-serial "file:$dir/coverage.tar.gz")
	# Booting, KUnit and the scan for leaks come on top.
	boot_watched "$dir" "$((total + 600))" "$((silence + 180))" \
		"${COMPANION[@]}" "${ports[@]}"
	unpack_share "$dir"
	judge "$dir" "$2"
	[ -z "$K_COVERAGE" ] || judge_coverage "$dir" "$2"
}

# run_one_counted KERNEL TOTALS: the same where time is counted, and cheap.  What
# programs may take is the VM's time, and a day is nothing; the host's is another.
run_one_counted() {
	local DAYS=${DAYS:-1}
	local -a COMMAND_LINE=("${COMMAND_LINE[@]}" PARLEY_COUNTED=1
		"PARLEY_DAYS=$DAYS" tsc=reliable nowatchdog)

	counted run_one "$@"
}

# run_dir MODE: sets RUN_DIR, a directory of this process' own, and lets the
# link build/KERNEL/MODE lead to it; removes those of processes that are gone.
run_dir() {
	local dir

	mkdir -p "$BUILD/$K_NAME"
	for dir in "$BUILD/$K_NAME/$1".*; do
		[ ! -d "$dir" ] || [ -d "/proc/${dir##*.}" ] || rm -rf "$dir"
	done
	RUN_DIR=$BUILD/$K_NAME/$1.$$
	mkdir -p "$RUN_DIR"
	ln -sfn "$1.$$" "$BUILD/$K_NAME/$1"
}

run_test() {
	local kernel kernels=("$@") totals passed failed skipped

	need_packages check
	use_busybox
	if [ $# -eq 0 ]; then
		mapfile -t kernels < <(stock_kernels)
	fi
	totals=$(mktemp "$BUILD/.totals.XXXXXX")
	for kernel in "${kernels[@]}"; do
		# A process of its own: where the module does not even build,
		# that is this kernel's failure, and the others go on.
		if ! "$VM_DIR/run.sh" "${ONE:-one}" "$kernel" "$totals.one"; then
			echo "FAIL $kernel (could not be tested)"
			echo "0 1 0" >"$totals.one"
		fi
		cat "$totals.one" >>"$totals"
		rm -f "$totals.one"
	done
	read -r passed failed skipped < <(awk '
		{ p += $1; f += $2; s += $3 }
		END { print p + 0, f + 0, s + 0 }' "$totals")
	rm -f "$totals"
	[ -z "${PARLEY_SUMMARY:-}" ] ||
		echo "$passed $failed $skipped" >>"$PARLEY_SUMMARY"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}

# run_time [KERNEL...]: the tests of time, or TEST, where time is counted.
run_time() {
	local program

	if [ -z "${TEST:-}" ]; then
		for program in "$TREE"/selftests/time_*.c; do
			program=$(basename "$program" .c)
			TEST=${TEST:+$TEST,}$program
		done
	fi
	export TEST DAYS
	ONE=one-counted PARLEY_LIMIT=${PARLEY_LIMIT:-20000000} run_test "${1:-6.12}"
}

# run_coverage_docs: also where a test fails: what ran, ran.
run_coverage_docs() {
	local rc=0

	TEST='' ADD='' run_test gcov &
	wait $! || rc=$?
	document_coverage
	return "$rc"
}

# prepare_terminal MODE: the VM of "demo", "shell", "bench" and "ratio", for the
# kernel in use.
prepare_terminal() {
	build_tools
	build_module
	{
		echo "MODE=$1"
		echo "ROWS=$(tput lines 2>/dev/null || echo 24)"
		echo "COLUMNS=$(tput cols 2>/dev/null || echo 80)"
		echo "BENCH='${BENCH:-}'"
		echo "ROUNDS=${ROUNDS:-1}"
		echo "SECONDS_EACH=${SECONDS_EACH:-1}"
	} >"$RUN_DIR/vm.conf"
	: >"$RUN_DIR/list"
	if [ "$1" = shell ]; then
		build_tests
		sed 's/$/ 0/' "$TEST_BIN/programs" >"$RUN_DIR/list"
	fi
	[ "$1" != bench ] || build_bench
	case $1 in
	ratio | shell) WITH_APPS=1 ;;
	esac
	make_initramfs "$RUN_DIR/initramfs" "$RUN_DIR/vm.conf" "$RUN_DIR/list"
}

# judge_terminal MODE WHAT: what was run there ended well.
judge_terminal() {
	if splats_on_console "$RUN_DIR"; then
		sed 's/^/     /' "$RUN_DIR/splat" >&2
		die "the kernel complained"
	fi
	if ! grep -q "^$1: exit status 0" "$RUN_DIR/result" ||
		[ "$(tail -n 1 "$RUN_DIR/result")" != "$FINAL" ]; then
		tail -n 20 "$RUN_DIR/console" "$RUN_DIR/result" >&2
		die "$2 failed"
	fi
}

run_demo() {
	need_packages demo
	use_busybox
	use_kernel "${1:-6.12}"
	run_dir demo
	with_lock "$BUILD_LOCK" prepare_terminal demo
	log "booting $K_RELEASE"
	boot_terminal "$RUN_DIR" 300 </dev/null
	judge_terminal demo "the demonstration"
}

# bench_progress: names the rows as they come on standard input.
bench_progress() {
	local line row last=

	while IFS= read -r line; do
		case $line in
		"# failed"*) log "${line#\# }" ;;
		"#"* | mode*) continue ;;
		esac
		# Mode, row and size.
		row=$(cut -f 1-3 <<<"$line" | tr '\t' ' ')
		[ "$row" = "$last" ] || log "$row"
		last=$row
	done
}

# bench_mode MODE: one boot; what bench says is added to bench.tsv.
bench_mode() {
	local boot=boot_timed
	local -a COMMAND_LINE=("${COMMAND_LINE[@]}" "BENCH_MODE=$1")

	[ "$1" != counted ] || boot=boot_counted
	log "booting $K_RELEASE for the benchmark: $1"
	$boot "$RUN_DIR" 3600 </dev/null | tee -a "$RUN_DIR/bench.tsv" |
		bench_progress
	judge_terminal bench "the benchmark"
}

# run_bench [KERNEL]: leaves bench.tsv, table.txt and, where all was measured,
# bench.svg in RUN_DIR.
run_bench() {
	local mode

	need_packages bench
	use_busybox
	use_kernel "${1:-6.12}"
	run_dir bench
	with_lock "$BUILD_LOCK" prepare_terminal bench
	for mode in ${MODE:-counted smp}; do
		bench_mode "$mode"
	done
	awk -f "$TREE/selftests/bench/table.awk" "$RUN_DIR/bench.tsv" | tee "$RUN_DIR/table.txt"
	log "all figures: $BUILD/$K_NAME/bench/bench.tsv"
	[ -n "${BENCH:-}${MODE:-}" ] || draw_bench
}

# draw_bench: a plot of both modes, bench.svg.
draw_bench() {
	local mode bench=$TREE/selftests/bench

	for mode in counted smp; do
		awk -v mode=$mode -f "$bench/plot.awk" "$RUN_DIR/bench.tsv" \
			>"$RUN_DIR/plot.$mode"
	done
	# Families that a kernel lacks are empty columns, which it warns of.
	run_logged "$RUN_DIR/gnuplot.log" gnuplot \
		-e "counted='$RUN_DIR/plot.counted'; smp='$RUN_DIR/plot.smp'" \
		-e "out='$RUN_DIR/bench.svg'" "$bench/plot.gp" ||
		die "the plot could not be drawn"
	log "a plot: $BUILD/$K_NAME/bench/bench.svg"
}

# run_bench_docs [KERNEL]: all of it, into Documentation.
run_bench_docs() {
	MODE='' BENCH='' run_bench "$@"
	"$TREE/selftests/bench/docs.sh" "$RUN_DIR" "$TREE/Documentation"
}

# In instructions, once, since they are the same each time; or with SMP=2 in the
# host's time, ROUNDS times, which does not say much where that is busy.
run_ratio() {
	SMP=${SMP:-1}
	need_packages check
	use_busybox
	use_kernel "${1:-6.12}"
	run_dir ratio
	with_lock "$BUILD_LOCK" prepare_terminal ratio
	if [ "$SMP" = 1 ]; then
		log "booting $K_RELEASE, counting instructions: takes minutes"
		boot_counted "$RUN_DIR" 3600 </dev/null
	else
		log "booting $K_RELEASE with $SMP processors: takes minutes"
		boot_terminal "$RUN_DIR" 3600 </dev/null
	fi
	judge_terminal ratio "the comparison"
}

# prepare_soak DIR
prepare_soak() {
	local dir=$1 storms=${SOAK_STORMS:-storm storm_decide bpf_storm} storm

	# shellcheck disable=SC2086 # a list
	build_tests $storms
	build_tools
	build_module
	for storm in $storms; do
		echo "$storm 0"
	done >"$dir/list"
	printf '%s test\n' boot storms redis quiet taint rmmod leaks >"$dir/expected"
	{
		echo "MODE=soak"
		echo "PLAN=$(wc -l <"$dir/expected")"
		echo "KUNIT=0"
		echo "KMEMLEAK=${K_DEBUG:-0}"
		echo "SOAK_SECONDS=$SOAK_SECONDS"
		echo "SOAK_STORMS='$storms'"
		echo "SOAK_SEED=${SOAK_SEED:-}"
		echo "SOAK_SCALE=${SOAK_SCALE:-}"
		# Rounds of the benchmark shall be shorter than storms.
		echo "SOAK_REQUESTS=$([ -n "$K_DEBUG" ] && echo 500 || echo 1000)"
	} >"$dir/vm.conf"
	WITH_APPS=1 make_initramfs "$dir/initramfs" "$dir/vm.conf" "$dir/list"
}

# run_soak [KERNEL]: leaves samples.tsv, figures and a plot, soak.svg.
run_soak() {
	local dir rc=0 passed failed skipped

	SOAK_SECONDS=${SOAK_SECONDS:-3600}
	need_packages bench
	use_busybox
	use_kernel "${1:-debug}"
	run_dir soak
	dir=$RUN_DIR
	with_lock "$BUILD_LOCK" prepare_soak "$dir"
	log "$K_NAME ($K_RELEASE): soaking for $SOAK_SECONDS seconds;" \
		"figures: $BUILD/$K_NAME/soak/samples.tsv"
	: >"$dir/samples.tsv"
	boot_watched "$dir" "$((SOAK_SECONDS + 4000))" 2400 \
		-chardev file,id=samples,path="$dir/samples.tsv" \
		-serial chardev:samples
	judge "$dir" "$dir/totals"
	awk -f "$VM_DIR/soak.awk" "$dir/samples.tsv" | tee "$dir/figures" || rc=1
	draw_soak "$dir"
	read -r passed failed skipped <"$dir/totals"
	[ "$failed" -eq 0 ] && [ "$rc" -eq 0 ]
}

# draw_soak DIR
draw_soak() {
	run_logged "$1/gnuplot.log" gnuplot -e "samples='$1/samples.tsv'" \
		-e "out='$1/soak.svg'" "$VM_DIR/soak.gp" ||
		die "the plot could not be drawn"
	log "a plot: $BUILD/$K_NAME/soak/soak.svg"
}

run_shell() {
	need_packages check
	use_busybox
	use_kernel "${1:-6.12}"
	run_dir shell
	with_lock "$BUILD_LOCK" prepare_terminal shell
	log "booting $K_RELEASE; the tests are in /tests, exit ends the VM"
	boot_terminal "$RUN_DIR" 0
}

mode=${1:-}
[ $# -eq 0 ] || shift
case $mode in
test) run_test "$@" ;;
time) run_time "$@" ;;
one) run_one "$@" ;;
one-counted) run_one_counted "$@" ;;
coverage-docs) run_coverage_docs ;;
demo) run_demo "$@" ;;
bench) run_bench "$@" ;;
bench-docs) run_bench_docs "$@" ;;
ratio) run_ratio "$@" ;;
fuzz) run_fuzz "$@" ;;
soak) run_soak "$@" ;;
shell | --shell) run_shell "$@" ;;
*) die "usage: run.sh test|fuzz|time|coverage-docs|demo|bench|bench-docs|ratio|soak|shell [KERNEL...]" ;;
esac
