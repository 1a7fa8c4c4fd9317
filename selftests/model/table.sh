#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	table.sh TAKEN
#
# Holds four tables of a call's states against each other: the code's, as
# compiled; the model's; the one in Documentation/internals.rst; and the steps
# that a search has taken, in the file TAKEN. Says where they differ.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

NET=net/parley
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

# The states, by number, as net/parley/parley.h has them.
mapfile -t names < <(sed -n '/^enum parley_call_state {$/,/^};$/{
	s/^\tPARLEY_CALL_\([A-Z]*\),\{0,1\}$/\1/p
}' $NET/parley.h)
count=$((${#names[@]} - 1))
if [ $count -lt 1 ] || [ "${names[$count]}" != STATES ]; then
	echo "enum parley_call_state is not what it was" >&2
	exit 1
fi

# state.c needs nothing of the kernel but this.
code() {
	{
		echo '#include <stdbool.h>'
		echo '#include <stdio.h>'
		echo 'typedef unsigned char u8;'
		echo '#define BIT(n) (1UL << (n))'
		sed -n '/^enum parley_call_state {$/,/^};$/p' $NET/parley.h
		sed '/^#include/d' $NET/state.c
		cat <<-'END'
			int main(void)
			{
				int from, to;

				for (from = 0; from < PARLEY_CALL_STATES; from++)
					for (to = 0; to < PARLEY_CALL_STATES; to++)
						if (parley_state_may(from, to))
							printf("%d %d\n", from, to);
				return 0;
			}
		END
	} >"$WORK/state.c"
	gcc -Wall -Werror -o "$WORK/state" "$WORK/state.c"
	"$WORK/state"
}

# The same from the model, whose names for them are the code's.
model() {
	local i

	{
		echo '#define MAX 1'
		cat selftests/model/state.pml
		cat <<-'END'
			init {
				byte f, t;

				do
				:: f < STATES ->
					t = 0;
					do
					:: t < STATES ->
						if
						:: MAY(f, t) -> printf("may %d %d\n", f, t)
						:: else
						fi;
						t++
					:: else -> break
					od;
					f++
				:: else -> break
				od
			}
		END
	} >"$WORK/table.pml"
	for ((i = 0; i < count; i++)); do
		grep -q "^#define ${names[$i]}[[:space:]]*$i\$" "$WORK/table.pml" ||
			echo "the model has another ${names[$i]}" >&2
	done
	(cd "$WORK" && spin -T table.pml) | sed -n 's/^ *may //p'
}

# The first table under "Of a call": cells that end with a comma go on in the
# next line.
page() {
	awk -v names="${names[*]}" '
	function trim(s) { gsub(/^ +| +$/, "", s); return s }
	function number(s) {
		if (!(s in num)) {
			print "internals.rst: what is \"" s "\"?"
			exit
		}
		return num[s]
	}
	function row(  f, t, i, j, n, m) {
		if (from == "all of these")
			from = "PENDING, JUDGING, DEFERRED, APPROVED"
		n = split(from, f, /, */)
		m = split(to, t, /, */)
		for (i = 1; i <= n; i++)
			for (j = 1; j <= m; j++)
				print number(f[i]), number(t[j])
		from = to = ""
	}
	BEGIN {
		n = split(names, name, " ")
		for (i = 1; i < n; i++)
			num[name[i]] = i - 1
	}
	/^Of a call$/ { on = 1 }
	on && /^=+  =+  =+  =+$/ {
		if (++rule == 3)
			on = 0
		next
	}
	on && rule == 2 {
		a = trim(substr($0, 1, 14))
		b = trim(substr($0, 17, 13))
		if (from != "" && from !~ /,$/ && to !~ /,$/ && (a b) != "")
			row()
		from = trim(from " " a)
		to = trim(to " " b)
	}
	END { if (from != "") row() }
	' Documentation/internals.rst
}

code | sort -u >"$WORK/code"
model | sort -u >"$WORK/model"
page | sort -u >"$WORK/page"
sort -u "$1" >"$WORK/taken"

status=0
[ -s "$WORK/code" ] || status=1
for other in model page taken; do
	diff "$WORK/code" "$WORK/$other" >"$WORK/diff" && continue
	status=1
	while read -r side from to; do
		case $side in
		'<') echo "${names[$from]} to ${names[$to]}: in the code, not in: $other" ;;
		'>') echo "$side $from $to: in: $other, not in the code" ;;
		esac
	done <"$WORK/diff"
done
[ $status -ne 0 ] ||
	echo "$(wc -l <"$WORK/code") steps: the same in code, model and page; all taken"
exit $status
