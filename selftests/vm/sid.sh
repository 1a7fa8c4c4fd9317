# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# Debian sid's newest kernel: its name, and a root to build for it.
#
# Sourced after lib.sh and aptroot.sh.  The kernel's build tools need sid's
# own C library and compiler.  They are unpacked, not installed, into a root
# below the cache: nothing in it is ever configured or started but the build,
# so there is no need for a bootstrapped system.

# What a module build runs, and sparse for "make lint".
SID_PACKAGES="base-files bash dash coreutils sed grep mawk findutils make
	diffutils perl-base tar gcc binutils libc6-dev pahole sparse"
# A kernel build runs more.
SID_BUILD_PACKAGES="$SID_PACKAGES flex bison bc cpio gzip xz-utils zstd kmod perl
	python3-minimal libelf-dev libssl-dev zlib1g-dev hostname"

# All of that kernel's source, and the root to build it in.
SID_SOURCE=$CACHE/sid-source
SID_BUILD_ROOT=$CACHE/sid-build-root

# sid_series: the series of sid's cloud image, say 7.2.  Without network as
# soon as it is known; "make refresh" forgets it.
sid_series() {
	if [ ! -s "$CACHE/sid-series" ]; then
		with_lock sid-series sid_series_locked
	fi
	cat "$CACHE/sid-series"
}

sid_series_locked() {
	local image

	apt_root sid
	image=$(apt_dependency sid linux-image-cloud-amd64 'linux-image-[0-9].*')
	[ -n "$image" ] || die "sid has no cloud kernel"
	echo "$image" | sed -E 's/^linux-image-([0-9]+\.[0-9]+).*/\1/' \
		>"$CACHE/sid-series.new"
	mv "$CACHE/sid-series.new" "$CACHE/sid-series"
}

use_sid_root() {
	SID_ROOT=$CACHE/sid-root
	# shellcheck disable=SC2086 # a list
	cache_entry sid-root make_sid_root $SID_PACKAGES
}

# use_sid_build_root: the root that a kernel is built in.
use_sid_build_root() {
	SID_ROOT=$SID_BUILD_ROOT
	# shellcheck disable=SC2086 # a list
	cache_entry sid-build-root make_sid_root $SID_BUILD_PACKAGES
}

# use_sid_source: the source of sid's kernel, all of it.
use_sid_source() {
	cache_entry sid-source fetch_sid_source
}

# fetch_sid_source DIR: a cache_entry builder.
fetch_sid_source() {
	local dir=$1 package

	package=linux-source-$(sid_series)
	apt_root sid
	log "fetching $package"
	apt_unpack sid "$dir/deb" "$package"
	mkdir "$dir/linux"
	tar -xJf "$dir/deb/usr/src/$package.tar.xz" -C "$dir/linux" \
		--strip-components=1
	rm -rf "$dir/deb"
	printf './linux/%s\n' Makefile Kbuild >"$dir/.check"
	apt_version sid "$package" >"$dir/.version"
}

# make_sid_root DIR PACKAGE...: a cache_entry builder.
make_sid_root() {
	local dir=$1 headers compiler packages

	shift

	apt_root sid
	headers=$(apt_dependency sid linux-headers-cloud-amd64 \
		'linux-headers-[0-9].*')
	[ -n "$headers" ] || die "sid has no cloud kernel headers"
	compiler=$(apt_dependency sid "$headers" 'gcc-[0-9]+.*')
	log "making a root with sid's compiler and $headers"
	# shellcheck disable=SC2086
	packages=$(apt_private sid apt-get -s install "$@" \
		${compiler:+"$compiler"} "$headers" | awk '$1 == "Inst" { print $2 }')
	# base-files first: it brings the links /bin, /lib and so on.
	apt_unpack sid "$dir" base-files
	# shellcheck disable=SC2086
	apt_unpack sid "$dir" $packages
	[ -e "$dir/usr/bin/sh" ] || ln -s dash "$dir/usr/bin/sh"
	[ -e "$dir/usr/bin/awk" ] || ln -s mawk "$dir/usr/bin/awk"
	mkdir -p "$dir/proc" "$dir/dev" "$dir/tmp" "$dir/work" "$dir/cache"
	chmod 1777 "$dir/tmp"
	# Reading 700 MB on each run would take seconds: what a build starts with.
	(
		cd "$dir" || exit
		find usr/bin usr/src usr/lib/linux-kbuild-* -type f \
			-newermt 1980-01-01 ! -path '*/include/*' |
			LC_ALL=C sort >.check
	)
	apt_version sid "$headers" >"$dir/.version"
}

# sid_make DIR ARG...: kbuild inside the root, on the module source in DIR.
sid_make() {
	local dir=$1 src

	shift
	src=/usr/src/linux-headers-$K_RELEASE
	[ -d "$SID_ROOT$src" ] ||
		die "the sid image and the sid root differ: run make refresh"
	sid_run "$dir" make -C "$src" M=/work "$@"
}

# sid_run DIR COMMAND...: runs COMMAND in the root with DIR as /work, and the
# cache as /cache where the root has a place for it.  The
# mounts live in a mount namespace of their own and end with it, however the
# command ends; objtool wants /proc.  A user without root gets a user
# namespace where that is permitted.
sid_run() {
	local dir=$1 userns=(--map-root-user --user --pid --fork)

	shift
	[ "$(id -u)" -ne 0 ] || userns=()
	# shellcheck disable=SC2016
	unshare --mount "${userns[@]}" sh -c '
		root=$1 dir=$2 cache=$3
		shift 3
		mount --bind "$dir" "$root/work" &&
			{ [ ! -d "$root/cache" ] ||
				mount --bind "$cache" "$root/cache"; } &&
			mount -t proc proc "$root/proc" &&
			mount --rbind /dev "$root/dev" &&
			exec chroot "$root" /usr/bin/env -i \
				PATH=/usr/bin:/usr/sbin HOME=/ LC_ALL=C "$@"
	' sh "$SID_ROOT" "$dir" "$CACHE" "$@"
}
