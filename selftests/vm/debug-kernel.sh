# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# The kernels for debugging: each is built from a linux-source package and
# debug.config, and kept in the cache with its object tree.
#
#	debug		"make check-debug": KASAN, lockdep, kmemleak
#	kcsan		"make check-kcsan": kcsan.config over it
#	debug-7.2	debug.config on sid's kernel, with sid's compiler
#
# Sourced after lib.sh, source.sh and sid.sh; kernel.sh calls use_debug_kernel.
# The object tree is kept because the module is built against it, and so that a
# changed configuration compiles only what it changes.

# use_debug_kernel NAME: one of them; the newest of sid under the name that has its
# series.
use_debug_kernel() {
	describe_debug_kernel "$1"
	need_packages debug
	use_debug_source
	with_lock "$DEBUG_NAME-kernel" debug_kernel_locked
	K_IMAGE=$K_DIR/arch/x86/boot/bzImage
	K_RELEASE=$(cat "$K_DIR/include/config/kernel.release")
	K_MODULES=
	K_DEBUG=1
}

# describe_debug_kernel NAME: sets what sets it apart from the others, and asks
# nothing of the network.
describe_debug_kernel() {
	DEBUG_NAME=$1
	DEBUG_DIR=$CACHE/$1-kernel
	DEBUG_CONFIGS=("$VM_DIR/debug.config")
	[ "$1" != kcsan ] || DEBUG_CONFIGS+=("$VM_DIR/kcsan.config")
	K_SID=
	[[ $1 != debug-* ]] || K_SID=1
}

# have_debug_kernel NAME: whether it is in the cache already, as it would be built
# now; for a process that does nothing else.
have_debug_kernel() {
	describe_debug_kernel "${1/#gcov/debug}"
	if [ -n "$K_SID" ]; then
		SID_ROOT=$SID_BUILD_ROOT
		[ -e "$SID_SOURCE" ] && [ -e "$SID_ROOT" ] || return 1
	else
		[ -e "$SOURCE_DIR" ] || return 1
	fi
	K_DIR=$DEBUG_DIR/obj-$(debug_source_version)
	debug_kernel_valid
}

# use_debug_source: what tells which source it is; the tree itself is unpacked when
# something is to be compiled.
use_debug_source() {
	if [ -n "$K_SID" ]; then
		use_sid_build_root
		use_sid_source
	else
		use_source_files
	fi
	K_DIR=$DEBUG_DIR/obj-$(debug_source_version)
}

debug_source_version() {
	if [ -n "$K_SID" ]; then
		entry_version "$SID_SOURCE"
	else
		source_version
	fi
}

# debug_make ARG...: make in the source, for the object tree.
debug_make() {
	if [ -n "$K_SID" ]; then
		sid_run "$K_DIR" nice -n 10 make -C "${SID_SOURCE/#$CACHE//cache}/linux" \
			O="${K_DIR/#$CACHE//cache}" "$@"
	else
		nice -n 10 make -C "$SOURCE_TREE" O="$K_DIR" "$@"
	fi
}

debug_compiler() {
	if [ -n "$K_SID" ]; then
		sid_run "$DEBUG_DIR" gcc -dumpfullversion
	else
		gcc -dumpfullversion
	fi
}

# debug_key: what the built kernel depends on.
debug_key() {
	{
		debug_source_version
		debug_compiler
		cat "${DEBUG_CONFIGS[@]}"
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
	local dir old=() log=$CACHE/logs/$DEBUG_NAME-kernel.log

	if debug_kernel_valid; then
		return 0
	fi
	[ -n "$K_SID" ] || use_source_tree
	mkdir -p "$K_DIR"
	rm -f "$K_DIR/ready"
	# Objects of another source version are of no use: the files of a new
	# one carry dates older than the objects.
	for dir in "$DEBUG_DIR"/obj-*; do
		[ "$dir" = "$K_DIR" ] || old+=("$dir")
	done
	rm -rf "${old[@]}"
	log "building the kernel '$DEBUG_NAME': minutes, most of an hour on one core"
	configure_debug_kernel
	LOG_TAIL=20 run_logged "$log" debug_make -j"$JOBS" bzImage modules
	(
		cd "$K_DIR" || exit
		debug_key
		sha256sum arch/x86/boot/bzImage Module.symvers .config
	) >"$K_DIR/ready.new"
	mv "$K_DIR/ready.new" "$K_DIR/ready"
}

# wanted_symbols: the lines of the configurations, a later one's over an earlier one's.
wanted_symbols() {
	sed -nE -e 's/^(CONFIG_[A-Z0-9_]+)=.*/\1 &/p' \
		-e 's/^# (CONFIG_[A-Z0-9_]+) is not set$/\1 &/p' \
		"${DEBUG_CONFIGS[@]}" | awk '
		{
			symbol = $1
			sub(/^[^ ]* /, "")
			line[symbol] = $0
		}
		END {
			for (symbol in line)
				print line[symbol]
		}'
}

configure_debug_kernel() {
	local log=$CACHE/logs/$DEBUG_NAME-config.log symbol line lost=()

	run_logged "$log" debug_make allnoconfig
	wanted_symbols >>"$K_DIR/.config"
	run_logged "$log" debug_make olddefconfig
	# olddefconfig drops silently what it finds no way to set, and sets what
	# others select.
	while IFS= read -r line; do
		if [ "${line#\# }" = "$line" ]; then
			symbol=${line%%=*}
			grep -qxF "$line" "$K_DIR/.config" && continue
		else
			symbol=${line#\# }
			symbol=${symbol%% *}
			grep -q "^$symbol=" "$K_DIR/.config" || continue
		fi
		cat "${DEBUG_CONFIGS[@]}" |
			grep "^# may be lost: $symbol " >/dev/null && continue
		lost+=("$line")
	done < <(wanted_symbols)
	[ ${#lost[@]} -eq 0 ] ||
		die "olddefconfig did not keep: ${lost[*]}"
}
