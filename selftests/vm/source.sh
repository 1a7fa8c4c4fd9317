# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# The linux-source package: kselftest's header, checkpatch and kernel-doc, and
# the whole tree for the debug kernel.
#
# Sourced after lib.sh and aptroot.sh.  Two cache entries: the few files most
# runs need, and the tree, which only the debug kernel is worth.

SOURCE_SERIES=6.12
SOURCE_DIR=$CACHE/source-files
SOURCE_TREE=$CACHE/source-tree/linux
KSELFTEST=$SOURCE_DIR/linux/tools/testing/selftests

# What is taken out of the package for daily use.
SOURCE_FILES="tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
	scripts/checkpatch.pl scripts/spelling.txt scripts/const_structs.checkpatch
	scripts/kernel-doc"

use_source_files() {
	cache_entry source-files fetch_source_files
}

use_source_tree() {
	use_source_files
	cache_entry source-tree unpack_source_tree
}

# source_version: the Debian version of the source package in the cache.
source_version() {
	entry_version "$SOURCE_DIR"
}

# unpack_source FROM DIR MEMBER...: into DIR, nothing but these files and
# directories of the archive in FROM.
unpack_source() {
	local from=$1 dir=$2 member members=()

	shift 2
	for member in "$@"; do
		members+=("linux-source-$SOURCE_SERIES/$member")
	done
	mkdir -p "$dir"
	tar -xJf "$from/linux.tar.xz" -C "$dir" --strip-components=1 \
		"${members[@]}"
}

# fetch_source_files DIR: a cache_entry builder.
fetch_source_files() {
	local dir=$1 package=linux-source-$SOURCE_SERIES

	apt_root bookworm
	log "fetching $package"
	apt_unpack bookworm "$dir/deb" "$package"
	mv "$dir/deb/usr/src/$package.tar.xz" "$dir/linux.tar.xz"
	rm -rf "$dir/deb"
	# shellcheck disable=SC2086 # a list
	unpack_source "$dir" "$dir/linux" $SOURCE_FILES
	# The archive has checksums of its own, which tar checks as it unpacks.
	(cd "$dir" && find ./linux -type f | LC_ALL=C sort >.check)
	apt_version bookworm "$package" >"$dir/.version"
}

# unpack_source_tree DIR: a cache_entry builder.
unpack_source_tree() {
	local dir=$1

	log "unpacking the kernel's source"
	mkdir "$dir/linux"
	tar -xJf "$SOURCE_DIR/linux.tar.xz" -C "$dir/linux" --strip-components=1
	# shellcheck disable=SC2086 # a list
	printf './linux/%s\n' Makefile Kbuild $SOURCE_FILES >"$dir/.check"
	source_version >"$dir/.version"
}
