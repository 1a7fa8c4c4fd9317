#!/bin/bash
# Everything that can be said about the source without running it.
#
#	lint.sh [KERNEL...]	KERNELs narrow the W=1 and sparse builds
#
# Each check is counted as one test; the last line is the total.

# shellcheck source-path=SCRIPTDIR source=all.sh
. "$(dirname "${BASH_SOURCE[0]}")/all.sh"

# What netdev's own checks leave out; MACRO_ARG_REUSE and CAMELCASE have no
# place where arguments are registers or names are libc's.
CHECKPATCH_IGNORE=COMMIT_LOG_LONG_LINE,MACRO_ARG_REUSE,ALLOC_SIZEOF_STRUCT,\
NO_AUTHOR_SIGN_OFF,GIT_COMMIT_ID,CAMELCASE,FILE_PATH_CHANGES,\
BAD_REPORTED_BY_LINK

# Programs have C's own types and attributes, and kselftest's macros want
# braces around them.
USER_IGNORE=PREFER_KERNEL_TYPES,PREFER_DEFINED_ATTRIBUTE_MACRO,BRACES

# In BPF programs, a constant that the loader sets is volatile, and what the
# kernel or a module provides is extern, in headers, too.
BPF_IGNORE=$USER_IGNORE,VOLATILE,AVOID_EXTERNS

passed=0
failed=0
OUT=$BUILD/lint
mkdir -p "$OUT"

# verdict NAME FILE: a check has passed when it wrote nothing to FILE.
verdict() {
	if [ -s "$2" ]; then
		failed=$((failed + 1))
		echo "FAIL lint $1"
		sed 's/^/     /' "$2"
	else
		passed=$((passed + 1))
		[ -z "${V:-}" ] || echo "ok   lint $1"
	fi
}

# sources DIR... -- FIND-ARG...: files of the tree, below it, one a line.
sources() {
	local dirs=()

	while [ "$1" != -- ]; do
		[ ! -e "$TREE/$1" ] || dirs+=("$TREE/$1")
		shift
	done
	shift
	[ ${#dirs[@]} -gt 0 ] || return 0
	find "${dirs[@]}" -type f "$@" ! -name '*.mod.c' ! -path "$BUILD/*" |
		LC_ALL=C sort
}

# each_file LIMIT COMMAND...: runs COMMAND on each file named on standard
# input, $JOBS at a time, in $OUT, where the cache files some write are in
# nobody's way; prints what they say with paths as in the tree.  A tool that
# fails without a word is a finding, too.
each_file() {
	# shellcheck disable=SC2016
	(cd "$OUT" && xargs -r -n 1 -P "$JOBS" sh -c '
		for file; do :; done
		text=$(timeout "$@" 2>&1)
		rc=$?
		[ -z "$text" ] || echo "$text"
		[ $rc -eq 0 ] || [ -n "$text" ] ||
			echo "$file: exit status $rc"
		' sh "$@") | sed "s#$TREE/##g" | LC_ALL=C sort -V || true
}

# checkpatch ARG...: the files come on standard input.  A name in mixed case
# makes it look for the kernel's own ones below its root, tree or not.
checkpatch() {
	mkdir -p "$OUT/include"
	each_file 300 perl "$SOURCE_DIR/linux/scripts/checkpatch.pl" \
		--strict --no-tree --root="$OUT" --no-summary --terse --showfile \
		--show-types "$@" -f
}

# netdev's line length for what is to be read by netdev.
lint_checkpatch() {
	{
		sources include net -- -name '*.[ch]' | checkpatch \
			--max-line-length=80 --ignore="$CHECKPATCH_IGNORE"
		sources selftests tools -- -name '*.[ch]' \
			! -name '*.bpf.[ch]' | checkpatch \
			--ignore="$CHECKPATCH_IGNORE,$USER_IGNORE"
		sources selftests tools -- -name '*.bpf.[ch]' | checkpatch \
			--ignore="$CHECKPATCH_IGNORE,$BPF_IGNORE"
	} >"$OUT/checkpatch"
	verdict checkpatch "$OUT/checkpatch"
}

lint_kernel_doc() {
	sources include net tools/bpf -- -name '*.[ch]' | each_file 100 \
		perl "$SOURCE_DIR/linux/scripts/kernel-doc" -none -Werror \
		>"$OUT/kernel-doc"
	verdict kernel-doc "$OUT/kernel-doc"
}

# One file at a time: with all at once, shellcheck keeps what each sources.
lint_shellcheck() {
	local file

	sources .ci selftests tools Documentation -- | while IFS= read -r file; do
		case $(head -c 64 "$file" | tr -d '\0' | head -n 1) in
		'#!'*sh | '# shellcheck shell='*) echo "$file" ;;
		esac
	done | each_file 120 shellcheck -x -f gcc >"$OUT/shellcheck"
	verdict shellcheck "$OUT/shellcheck"
}

# The UAPI header compiles alone, in every dialect its users may have, and
# without holes that the compiler would fill.
lint_uapi() {
	local flags="-Wall -Wextra -pedantic -Werror -Wpadded -fsyntax-only"
	local std source=$OUT/uapi

	echo '#include <linux/parley.h>' >"$source.c"
	cp "$source.c" "$source.cc"
	for std in c99 gnu11 c++11 gnu++17; do
		# shellcheck disable=SC2086
		case $std in
		*++*) g++ -std=$std $flags -I"$TREE/include/uapi" "$source.cc" ;;
		*) gcc -std=$std $flags -I"$TREE/include/uapi" "$source.c" ;;
		esac >"$source.$std" 2>&1 || true
		verdict "uapi as $std" "$source.$std"
	done
}

# What is not to be found in the module: versions are probed for in
# include/compat, and a bug must not take the machine down.
lint_words() {
	(
		cd "$TREE"
		grep -rnE 'LINUX_VERSION_CODE|KERNEL_VERSION *\(' net \
			--include='*.[ch]' --include='Kbuild*'
		grep -rnE '(^|[^A-Z_])BUG(_ON)? *\(' net include \
			--include='*.[ch]'
	) >"$OUT/words" || true
	verdict words "$OUT/words"
}

# The code that the documentation shows is code that compiles.
lint_examples() {
	(
		cd "$TREE"
		[ ! -x tools/examples/check-docs.sh ] ||
			tools/examples/check-docs.sh 2>&1 ||
			echo "exit status $?"
	) >"$OUT/examples.all"
	# It may name what it compared; that is no finding.
	if grep -q '^exit status' "$OUT/examples.all"; then
		cp "$OUT/examples.all" "$OUT/examples"
	else
		: >"$OUT/examples"
	fi
	verdict "examples in the documentation" "$OUT/examples"
}

# Each row of the tables that name tests names some that exist.
lint_named_tests() {
	"$TREE/Documentation/check-tests.sh" >"$OUT/tests" 2>&1 ||
		echo "exit status $?" >>"$OUT/tests"
	verdict "tests named in winsock.rst and security.rst" "$OUT/tests"
}

# Where parley differs from its peers is what the test of that was told.
lint_conformance() {
	"$TREE/Documentation/check-conformance.sh" >"$OUT/conformance" 2>&1 ||
		echo "exit status $?" >>"$OUT/conformance"
	verdict "tables in conformance.rst" "$OUT/conformance"
}

# The description for syzkaller has all that the UAPI header has.
lint_syzkaller() {
	"$TREE/tools/syzkaller/check.sh" >"$OUT/syzkaller" 2>&1 ||
		echo "exit status $?" >>"$OUT/syzkaller"
	verdict "description for syzkaller" "$OUT/syzkaller"
}

# What the library exports, declares, documents and installs is the same.
lint_library() {
	make -s -C "$TREE/tools/libparley" O="$OUT/libparley" check \
		>"$OUT/library" 2>&1 || echo "exit status $?" >>"$OUT/library"
	verdict "libparley as installed" "$OUT/library"
}

# A call's life has no state that it should not have, and model, code and
# documentation have the same table of it.
lint_model() {
	if "$TREE/selftests/model/model.sh" ci >"$OUT/model.all" 2>&1; then
		: >"$OUT/model"
	else
		cp "$OUT/model.all" "$OUT/model"
		echo "exit status not 0" >>"$OUT/model"
	fi
	[ -z "${V:-}" ] || cat "$OUT/model.all"
	verdict "model of a call's life" "$OUT/model"
}

# W=1 and sparse; a kernel that cannot be had is a failure of its check.
lint_builds() {
	local kernel

	for kernel in "$@"; do
		"$VM_DIR/lint.sh" --build "$kernel" >"$OUT/build-$kernel" 2>&1 ||
			echo "no build for $kernel" >>"$OUT/build-$kernel"
		verdict "W=1 and sparse on $kernel" "$OUT/build-$kernel"
	done
}

need_packages lint
if [ "${1:-}" = --build ]; then
	use_kernel "$2" 2>&3
	lint_module
	exit
fi
use_source_files
lint_words
lint_uapi
lint_shellcheck
lint_kernel_doc
lint_checkpatch
lint_examples
lint_named_tests
lint_conformance
lint_library
lint_model
lint_syzkaller
if [ $# -eq 0 ]; then
	mapfile -t kernels < <(stock_kernels)
	set -- "${kernels[@]}"
fi
# Progress is no finding: it goes past the checks' output.
exec 3>&2
lint_builds "$@"

[ -z "${PARLEY_SUMMARY:-}" ] || echo "$passed $failed 0" >>"$PARLEY_SUMMARY"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
