# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# What every script of the harness shares: paths, messages, the cache.
#
# Sourced, never run.  A cache entry is a directory that is either whole or
# absent: it is built beside its place, stamped with a checksum list and moved
# into place by one rename, all under a lock of its own.

set -euo pipefail
# Failures end a script by -e alone, so nothing below may be called from a
# condition ("if", "&&", "||"), where bash ignores -e.
shopt -s inherit_errexit

# What goes into the VM is read by users other than root.
umask 022

VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TREE=$(cd "$VM_DIR/../.." && pwd)
CACHE=${PARLEY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/parley}
BUILD=${PARLEY_BUILD:-$TREE/build}
# Runs of one tree share what they build, so they build one after another.
BUILD_LOCK=build-$(printf '%s' "$BUILD" | cksum | cut -d' ' -f1)
JOBS=${PARLEY_JOBS:-$(nproc)}

# Raised when an entry's layout changes, so that older caches are made anew.
CACHE_FORMAT=1

# Kbuild splits its paths at blanks and colons.
case $CACHE$BUILD in
*[[:space:]:]*)
	echo "parley: no blank or colon may be in $CACHE or $BUILD" >&2
	exit 2
	;;
esac

# Messages go to standard error: functions give their results on stdout.
log() {
	printf 'parley: %s\n' "$*" >&2
}

die() {
	log "$*"
	exit 1
}

# run_logged FILE COMMAND...: runs quietly, shows the output when it fails.
run_logged() {
	local file=$1 rc=0

	shift
	"$@" >"$file" 2>&1 </dev/null || rc=$?
	if [ "$rc" -ne 0 ]; then
		log "failed ($rc): $*"
		tail -n "${LOG_TAIL:-40}" "$file" >&2
	fi
	return "$rc"
}

# with_lock NAME COMMAND...: one process at a time runs under NAME.
with_lock() {
	local name=$1 fd

	shift
	mkdir -p "$CACHE/locks"
	exec {fd}>"$CACHE/locks/$name"
	if ! flock -n "$fd"; then
		log "waiting for another run that holds '$name'"
		flock "$fd"
	fi
	"$@"
	exec {fd}>&-
}

# entry_valid DIR: true when DIR is stamped and its files are what was stamped.
entry_valid() {
	local dir=$1

	[ -f "$dir/.stamp" ] || return 1
	[ "$(head -n 1 "$dir/.stamp")" = "format $CACHE_FORMAT" ] || return 1
	[ "$(tail -n 1 "$dir/.stamp")" = end ] || return 1
	(cd "$dir" && sed '1d;$d' .stamp | grep -v '^version ' |
		sha256sum --check --status --strict -) 2>/dev/null
}

# entry_version DIR: the package version that the entry was made from.
entry_version() {
	sed -n 's/^version //p' "$1/.stamp" 2>/dev/null || true
}

# drop_other_version NAME VERSION: for an entry that is made from another one:
# removes it when it was made from another version of that.
drop_other_version() {
	with_lock "$1" drop_other_version_locked "$@"
}

drop_other_version_locked() {
	local dir=$CACHE/$1

	if [ -e "$dir" ] && [ "$(entry_version "$dir")" != "$2" ]; then
		log "cache entry '$1' is of another version: made anew"
		rm -rf "$dir"
	fi
}

# stamp_entry DIR VERSION: records checksums, of the files in DIR/.check when
# there is such a list (trees too large to read on each run), else of all.
stamp_entry() {
	local dir=$1 version=$2

	(
		cd "$dir"
		if [ ! -f .check ]; then
			find . -type f ! -name .stamp ! -name .check.new \
				-fprint .check.new
			LC_ALL=C sort -o .check .check.new
			rm .check.new
		fi
		{
			printf 'format %s\nversion %s\n' \
				"$CACHE_FORMAT" "$version"
			tr '\n' '\0' <.check | xargs -0 -r sha256sum
			echo end
		} >.stamp
	)
}

# cache_entry NAME BUILDER [ARG...]: makes sure that $CACHE/NAME is there and
# whole.  BUILDER is called with a fresh directory and the arguments, fills
# the directory and leaves the version in its file .version.
cache_entry() {
	with_lock "$1" cache_entry_locked "$@"
}

cache_entry_locked() {
	local name=$1 builder=$2 dir=$CACHE/$1 tmp

	shift 2
	if entry_valid "$dir"; then
		return 0
	fi
	if [ -e "$dir" ]; then
		log "cache entry '$name' is damaged or out of date: made anew"
	fi
	# Under the lock nobody else makes this entry: these were left behind.
	rm -rf "$CACHE/.new.$name".*
	tmp=$(mktemp -d "$CACHE/.new.$name.XXXXXX")
	(
		trap 'rc=$?
			[ $rc -eq 0 ] || {
				rm -rf "$tmp"
				log "could not make the cache entry $name"
			}' EXIT
		trap 'exit 1' INT TERM
		"$builder" "$tmp" "$@"
	)
	chmod 755 "$tmp"
	stamp_entry "$tmp" "$(cat "$tmp/.version")"
	if [ -e "$dir" ]; then
		mv "$dir" "$tmp.old"
	fi
	mv "$tmp" "$dir"
	rm -rf "$tmp.old"
}
