# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# Which Debian packages each purpose needs, and how they are installed.
#
# Sourced after lib.sh.  Nothing is asked of apt while nothing is missing.

# A module and static programs, a VM: "make demo".  clang compiles BPF, python3
# writes a header of libbpf's, and what links libbpf wants zlib and libelf, which
# wants zstd where it was built with that.  6.1's image, whose BTF is needed, is
# packed with lz4.
# Bookworm's kernels want bookworm's gcc-12 also where gcc is a newer one.
PACKAGES_demo="gcc gcc-12 make libc6-dev qemu-system-x86 pahole libelf-dev
	libjson-c-dev ca-certificates xz-utils clang python3 zlib1g-dev
	libzstd-dev lz4"
# What watches a run, and what the test programs need besides the above.
PACKAGES_check="$PACKAGES_demo procps liburing-dev"
# A kernel: "make check-debug".
PACKAGES_debug="$PACKAGES_check flex bison bc libssl-dev kmod"
# "make bench" draws a plot.
PACKAGES_bench="$PACKAGES_check gnuplot-nox"
# "make lint"; g++ compiles the UAPI header as C++, perl runs checkpatch,
# pkgconf finds the installed library.
PACKAGES_lint="$PACKAGES_check g++ sparse shellcheck perl pkgconf spin"
# "make model", which "make lint" does a part of.
PACKAGES_model="gcc libc6-dev spin"
# The module and tools for the running kernel.
PACKAGES_build="gcc make libc6-dev"

# need_packages PURPOSE: installs what is missing of PACKAGES_<PURPOSE>.
need_packages() {
	local list=PACKAGES_$1 package missing=() root=()

	command -v dpkg-query >/dev/null ||
		die "this harness runs on Debian 12 or 13 (no dpkg-query here)"
	for package in ${!list}; do
		package_installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0

	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null; then
			die "please install as root: ${missing[*]}"
		fi
		root=(sudo)
	fi
	log "installing: ${missing[*]}"
	mkdir -p "$CACHE/logs"
	with_lock packages install_packages "${missing[@]}"
}

package_installed() {
	local state

	state=$(dpkg-query -W -f='${db:Status-Status} ' "$1" 2>/dev/null || true)
	case " $state" in
	*" installed "*) return 0 ;;
	esac
	return 1
}

install_packages() {
	local log=$CACHE/logs/apt-install.log

	# A fresh machine has no package lists, an old one stale lists.
	run_logged "$log" "${root[@]}" apt-get -q update ||
		die "apt-get update failed; needed: $*"
	run_logged "$log" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y -o DPkg::Lock::Timeout=300 \
		install --no-install-recommends "$@" ||
		die "apt-get could not install: $*"
}
