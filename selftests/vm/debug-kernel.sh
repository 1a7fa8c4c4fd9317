# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# The kernel of "make check-debug", built from the linux-source package and
# debug.config, and kept in the cache with its object tree.
#
# Sourced after lib.sh and source.sh; kernel.sh calls use_debug_kernel.  The
# object tree is kept because the module is built against it, and so that a
# changed debug.config compiles only what it changes.

DEBUG_CONFIG=$VM_DIR/debug.config

use_debug_kernel() {
	need_packages debug
	use_source_files
	DEBUG_DIR=$CACHE/debug-kernel
	K_DIR=$DEBUG_DIR/obj-$(source_version)
	with_lock debug-kernel debug_kernel_locked
	K_IMAGE=$K_DIR/arch/x86/boot/bzImage
	K_RELEASE=$(cat "$K_DIR/include/config/kernel.release")
	K_MODULES=
	K_DEBUG=1
}

# debug_key: what the built kernel depends on.
debug_key() {
	{
		source_version
		gcc -dumpfullversion
		cat "$DEBUG_CONFIG"
	} | sha256sum | cut -d' ' -f1
}

debug_kernel_valid() {
	[ -s "$K_DIR/ready" ] || return 1
	[ "$(head -n 1 "$K_DIR/ready")" = "$(debug_key)" ] || return 1
	(cd "$K_DIR" && sed 1d ready | sha256sum --check --status --strict -) \
		2>/dev/null || return 1
	[ -s "$K_DIR/vmlinux" ]
}

debug_kernel_locked() {
	local dir old=()

	if debug_kernel_valid; then
		return 0
	fi
	use_source_tree
	mkdir -p "$K_DIR"
	rm -f "$K_DIR/ready"
	# Objects of another source version are of no use: the files of a new
	# one carry dates older than the objects.
	for dir in "$DEBUG_DIR"/obj-*; do
		[ "$dir" = "$K_DIR" ] || old+=("$dir")
	done
	rm -rf "${old[@]}"
	log "building the debug kernel: minutes, most of an hour on one core"
	configure_debug_kernel
	LOG_TAIL=20 run_logged "$CACHE/logs/debug-kernel.log" \
		nice -n 10 make -C "$SOURCE_TREE" O="$K_DIR" -j"$JOBS" \
		bzImage modules
	(
		cd "$K_DIR" || exit
		debug_key
		sha256sum arch/x86/boot/bzImage Module.symvers .config
	) >"$K_DIR/ready.new"
	mv "$K_DIR/ready.new" "$K_DIR/ready"
}

configure_debug_kernel() {
	local log=$CACHE/logs/debug-config.log symbol line lost=()

	run_logged "$log" make -C "$SOURCE_TREE" O="$K_DIR" allnoconfig
	(
		cd "$SOURCE_TREE" || exit
		KCONFIG_CONFIG=$K_DIR/.config run_logged "$log" \
			scripts/kconfig/merge_config.sh -m -O "$K_DIR" \
			"$K_DIR/.config" "$DEBUG_CONFIG"
	)
	run_logged "$log" make -C "$SOURCE_TREE" O="$K_DIR" olddefconfig
	# olddefconfig drops silently what it finds no way to set.
	while IFS= read -r line; do
		symbol=${line%%=*}
		grep -qxF "$line" "$K_DIR/.config" && continue
		grep -q "^# may be lost: $symbol " "$DEBUG_CONFIG" && continue
		lost+=("$line")
	done < <(grep '^CONFIG_' "$DEBUG_CONFIG")
	[ ${#lost[@]} -eq 0 ] ||
		die "olddefconfig did not keep: ${lost[*]}"
}
