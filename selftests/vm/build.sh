#!/bin/bash
# Builds the module for a kernel, and the programs that run in the VM.
#
#	build.sh KERNEL [MAKE-ARG...]	the module only: the quick inner loop
#
# Also sourced by the others.  Nothing is written into the source directories:
# the module's source is copied to build/KERNEL/module, so that two kernels
# never share an object and can be built side by side.

if [ -z "${VM_DIR:-}" ]; then
	# shellcheck source=/dev/null # all.sh would bring in this file again
	. "$(dirname "${BASH_SOURCE[0]}")/all.sh"
fi

# Lines that are not about our code: the host's compiler may be newer than the
# kernel's, and 6.1 header packages carry no BTF (see btf.sh).
BUILD_NOISE='the compiler differs from the one used to build the kernel|Skipping BTF generation for'

# What build.sh adds to kbuild's command line.
MAKE_ARGS=()

# sync_source DIR: makes DIR hold the module's source as it is now; a file
# that did not change keeps its time, so make does nothing for it.
sync_source() {
	local dir=$1 file wanted=$BUILD/$K_NAME/.wanted

	mkdir -p "$dir"
	(
		cd "$TREE" || exit
		find Kbuild include net -type f \( -name '*.[chS]' -o \
			-name 'Kbuild*' -o -name 'Makefile*' -o -name '*.sh' \) \
			! -name '*.mod.c' | LC_ALL=C sort
	) >"$wanted"
	while IFS= read -r file; do
		cmp -s "$TREE/$file" "$dir/$file" && continue
		mkdir -p "$(dirname "$dir/$file")"
		cp "$TREE/$file" "$dir/$file"
	done <"$wanted"
	# What was removed from the tree must not go on being compiled.
	(
		cd "$dir" || exit
		find Kbuild include net -type f \( -name '*.[chS]' -o \
			-name 'Kbuild*' \) ! -name '*.mod.c' | LC_ALL=C sort
	) | LC_ALL=C comm -13 "$wanted" - | while IFS= read -r file; do
		rm -f "$dir/$file"
	done
	rm -f "$wanted"
}

# lint_module: compiles everything anew with all warnings and
# sparse, for the kernel in use, and prints what they say about our files.
lint_module() {
	local dir=$BUILD/$K_NAME/lint log=$BUILD/$K_NAME/lint.log rc=0

	rm -rf "$dir"
	sync_source "$dir"
	kernel_make "$dir" --no-print-directory -j"$JOBS" W=1 C=2 modules \
		>"$log" 2>&1 </dev/null || rc=$?
	if [ "$rc" -ne 0 ]; then
		compiler_output "$log"
	else
		# Headers of the kernel have warnings of their own.
		compiler_output "$log" | grep -E '(warning|error): ' |
			grep -E '^(net|include)/' || true
	fi
}

# build_module: for the kernel in use; a warning is a failure.
# Sets MODULE_KO, and KUNIT_KO where the kernel has KUnit.
build_module() {
	local out=$BUILD/$K_NAME dir=$BUILD/$K_NAME/module log rc=0

	log=$out/module.log
	mkdir -p "$out"
	[ -f "$TREE/Kbuild" ] || die "no Kbuild in $TREE"
	sync_source "$dir"
	kernel_make "$dir" --no-print-directory -j"$JOBS" \
		"${MAKE_ARGS[@]}" modules \
		>"$log" 2>&1 </dev/null || rc=$?
	if [ "$rc" -ne 0 ]; then
		compiler_output "$log" >&2
		die "the module does not build for $K_NAME"
	fi
	if compiler_output "$log" | grep -Ei 'warning' >/dev/null; then
		compiler_output "$log" >&2
		# make would not compile the same file again the next time.
		find "$dir" -name '*.o' -delete
		die "the module builds with warnings for $K_NAME"
	fi
	MODULE_KO=$(find "$dir" -name parley.ko -print -quit)
	KUNIT_KO=$(find "$dir" -name parley_kunit.ko -print -quit)
	[ -n "$MODULE_KO" ] || die "the build for $K_NAME made no parley.ko"
	finish_module_btf "$MODULE_KO" "$dir"
}

# compiler_output LOG: the log without make's progress lines and known noise,
# with paths as they are in the tree.
compiler_output() {
	grep -Ev '^  [A-Z]+ +(\[M\])? |^make(\[[0-9]+\])?: (Enter|Leav)ing' "$1" |
		grep -Ev "$BUILD_NOISE" |
		sed -E -e "s#$BUILD/$K_NAME/(module|lint)/##g" -e 's#(^|[ (])/work/#\1#g' || true
}

# The programs are static and use system calls only, so one build serves every
# kernel.

# build_tests [PROGRAM...]: these, or all: every selftests/*.c is a program,
# except lib.c and lib_*.c, which are linked into all, and *.bpf.c, which
# bpf_* load.  Sets TEST_BIN.
build_tests() {
	TEST_BIN=$BUILD/tests
	use_source_files
	use_libbpf
	mkdir -p "$TEST_BIN"
	run_logged "$BUILD/tests.log" make -C "$TREE/selftests" \
		--no-print-directory -j"$JOBS" O="$TEST_BIN" \
		KSELFTEST="$KSELFTEST" LIBBPF="$LIBBPF" ONLY="$*" ||
		die "the selftests do not build"
}

# build_bench: selftests/bench/*.c.  Sets BENCH_BIN.
build_bench() {
	BENCH_BIN=$BUILD/bench
	use_libbpf
	mkdir -p "$BENCH_BIN"
	run_logged "$BUILD/bench.log" make -C "$TREE/selftests/bench" \
		--no-print-directory -j"$JOBS" O="$BENCH_BIN" \
		LIBBPF="$LIBBPF" || die "the benchmarks do not build"
}

# build_tools: parleyctl and whatever else tools/*/Makefile make; each leaves
# its programs in O, and tools/bpf also *.bpf.o.  Sets TOOL_BIN.
build_tools() {
	local tool

	TOOL_BIN=$BUILD/tools
	use_libbpf
	for tool in "$TREE"/tools/*/Makefile; do
		[ -f "$tool" ] || continue
		tool=$(basename "$(dirname "$tool")")
		mkdir -p "$TOOL_BIN/$tool"
		run_logged "$BUILD/tools.log" make -C "$TREE/tools/$tool" \
			--no-print-directory -j"$JOBS" O="$TOOL_BIN/$tool" \
			LIBBPF="$LIBBPF" LDFLAGS=-static ||
			die "tools/$tool does not build"
	done
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	[ $# -ge 1 ] || die "usage: build.sh KERNEL [MAKE-ARG...]"
	need_packages check
	use_kernel "$1"
	shift
	MAKE_ARGS=("$@")
	with_lock "$BUILD_LOCK" build_module
	printf '%s\n' "$MODULE_KO" ${KUNIT_KO:+"$KUNIT_KO"}
fi
