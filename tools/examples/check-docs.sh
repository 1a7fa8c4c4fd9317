#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compares the code that the documentation shows with the compiled files. A
# shown block follows a line "shown: tools/FILE" in a comment; every
# line of it must stand in FILE, in one piece, indentation aside.
set -u
cd "$(dirname "$0")/../.." || exit 1

# blocks DOCUMENT: the shown blocks, each led by a line "@FILE"
blocks()
{
	awk '
	/shown: tools\// {
		sub(/.*shown: /, ""); sub(/ .*/, "")
		print "@" $0
		state = 1; next
	}
	state == 1 && /^```/ { state = 2; end = "^```"; next }
	state == 1 && /code-block::/ { state = 2; end = "^[^ \t]"; next }
	state == 2 && $0 ~ end { state = 0 }
	state == 2 && NF { sub(/^[ \t]+/, ""); print }
	' "$1"
}

failed=0
shown=0
for document in README.md Documentation/parley.rst Documentation/policy.rst; do
	files=$(blocks "$document" | sed -n 's/^@//p')
	for file in $files; do
		shown=$((shown + 1))
		block=$(blocks "$document" |
			awk -v f="@$file" '/^@/ { on = $0 == f; next } on')
		text=$(sed 's/^[ \t]*//' "$file" | grep .)
		case $text in
		*"${block:?}"*) ;;
		*)
			echo "$document: the block from $file differs from that file: copy it again"
			failed=1
			;;
		esac
	done
done
[ "$shown" -ge 7 ] || {
	echo "found $shown shown blocks instead of 7: is a 'shown:' comment gone?"
	failed=1
}
exit $failed
