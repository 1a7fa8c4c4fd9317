# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# Programs of others that run on parley in the VM, from Debian packages: an
# archive with them and the shared libraries they need, nothing else.
#
# Sourced after lib.sh and aptroot.sh.  use_apps sets APPS_CPIO, to be put
# behind the archive of the VM's root: the kernel unpacks one after the other.

APPS_SUITE=bookworm

# The packages, and what of them the tests use.  apt tells what else they
# depend on; of that, only libraries are fetched.
APPS_PACKAGES="redis-server redis-tools nginx wrk curl iperf3 rsync haproxy
	openssl"
APPS_PROGRAMS="redis-server redis-benchmark redis-cli nginx wrk curl iperf3
	rsync haproxy openssl"

# apps_version: changes with the lists and with how the archive is made.
apps_version() {
	sha256sum <"$VM_DIR/apps.sh" | cut -c 1-16
}

use_apps() {
	drop_other_version apps "$(apps_version)"
	cache_entry apps make_apps
	APPS_CPIO=$CACHE/apps/apps.cpio
}

# apps_packages: those to fetch.
apps_packages() {
	# shellcheck disable=SC2086 # a list
	apt_private "$APPS_SUITE" apt-get -s install $APPS_PACKAGES |
		awk -v named="$APPS_PACKAGES" '
		BEGIN {
			n = split(named, list)
			for (i = 1; i <= n; i++)
				want[list[i]] = 1
		}
		$1 != "Inst" { next }
		$2 in want { print $2; next }
		$2 ~ /(-perl|-common)$/ || $2 ~ /^libperl/ { next }
		$2 ~ /^(lib|zlib)/ { print $2 }'
}

# make_apps DIR: a cache_entry builder.
make_apps() {
	local dir=$1 packages

	apt_root "$APPS_SUITE"
	mapfile -t packages < <(apps_packages)
	[ ${#packages[@]} -gt 20 ] ||
		die "apt found only these for $APPS_SUITE: ${packages[*]}"
	log "fetching ${#packages[@]} packages: $(echo "$APPS_PROGRAMS" |
		xargs) and their libraries"
	apt_unpack "$APPS_SUITE" "$dir/from" "${packages[@]}"
	apps_keep "$dir/from" "$dir/root"
	(cd "$dir/root" && find . | LC_ALL=C sort |
		"$BUSYBOX" cpio -o -H newc -R 0:0 2>/dev/null) >"$dir/apps.cpio"
	apt_private "$APPS_SUITE" apt-cache show --no-all-versions \
		"${packages[@]}" | sed -n 's/^Package: //p; s/^Version: //p' |
		paste -d ' ' - - >"$dir/packages"
	rm -rf "$dir/from" "$dir/root"
	apps_version >"$dir/.version"
}

# apps_keep FROM ROOT: copies the programs, and all that their loader asks for,
# to where it looks for that.
apps_keep() {
	local from=$1 root=$2 lib=$2/usr/lib/x86_64-linux-gnu name at
	local todo=()

	mkdir -p "$root/usr/bin" "$lib" "$root/lib64"
	# The VM's own root has a directory /lib.
	mkdir -p "$root/lib"
	ln -s ../usr/lib/x86_64-linux-gnu "$root/lib/x86_64-linux-gnu"
	for name in $APPS_PROGRAMS; do
		at=$(find "$from" -path "*bin/$name" \( -type f -o -type l \) \
			-print -quit)
		[ -n "$at" ] || die "no $name in its package"
		# redis-server is a link.
		strip -o "$root/usr/bin/$name" "$(readlink -f "$at")"
		todo+=("$root/usr/bin/$name")
	done
	at=$(find "$from" -name 'ld-linux-x86-64.so.2' -print -quit)
	cp "$(readlink -f "$at")" "$root/lib64/ld-linux-x86-64.so.2"
	while [ ${#todo[@]} -gt 0 ]; do
		at=${todo[0]}
		todo=("${todo[@]:1}")
		for name in $(readelf -d "$at" |
			sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
			[ ! -e "$lib/$name" ] || continue
			at=$(find "$from" -name "$name" -path '*/lib*' \
				-print -quit)
			[ -n "$at" ] || die "no package has $name"
			strip -g -o "$lib/$name" "$(readlink -f "$at")"
			todo+=("$lib/$name")
		done
	done
}

# refresh_apps: forgets the archive when one of its packages is newer.
refresh_apps() {
	local package have new

	[ -e "$CACHE/apps" ] || return 0
	while read -r package have; do
		new=$(apt_version "$APPS_SUITE" "$package")
		if [ -n "$new" ] && [ "$new" != "$have" ]; then
			log "apps: $package $have, $new is newer"
			rm -rf "${CACHE:?}/apps"
			return 0
		fi
	done <"$CACHE/apps/packages"
	log "apps: all packages are the newest"
}
