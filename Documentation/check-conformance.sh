#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
#	check-conformance.sh [--write]
#
# Looks whether the lists in conformance.rst, below its last title, are what
# selftests/conformance.differs says, which a test holds against the kernel;
# with --write makes them so.
set -u
cd "$(dirname "$0")/.." || exit 1

page=Documentation/conformance.rst
list=selftests/conformance.differs

# tables: each reason, and the rows that name it
tables()
{
	awk -F ' [|] ' '
	function cell(text) {
		return text == "" ? "\\" : "``" text "``"
	}
	function flush_reason() {
		if (text == "")
			return
		print ""
		print text
		text = ""
	}
	/^#/ { next }
	/^=/ {
		name = $0
		sub(/^= */, "", name)
		sub(/:.*/, "", name)
		text = $0
		sub(/^= *[^:]*: */, "", text)
		title = name
		gsub(/./, "-", title)
		printf "\n%s\n%s\n", name, title
		head = 1
		next
	}
	/^ / {
		sub(/^ */, "")
		text = text "\n" $0
		next
	}
	NF == 7 {
		flush_reason()
		if (head) {
			print "\n.. list-table::"
			print "   :header-rows: 1"
			print "   :widths: 30 25 15 15 15"
			print ""
			print "   * - scene"
			print "     - step"
			print "     - AF_UNIX"
			print "     - TCP"
			print "     - AF_PARLEY"
			head = 0
		}
		where = $1
		sub(/^stream/, "", where)
		sub(/^@/, " on ", where)
		sub(/@/, " on ", where)
		sub(/^seqpacket/, ", seqpacket", where)
		if (where != "")
			where = (where ~ /^,/ ? "" : ",") where
		print "   * - " $2 where
		print "     - " cell($3)
		print "     - " cell($4)
		print "     - " cell($5)
		print "     - " cell($6)
	}
	' "$list"
}

# prose: what somebody wrote, up to and with the last title
prose()
{
	awk '{ print } /^The differences$/ { getline; print; exit }' "$page"
}

new=$(mktemp)
trap 'rm -f "$new"' EXIT
{
	prose
	tables
} >"$new"
if [ "${1:-}" = --write ]; then
	cp "$new" "$page"
	exit
fi
rows=$(grep -c '^   \* - ' "$page")
[ "$rows" -ge 100 ] || {
	echo "$page: found $rows rows: are the tables gone?"
	exit 1
}
cmp -s "$new" "$page" || {
	echo "$page is not what $list says: run Documentation/check-conformance.sh --write"
	exit 1
}
