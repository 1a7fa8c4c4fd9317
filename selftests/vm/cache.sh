#!/bin/bash
# The cache as a whole.
#
#	cache.sh refresh	forgets what has a newer package; the next run
#				fetches that
#	cache.sh clean		removes everything that was fetched or built
#	cache.sh has KERNEL	whether a kernel for debugging is there, as it would
#				be built now

# shellcheck source-path=SCRIPTDIR source=all.sh
. "$(dirname "${BASH_SOURCE[0]}")/all.sh"

# refresh_entry ENTRY SUITE METAPACKAGE [REGEX]: drops ENTRY when its package,
# or the dependency of METAPACKAGE that matches REGEX, has another version.
refresh_entry() {
	local entry=$1 suite=$2 package=$3 have new

	[ -e "$CACHE/$entry" ] || return 0
	if [ $# -ge 4 ]; then
		package=$(apt_dependency "$suite" "$package" "$4")
	fi
	have=$(entry_version "$CACHE/$entry")
	new=$(apt_version "$suite" "$package")
	if [ -z "$new" ] || [ "$have" = "$new" ]; then
		log "$entry: $have is the newest"
		return 0
	fi
	log "$entry: $have, $new is newer"
	rm -rf "${CACHE:?}/$entry"
}

refresh() {
	rm -rf "$CACHE/apt" "$CACHE/sid-series"
	apt_root bookworm
	refresh_entry kernel-6.1 bookworm linux-image-cloud-amd64 \
		'linux-image-[0-9].*'
	refresh_entry kernel-6.12 bookworm linux-image-6.12-cloud-amd64 \
		'linux-image-[0-9].*'
	refresh_entry busybox bookworm busybox-static
	refresh_apps
	if [ -e "$CACHE/source-files" ]; then
		refresh_entry source-files bookworm "linux-source-$SOURCE_SERIES"
		# These are made from source-files, their version is the same.
		[ -e "$CACHE/source-files" ] ||
			rm -rf "$CACHE/source-tree" "$CACHE/libbpf"
	fi
	if [ -e "$CACHE/sid-source" ]; then
		apt_root sid
		refresh_entry sid-source sid "linux-source-$(sid_series)"
		[ -e "$CACHE/sid-source" ] ||
			rm -rf "$CACHE/sid-build-root" "$CACHE"/debug-[0-9]*-kernel
	fi
	# Image and headers of sid must be of one version: both or none.
	if [ -e "$CACHE/sid-root" ]; then
		apt_root sid
		refresh_entry sid-root sid linux-headers-cloud-amd64 \
			'linux-headers-[0-9].*'
		[ -e "$CACHE/sid-root" ] || rm -rf "$CACHE/kernel-$(sid_series)"
	fi
}

case ${1:-} in
refresh)
	with_lock cache refresh
	;;
clean)
	[ -d "$CACHE/locks" ] || exit 0
	log "removing $CACHE"
	rm -rf "${CACHE:?}"
	;;
has)
	have_debug_kernel "$(canonical_kernel "${2:-debug}")"
	;;
*)
	die "usage: cache.sh refresh|clean|has KERNEL"
	;;
esac
