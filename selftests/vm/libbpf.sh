# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# libbpf from the linux-source package: Debian 12's own is too old to load the
# struct_ops of a module.
#
# Sourced after lib.sh and source.sh.  use_libbpf sets LIBBPF, a prefix with
# include/ and lib/libbpf.a, and with include-uapi/, the headers of that kernel
# that libbpf's users need in place of the system's.

LIBBPF=$CACHE/libbpf

# What is taken out of the package to compile it.
LIBBPF_SOURCE="tools/lib/bpf tools/include tools/scripts tools/build
	tools/arch/x86/include scripts/bpf_doc.py"
LIBBPF_UAPI="linux/bpf.h linux/bpf_common.h linux/btf.h"

# libbpf_version: it is made of that source, and for this C library.
libbpf_version() {
	printf '%s+libc-%s\n' "$(source_version)" \
		"$(dpkg-query -W -f='${Version}' libc6-dev)"
}

use_libbpf() {
	use_source_files
	drop_other_version libbpf "$(libbpf_version)"
	cache_entry libbpf make_libbpf
}

# make_libbpf DIR: a cache_entry builder.
make_libbpf() {
	local dir=$1 out=$1/build/out file

	log "compiling libbpf"
	# shellcheck disable=SC2086 # a list
	unpack_source "$SOURCE_DIR" "$dir/build" $LIBBPF_SOURCE
	mkdir -p "$out"
	# -w: a newer compiler may have warnings that its makers had not, and
	# they make errors of them.
	LOG_TAIL=20 run_logged "$CACHE/logs/libbpf.log" \
		make -C "$dir/build/tools/lib/bpf" -j"$JOBS" \
		OUTPUT="$out/" DESTDIR="$dir" prefix= \
		EXTRA_CFLAGS="-O2 -g -w" "$out/libbpf.a" install_headers
	install -D -m 644 "$out/libbpf.a" "$dir/lib/libbpf.a"
	for file in $LIBBPF_UAPI; do
		install -D -m 644 "$dir/build/tools/include/uapi/$file" \
			"$dir/include-uapi/$file"
	done
	rm -rf "$dir/build"
	libbpf_version >"$dir/.version"
}
