# shellcheck shell=bash
# Turns what a VM left behind, its report and its console, into a verdict.
#
# Sourced after lib.sh.

# The last line of a report, written by a VM that came to its end.
FINAL="parley-vm: complete"

# splats_on_console DIR: like splats in /init, for what the VM could not see.
splats_on_console() {
	local dir=$1 log=$1/console

	grep -Ev '^(#|$)' "$VM_DIR/splats" >"$dir/splats"
	if kernel_checks kcsan; then
		log=$dir/console.ours
		: >"$dir/core-races"
		awk -v core="$dir/core-races" -f "$VM_DIR/kcsan.awk" \
			"$dir/console" >"$log"
	fi
	grep -aE -m 1 -A 40 -f "$dir/splats" "$log" >"$dir/splat"
}

# list_core_races DIR: what KCSAN found where the module has no part: not a failure.
list_core_races() {
	log "$K_NAME: $(wc -l <"$1/core-races") data races without the module:"
	sort "$1/core-races" | uniq -c | sort -rn >&2
}

# judge DIR TOTALS: prints what failed in the run recorded in DIR and adds
# "PASSED FAILED SKIPPED" to the file TOTALS.
judge() {
	local dir=$1 totals=$2 passed failed skipped

	awk -v kernel="$K_NAME" -v final="$FINAL" -v verbose="${V:-}" \
		-v expected="$dir/expected" -v skips="${SKIPS:-$VM_DIR/expected-skips}" \
		-f "$VM_DIR/ktap.awk" "$dir/result" >"$dir/verdict"
	read -r passed failed skipped < <(sed -n 's/^@totals //p' "$dir/verdict")
	grep -v '^@totals ' "$dir/verdict" || true
	if splats_on_console "$dir"; then
		failed=$((failed + 1))
		echo "FAIL $K_NAME console"
		# Most often a program has been blamed for it already.
		if grep -qF "$(head -n 1 "$dir/splat")" "$dir/verdict"; then
			echo "     (reported above)"
		else
			sed 's/^/     /' "$dir/splat"
		fi
	else
		passed=$((passed + 1))
	fi
	if [ "$(tail -n 1 "$dir/result" | tr -d '\r')" != "$FINAL" ]; then
		echo "     the last lines of the console:"
		tail -n 30 "$dir/console" | sed 's/^/     /'
	fi
	! kernel_checks kcsan || list_core_races "$dir"
	echo "$K_NAME ($K_RELEASE): $passed passed, $failed failed," \
		"$skipped skipped"
	echo "$passed $failed $skipped" >>"$totals"
}

