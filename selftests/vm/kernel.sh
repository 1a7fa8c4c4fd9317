# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# The kernels a test run can name, and where their images and headers are.
#
# Sourced after lib.sh, packages.sh, aptroot.sh, sid.sh and debug-kernel.sh.
# use_kernel NAME sets what the others need to know:
#   K_NAME     the name results are shown under: 6.1, 6.12, 7.2, debug, gcov, kcsan,
#              debug-7.2
#   K_DEBUG    1 where the kernel is one for debugging, or empty
#   K_CHECKS   what such a kernel has, of "kunit", "kmemleak" and "kcsan"
#   K_IMAGE    the bzImage
#   K_RELEASE  what uname -r says in the VM
#   K_MODULES  directory of the image's own modules, or empty
#   K_COVERAGE 1 where the module counts what runs, or empty
#   K_ARGS     what kbuild gets for the module, beside its directory
# and kernel_make builds against that kernel.

# The stock kernels of "make check", oldest first.  sid's series is found out.
stock_kernels() {
	printf '6.1\n6.12\n'
	sid_series
}

# canonical_kernel NAME: the name, with "sid" turned into its series.
canonical_kernel() {
	case $1 in
	6.1 | 6.12 | debug | gcov | kcsan) printf '%s\n' "$1" ;;
	sid) sid_series ;;
	7.2)
		# The series sid had when this was written: it means "the
		# newest", also after sid has moved on.
		sid_series
		;;
	debug-sid | debug-7.2) printf 'debug-%s\n' "$(sid_series)" ;;
	*)
		if [ "${1#debug-}" != "$(sid_series)" ]; then
			die "unknown kernel '$1': 6.1, 6.12, sid ($(sid_series))," \
				"debug, gcov, kcsan, debug-sid"
		fi
		printf '%s\n' "$1"
		;;
	esac
}

use_kernel() {
	K_NAME=$(canonical_kernel "$1")
	K_SID=
	K_DEBUG=
	K_CHECKS=
	K_COVERAGE=
	K_ARGS=()
	case $K_NAME in
	debug | debug-*)
		use_debug_kernel "$K_NAME"
		K_CHECKS="kunit kmemleak"
		# The fuzzer follows what the module runs.
		K_ARGS=(KCOV_INSTRUMENT=y)
		;;
	gcov)
		# The same kernel, with a module that counts its lines.  What UBSAN
		# checks would be branches of the module's; the counters take room
		# on the stack.
		use_debug_kernel debug
		K_CHECKS="kunit kmemleak"
		K_COVERAGE=1
		K_ARGS=(GCOV_PROFILE=y UBSAN_SANITIZE=n
			KCFLAGS=-Wframe-larger-than=2048)
		;;
	kcsan)
		use_debug_kernel kcsan
		K_CHECKS=kcsan
		# A report names who did it, not what that is inlined into.
		K_ARGS=(KCFLAGS=-fno-inline)
		;;
	6.1) use_stock_kernel bookworm linux-image-cloud-amd64 ;;
	6.12) use_stock_kernel bookworm linux-image-6.12-cloud-amd64 ;;
	*)
		K_SID=1
		use_sid_root
		use_stock_kernel sid linux-image-cloud-amd64
		;;
	esac
}

# kernel_checks WHAT: whether the kernel in use has that.
kernel_checks() {
	[[ " ${K_CHECKS:-} " = *" $1 "* ]]
}

# use_stock_kernel SUITE METAPACKAGE
use_stock_kernel() {
	local dir=$CACHE/kernel-$K_NAME

	cache_entry "kernel-$K_NAME" fetch_kernel "$1" "$2"
	K_DIR=$dir
	K_IMAGE=$dir/vmlinuz
	K_RELEASE=$(cat "$dir/release")
	K_MODULES=$dir/modules
}

# fetch_kernel DIR SUITE METAPACKAGE: a cache_entry builder.
fetch_kernel() {
	local dir=$1 suite=$2 image headers packages=() p

	apt_root "$suite"
	image=$(apt_dependency "$suite" "$3" 'linux-image-[0-9].*')
	[ -n "$image" ] || die "no kernel image behind $3 in $suite"
	log "fetching $image and its headers"

	# Since 6.17 the image package only depends on the two that have files.
	for p in linux-binary-.\* linux-modules-.\*; do
		p=$(apt_dependency "$suite" "$image" "$p")
		[ -z "$p" ] || packages+=("$p")
	done
	apt_unpack "$suite" "$dir/image" "$image" "${packages[@]}"
	# In /boot, or beside the modules since the split.
	p=$(find "$dir/image" -type f -name 'vmlinuz*' -print -quit)
	[ -n "$p" ] || die "no kernel in $image"
	mv "$p" "$dir/vmlinuz"
	echo "${image#linux-image-}" >"$dir/release"
	keep_modules "$dir"
	rm -rf "$dir/image"

	# The sid root has its own headers, see sid.sh.
	if [ "$suite" != sid ]; then
		headers=${image/#linux-image-/linux-headers-}
		packages=("$headers")
		for p in linux-headers-.\*-common linux-kbuild-.\*; do
			p=$(apt_dependency "$suite" "$headers" "$p")
			[ -n "$p" ] || die "$headers has unexpected dependencies"
			packages+=("$p")
		done
		apt_unpack "$suite" "$dir/root" "${packages[@]}"
	fi
	apt_version "$suite" "$image" >"$dir/.version"
}

# The few modules that something in the VM may load beside parley.
keep_modules() {
	local dir=$1 from

	from=$(find "$dir/image" -type d -path '*/lib/modules/*/kernel' \
		-prune -print -quit)
	mkdir -p "$dir/modules"
	find "$from/net/vmw_vsock" "$from/drivers/net" -maxdepth 1 \
		\( -name 'vsock*' -o -name 'vmw_vsock_virtio_transport_common*' \
		-o -name 'veth*' \) -exec cp {} "$dir/modules" \;
}

# kernel_make DIR ARG...: make against the kernel in use, for the module in
# DIR.  Unpacked Debian headers include their common part by an absolute path
# that does not exist here; naming the common Makefile instead works, since
# the kernel takes its source tree from the path of the Makefile it read.
kernel_make() {
	local dir=$1 src

	shift
	if [ -n "$K_DEBUG" ] && [ -n "$K_SID" ]; then
		sid_run "$dir" make -C "${K_DIR/#$CACHE//cache}" M=/work \
			"${K_ARGS[@]}" "$@"
	elif [ -n "$K_DEBUG" ]; then
		make -C "$K_DIR" M="$dir" "${K_ARGS[@]}" "$@"
	elif [ -n "$K_SID" ]; then
		sid_make "$dir" "$@"
	else
		src=$K_DIR/root/usr/src
		make -C "$src/linux-headers-$K_RELEASE" \
			-f "$(echo "$src"/linux-headers-*-common/Makefile)" \
			M="$dir" "$@"
	fi
}
