#!/bin/bash
# Writes what a run of the benchmark measured into the documentation.
#
#	docs.sh RUN-DIR DOCUMENTATION-DIR
#
# In bench.rst, what stands between ".. begin NAME" and ".. end NAME" is replaced.

set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
run=$1
docs=$2

# literal: standard input as a literal block.
literal() {
	echo "::"
	echo
	sed -e 's/^/   /' -e 's/ *$//'
}

# of_mode MODE: its lines, and the notes of its boot.
of_mode() {
	awk -F'\t' -v mode="$1" '
		/^# .*(counted|nanoseconds)/ { on = (/counted/ ? "counted" : "smp") == mode }
		on' "$run/bench.tsv"
}

# block NAME: the new text of that block.
block() {
	case $1 in
	counted | smp) of_mode "$1" | awk -f "$HERE/table.awk" | literal ;;
	tunings) awk -f "$HERE/tunings.awk" "$run/bench.tsv" | literal ;;
	behind) awk -f "$HERE/behind.awk" "$run/bench.tsv" | literal ;;
	machine) {
		echo "kernel     $(sed -n '1s/^# \([^,]*\),.*/\1/p' "$run/bench.tsv")"
		echo "emulator   $(qemu-system-x86_64 --version | head -n 1)"
		echo "parley     $(git -C "$HERE" describe --always --dirty)"
		echo "measured   $(date -u +%Y-%m-%d)"
	} | literal ;;
	*)
		echo "docs.sh: what is $1?" >&2
		exit 1
		;;
	esac
}

new=$docs/bench.rst.new
inside=
while IFS= read -r line; do
	case $line in
	".. end "*)
		inside=
		echo "$line"
		;;
	".. begin "*)
		echo "$line"
		echo
		block "${line#.. begin }"
		echo
		inside=1
		;;
	*) [ -n "$inside" ] || printf '%s\n' "$line" ;;
	esac
done <"$docs/bench.rst" >"$new"
mv "$new" "$docs/bench.rst"
cp "$run/bench.svg" "$docs/bench.svg"
