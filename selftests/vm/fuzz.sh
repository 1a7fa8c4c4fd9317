# shellcheck shell=bash
# The fuzzer's run, and the memory in which it tells the host what it does.
#
# Sourced by run.sh, which has the other parts.

# The areas of that memory, in MiB: selftests/lib_fuzz_share.c has the same.
SHARE_AREAS="ring:0:1 progress:1:1 findings:2:1 places:3:1 corpus:4:28"

# How long it runs when it is all there is to a run.
FUZZ_SECONDS=${FUZZ_SECONDS:-}

# make_share DIR: for a run that the fuzzer is part of, and not just its text.
make_share() {
	[ -n "$K_DEBUG$FUZZ_SECONDS" ] || return 0
	grep -q '^fuzz ' "$1/list" || return 0
	SHARE=$1/share
	rm -f "$SHARE"
	truncate -s 32M "$SHARE"
}

# unpack_share DIR: a file of each area, in DIR/fuzz, whatever became of the VM.
unpack_share() {
	local area name at size

	[ -n "${SHARE:-}" ] || return 0
	mkdir -p "$1/fuzz"
	for area in $SHARE_AREAS; do
		IFS=: read -r name at size <<<"$area"
		dd if="$SHARE" bs=1M skip="$at" count="$size" status=none |
			tr -d '\0' >"$1/fuzz/$name"
	done
	rm -f "$SHARE"
}

# list_functions DIR: of each function of the module how many places were reached, and
# how many there are, the least known first.
list_functions() {
	[ -s "$1/places" ] || return 0
	{
		objdump -t "$MODULE_KO"
		objdump -r -j .text "$MODULE_KO"
		cat "$1/places"
	} | awk -f "$VM_DIR/fuzz.awk" | sort -k1,1n -k2,2nr -k3 >"$1/functions"
}

# fuzz_arguments: what "run.sh fuzz" gives its program.
fuzz_arguments() {
	local points

	if [ -n "${REPLAY:-}" ]; then
		echo " --replay /tests/fuzz.in --repeat ${REPEAT:-1}"
		return
	fi
	points=$(objdump -r "$MODULE_KO" | grep -c ' __sanitizer_cov_trace_pc-' || true)
	echo " --run $FUZZ_SECONDS --points $points${SEED:+ --seed $SEED}${FUZZ_INPUT:+ --corpus /tests/fuzz.in}"
}

# run_fuzz [KERNEL]: leaves all that it finds in build/KERNEL/fuzz; the corpus of one
# run is where the next one begins.  A kernel that does not tell which code runs is
# faster by far, and lives on what the debug kernel has found.
run_fuzz() {
	local dir kept corpus failed

	export TEST=fuzz
	FUZZ_SECONDS=${FUZZ_SECONDS:-7200}
	need_packages check
	use_busybox
	use_kernel "${1:-debug}"
	kept=$BUILD/$K_NAME/fuzz
	corpus=$BUILD/debug/fuzz/corpus
	# limit_of makes it five times as much on the debug kernel.
	# shellcheck disable=SC2034
	PARLEY_LIMIT=$(((FUZZ_SECONDS + 900) / (${K_DEBUG:-0} ? 5 : 1)))
	run_dir fuzz-run
	dir=$RUN_DIR
	mkdir -p "$kept"
	if [ -n "${REPLAY:-}" ]; then
		FUZZ_INPUT=$REPLAY
	elif [ -s "$corpus" ]; then
		FUZZ_INPUT=$corpus
	fi
	with_lock "$BUILD_LOCK" prepare_test "$dir"
	log "fuzzing $K_RELEASE: $(cut -d ' ' -f 3- "$dir/list")"
	# A word comes every half minute; ten without one are too many.
	boot_watched "$dir" "$((FUZZ_SECONDS + 1800))" 600
	unpack_share "$dir"
	list_functions "$dir/fuzz"
	V=1 judge "$dir" "$dir/totals"
	keep_fuzz "$dir" "$kept"
	[ ! -s "$dir/fuzz/progress" ] || tail -n 1 "$dir/fuzz/progress"
	read -r _ failed _ <"$dir/totals"
	[ "$failed" -eq 0 ] || log "see $kept; REPLAY=$kept/ring runs the last programs again"
	[ "$failed" -eq 0 ]
}

# keep_fuzz DIR KEPT: moves what there is to where it stays.  A run that did not get
# through the corpus it was given has not seen all of it.
keep_fuzz() {
	local file

	if [ -z "${REPLAY:-}" ] && ! grep -q '^triaged' "$1/fuzz/progress" &&
		[ -n "${FUZZ_INPUT:-}" ]; then
		cat "$FUZZ_INPUT" >>"$1/fuzz/corpus"
	fi
	for file in ring progress findings places functions corpus; do
		[ -e "$1/fuzz/$file" ] || continue
		if [ -z "${REPLAY:-}" ] || [ "$file" != corpus ]; then
			cp "$1/fuzz/$file" "$2/$file"
		fi
	done
	cp "$1/console" "$1/result" "$2/"
}
