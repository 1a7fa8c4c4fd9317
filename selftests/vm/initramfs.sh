# shellcheck shell=bash
# The VM's root: busybox, the module, the programs and /init, as one archive.
#
# Sourced after the scripts that make those.

BUSYBOX=$CACHE/busybox/busybox

use_busybox() {
	cache_entry busybox fetch_busybox
}

# fetch_busybox DIR: a cache_entry builder.
fetch_busybox() {
	apt_root bookworm
	log "fetching busybox"
	apt_unpack bookworm "$1/package" busybox-static
	# Below /usr or not: that depends on the release.
	find "$1/package" -type f -name busybox -path '*/bin/*' \
		-exec mv {} "$1/busybox" \;
	rm -rf "$1/package"
	apt_version bookworm busybox-static >"$1/.version"
}

# make_initramfs ARCHIVE CONFIG LIST: for the kernel in use.  CONFIG is what
# /init reads, LIST the programs to run ("NAME LIMIT ARGUMENTS" a line).
make_initramfs() {
	local archive=$1 config=$2 list=$3 root name rest

	root=$(mktemp -d "$BUILD/.root.XXXXXX")
	# It becomes "/", which users other than root have to pass, too.
	chmod 755 "$root"
	mkdir -p "$root"/{bin,bpf,dev,etc,lib,modules,proc,root,sys,tests,tmp}
	mkdir -p "$root"/{run,var/log,var/lib}
	cp "$BUSYBOX" "$root/bin/busybox"
	cp "$VM_DIR/init" "$root/init"
	chmod 755 "$root/init"
	cp "$config" "$root/vm.conf"
	grep -Ev '^(#|$)' "$VM_DIR/splats" >"$root/splats"
	cp "$VM_DIR/kcsan.awk" "$root/kcsan.awk"
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
	printf 'nobody:x:65534:65534:nobody:/:/bin/sh\n' >>"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	chmod 1777 "$root/tmp"

	# Without debugging information the module loads fast; BTF stays.
	if [ -n "${MODULE_KO:-}" ]; then
		strip -g -o "$root/modules/parley.ko" "$MODULE_KO"
		# As it is where a distribution strips its modules wholly.
		objcopy --remove-section .BTF --remove-section .BTF.base \
			"$root/modules/parley.ko" "$root/modules/parley_nobtf.ko"
	fi
	if [ -n "${KUNIT_KO:-}" ]; then
		strip -g -o "$root/modules/parley_kunit.ko" "$KUNIT_KO"
	fi
	if [ -n "$K_MODULES" ]; then
		cp "$K_MODULES"/* "$root/modules/"
	fi
	cp "$list" "$root/tests/list"
	while read -r name rest; do
		strip -o "$root/tests/$name" "$TEST_BIN/$name"
	done <"$list"
	if [ -s "$list" ] && [ -d "$TEST_BIN/bin" ]; then
		cp "$TEST_BIN"/bin/* "$root/bin/"
	fi
	# Programs for the fuzzer to begin with, or to run again.
	[ -z "${FUZZ_INPUT:-}" ] || cp "$FUZZ_INPUT" "$root/tests/fuzz.in"
	if [ -n "${BENCH_BIN:-}" ]; then
		mkdir "$root/bench"
		cp "$BENCH_BIN/bench" "$root/bench/"
		cp "$BENCH_BIN"/*.bpf.o "$root/bpf/"
	fi
	if [ -n "${TOOL_BIN:-}" ] && [ -d "$TOOL_BIN" ]; then
		find "$TOOL_BIN" -mindepth 2 -maxdepth 2 -type f -perm -100 \
			-exec cp {} "$root/bin/" \;
	fi
	add_bpf_objects "$root/bpf"
	if [ -f "$VM_DIR/demo.sh" ]; then
		install -m 755 "$VM_DIR/demo.sh" "$root/demo"
	fi
	install -m 755 "$VM_DIR/ratio.sh" "$root/ratio"
	install -m 755 "$VM_DIR/soak.sh" "$root/soak"
	# Not compressed: the guest would spend longer than QEMU on loading it.
	(cd "$root" && find . | LC_ALL=C sort |
		"$BUSYBOX" cpio -o -H newc -R 0:0 2>/dev/null) >"$archive"
	rm -rf "$root"
	if wants_apps "$list"; then
		use_apps
		cat "$APPS_CPIO" >>"$archive"
	fi
}

# wants_apps LIST: whether a program in it runs those of others.
wants_apps() {
	[ -n "${WITH_APPS:-}" ] || grep -q '^apps' "$1"
}

# add_bpf_objects DIR: those of the tests, if they were built, and of the tools.
add_bpf_objects() {
	local dir=$1 object objects=()

	if [ -n "${TEST_BIN:-}" ]; then
		while read -r object; do
			objects+=("$TEST_BIN/$object")
		done <"$TEST_BIN/bpf-objects"
	fi
	if [ -n "${TOOL_BIN:-}" ]; then
		for object in "$TOOL_BIN"/bpf/*.bpf.o; do
			[ ! -f "$object" ] || objects+=("$object")
		done
	fi
	# cp refuses two of one name.
	[ ${#objects[@]} -eq 0 ] || cp "${objects[@]}" "$dir/"
}
