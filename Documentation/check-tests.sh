#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Looks whether every row of the tables in winsock.rst and security.rst names
# tests, in its fourth cell, and whether these exist: ``program.fixture.test`` is TEST_F(fixture, test) in
# selftests/program.c, ``program.global.test`` is TEST(test).
set -u
cd "$(dirname "$0")/.." || exit 1

# rows PAGE: "LINE FIRST-CELL" and then its tests, one on each line, after a
# blank
rows()
{
	awk '
	function cell(text) {
		n++
		if (n == 1)
			what = text
		if (n == 4)
			print NR " " what
	}
	/^ *:header-rows:/ { header = 1 }
	/^[^ ]/ { n = 0 }
	/^   \* - / {
		n = 0; skip = header; header = 0
		cell(substr($0, 8))
		next
	}
	/^     -( |$)/ && !skip { cell(substr($0, 8)) }
	n == 4 && !skip {
		while (match($0, /``[^`]*``/)) {
			print " " substr($0, RSTART + 2, RLENGTH - 4)
			$0 = substr($0, RSTART + RLENGTH)
		}
	}
	' "$1"
}

# exists PROGRAM.FIXTURE.TEST
exists()
{
	program=${1%%.*}
	test=${1##*.}
	fixture=${1#*.}
	fixture=${fixture%.*}
	[ -f "selftests/$program.c" ] || return 1
	case $fixture in
	global) pattern="^TEST(_SIGNAL)?\\(${test}[,)]" ;;
	*) pattern="^TEST_F(_[A-Z]+)?\\($fixture, *${test}[,)]" ;;
	esac
	grep -Eq "$pattern" "selftests/$program.c"
}

# complaints PAGE LEAST: what is wrong, one on each line; a page has so many rows
# at least
complaints()
{
	row=
	count=0
	tests=1
	while IFS= read -r line; do
		case $line in
		' '*)
			tests=$((tests + 1))
			exists "${line# }" ||
				echo "$row: there is no test ${line# }"
			;;
		*)
			[ "$tests" -gt 0 ] || echo "$row: it names no test"
			row="$1:$line"
			count=$((count + 1))
			tests=0
			;;
		esac
	done
	[ "$tests" -gt 0 ] || echo "$row: it names no test"
	[ "$count" -ge "$2" ] ||
		echo "$1: found $count rows: is a table gone?"
}

# check PAGE LEAST
check()
{
	rows "Documentation/$1" | complaints "Documentation/$1" "$2"
}

wrong=$(
	check winsock.rst 100
	check security.rst 40
)
[ -z "$wrong" ] || {
	echo "$wrong"
	exit 1
}
