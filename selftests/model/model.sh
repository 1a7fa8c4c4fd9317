#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	model.sh [ci]		searches all configurations, or those of CI
#	model.sh NAME=VALUE...	searches one, given here; FINE, if named, is for
#				what looks without the lock
#
# Looks for errors in the model of a call's life, in every configuration; that
# each way to break it is found; and that model and code have the same table of
# states, each step of which is taken somewhere. Needs spin and gcc.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

HERE=$PWD
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
USUAL=(CALLS=2 LIMIT=2 ACCEPTORS=1)
bad=0

flawed() {
	echo "$*" >&2
	bad=1
}

# build NAME [FLAG...]: a verifier. Without optimization: it is large, and it
# takes longer to compile than to run.
build() {
	mkdir "$WORK/$1"
	cp "$HERE"/*.pml "$WORK/$1"
	(
		cd "$WORK/$1"
		spin "${@:2}" -a call.pml >spin.out || {
			cat spin.out >&2
			exit 1
		}
		gcc -O0 -w -DSAFETY -DCOLLAPSE -DMEMLIM=4000 -o pan pan.c
	)
}

# search OPTION...: leaves what pan says in $WORK/out. A process that waits for
# ever is an error, too.
search() {
	local verifier=usual

	case " $* " in
	*' FINE '*)
		verifier=fine
		set -- "${@/#FINE/FINE=1}"
		;;
	esac
	(
		cd "$WORK/$verifier"
		env "${USUAL[@]}" "$@" ./pan -n -m1000000
	) >"$WORK/out" 2>&1 || true
	# What was cut short has proved nothing.
	if grep -qE 'max search depth|out of memory|Search not completed' \
		"$WORK/out" && ! grep -q 'errors: [1-9]' "$WORK/out"; then
		flawed "not searched whole: $*"
	fi
	grep -q '^State-vector.*errors: ' "$WORK/out" ||
		flawed "no result: $*"
}

# figure PATTERN: the number before it.
figure() {
	sed -nE "s/^ *([0-9.]+) $1.*/\1/p" "$WORK/out" | head -n 1
}

# With so few states that it was not worth compressing, pan says it otherwise.
memory() {
	sed -nE 's/^ *([0-9.]+)[[:space:]]+(total )?actual memory usage.*/\1/p' \
		"$WORK/out" | tail -n 1
}

report() {
	local depth

	depth=$(sed -nE 's/.*depth reached ([0-9]+).*/\1/p' "$WORK/out")
	printf '%-10s %9s states, depth %4s, %8s MB\n' "$1" \
		"$(figure 'states, stored')" "$depth" "$(memory)"
}

# sound NAME OPTION...: no error, and what was taken is remembered.
sound() {
	search "${@:2}"
	if ! grep -q 'errors: 0' "$WORK/out"; then
		grep -m 1 '^pan:1' "$WORK/out" || cat "$WORK/out"
		flawed "$1: an error"
	fi
	sed -n 's/^taken //p' "$WORK/out" >>"$WORK/taken"
	report "$1"
}

# caught WHAT OPTION...
caught() {
	local number

	number=$(sed -n "s/^#define NO_$1[[:space:]]*//p" options.pml)
	[ -n "$number" ] || flawed "$1: there is no such thing to break"
	search "BREAK=$number" "${@:2}"
	grep -q 'errors: [1-9]' "$WORK/out" || flawed "$1: goes unnoticed"
	[ -z "${V:-}" ] ||
		echo "$1: $(sed -n 's/^pan:1: //p' "$WORK/out" | cut -c 1-70)"
}

build usual
build fine -DFINE
if [ "${1:-}" ] && [ "$1" != ci ]; then
	sound given "$@"
	exit "$bad"
fi

: >"$WORK/taken"
while read -r when name options; do
	case $when:${1:-} in
	'#'* | --:ci | :*) continue ;;
	esac
	# shellcheck disable=SC2086
	sound "$name" $options
done <configs

n=0
while read -r what options; do
	case $what in
	'#'* | '') continue ;;
	esac
	# shellcheck disable=SC2086
	caught "$what" $options
	n=$((n + 1))
done <broken
[ "$n" -eq "$(grep -c '^#define NO_' options.pml)" ] ||
	flawed "what can be broken in options.pml, and broken, are not the same"
echo "$n ways to break it: looked for"

./table.sh "$WORK/taken" || bad=1
exit "$bad"
