# shellcheck shell=bash
# Which code of the module ran: what the kernel "gcov" counted, as tables.
#
# Sourced after lib.sh and kernel.sh.  The module is compiled to count; /init
# sends what was counted when all is over, loading and unloading included; gcov
# and coverage.awk make figures of it.

# What the compiler noted about the module: the counters are of no use without.
NOTES=net/parley

# note_coverage DIR: keeps the compiler's notes for the run in DIR, since the
# module may be built anew before it ends.
note_coverage() {
	local module=$BUILD/$K_NAME/module

	mkdir -p "$1/coverage"
	(cd "$module" && find "$NOTES" -name '*.gcno' ! -name '*.mod.gcno') |
		tar -c -C "$module" -T - | tar -x -C "$1/coverage"
}

# take_coverage DIR: puts the counters that came from the VM beside the notes.
take_coverage() {
	local dir=$1 module=$BUILD/$K_NAME/module

	# In the VM they are below the directory where the compiler ran.
	tar -xzf "$dir/coverage.tar.gz" -C "$dir/coverage" \
		--transform "s#^\\./${module#/}/##" "./${module#/}/$NOTES"
}

# count_coverage DIR: what gcov says of each object, those of the module first.
count_coverage() {
	local dir=$1/coverage data

	(
		cd "$dir" || exit
		find "$NOTES" -maxdepth 1 -name '*.gcda' | LC_ALL=C sort
		find "$NOTES" -mindepth 2 -name '*.gcda' | LC_ALL=C sort
	) >"$dir/objects"
	while IFS= read -r data; do
		gcov -t -b -c -o "$dir/$(dirname "$data")" "$dir/$data"
	done <"$dir/objects" >"$dir/text" 2>"$dir/gcov.log"
}

# add_coverage DIR: keeps what this run counted for later ones of the same
# module; ADD=1 adds what earlier ones counted.  Sets COUNTED, the files.
add_coverage() {
	local dir=$1 all=$BUILD/$K_NAME/coverage same

	same=$(cd "$dir/coverage" && find "$NOTES" -name '*.gcno' -exec cksum {} + |
		LC_ALL=C sort -k 3 | cksum | cut -d' ' -f1)
	if [ -z "${ADD:-}" ]; then
		rm -rf "$all"
	fi
	mkdir -p "$all/$same"
	cp "$dir/coverage/text" "$all/$same/$$"
	COUNTED=("$all/$same"/*)
}

# report_coverage DIR: prints the table for the run in DIR.
report_coverage() {
	local dir=$1 out=$BUILD/$K_NAME/test

	take_coverage "$dir"
	count_coverage "$dir"
	add_coverage "$dir"
	awk -v root="$BUILD/$K_NAME/module/" -v table="$dir/table" \
		-v lines="$dir/lines" -v branches="$dir/branches" \
		-f "$VM_DIR/coverage.awk" "${COUNTED[@]}"
	echo "$K_RELEASE" >"$dir/release"
	cat "$dir/table"
	log "$K_NAME: ${#COUNTED[@]} runs counted; lines that never ran: $out/lines"
	log "$K_NAME: branches that were never taken: $out/branches"
}

# judge_coverage DIR TOTALS: the same, and a failure where nothing was counted.
judge_coverage() {
	(report_coverage "$1") &
	wait $! || {
		echo "FAIL $K_NAME coverage"
		echo "0 1 0" >>"$2"
	}
}

# document_coverage: writes the figures of the latest run into the documentation.
document_coverage() {
	local run=$BUILD/gcov/test doc=$TREE/Documentation/coverage.rst

	{
		echo "::"
		echo
		sed -e 's/^/   /' -e 's/ *$//' "$run/table"
		echo
		echo "Kernel $(cat "$run/release"), parley" \
			"$(git -C "$TREE" describe --always --dirty)," \
			"$(date -u +%Y-%m-%d)."
	} >"$run/figures"
	awk -v figures="$run/figures" '
		/^\.\. end figures$/ {
			print ""
			while ((getline line < figures) > 0)
				print line
			print ""
			inside = 0
		}
		!inside
		/^\.\. begin figures$/ { inside = 1 }' "$doc" >"$run/doc"
	cat "$run/doc" >"$doc"
}
