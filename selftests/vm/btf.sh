# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# The module's BTF: that it is there, and that what it is for can work.
#
# Sourced after source.sh and kernel.sh.  Most ways to lose it are silent: the
# module loads all the same and registers its policies and functions with
# success, but no BPF program will ever find them.

# finish_module_btf KO DIR: for the module just built in DIR for the kernel in
# use; ends the script where policies could not work.
finish_module_btf() {
	local ko=$1 dir=$2

	# A kernel without types has no programs that would look for ours.
	! typeless_kernel || return 0
	if ! has_section "$ko" .BTF; then
		[ -n "$(btfless_headers)" ] ||
			refuse_module "$ko" "was built without BTF"
		use_btf_base
		encode_btf "$ko"
	fi
	# Kernels that let modules register struct_ops are recognized by a
	# text in a header; here it shows whether that was found.
	if [ -f "$dir/net/parley/policy_bpf.c" ] &&
		grep -qw __register_bpf_struct_ops "$(kernel_symvers)" &&
		! needs_ids "$ko"; then
		refuse_module "$ko" "has no policies, which this kernel has"
	fi
	check_btf_ids "$ko"
}

# typeless_kernel: whether the kernel in use was built here, without BTF.
typeless_kernel() {
	[ -n "$K_DEBUG" ] && [ -e "$K_DIR/.config" ] &&
		! grep -q '^CONFIG_DEBUG_INFO_BTF=y' "$K_DIR/.config"
}

# has_section FILE NAME
has_section() {
	readelf -SW "$1" | grep -F " $2 " >/dev/null
}

# needs_ids KO: whether it registers what is found by BTF ids.
needs_ids() {
	nm -u "$1" | grep -wE '__register_bpf_struct_ops|register_btf_kfunc_id_set' \
		>/dev/null
}

# check_btf_ids KO: where the module has BTF ids, resolve_btfids has to have
# filled them in, all of them; what it has not touched is zero.
check_btf_ids() {
	local ko=$1 raw zero

	if ! has_section "$ko" .BTF_ids; then
		needs_ids "$ko" || return 0
		refuse_module "$ko" "registers BTF ids, but has no .BTF_ids"
	fi
	raw=$(mktemp "$BUILD/.btf-ids.XXXXXX")
	objcopy -O binary --only-section=.BTF_ids "$ko" "$raw"
	# The symbols tell where in the section ids and counts are; flags are
	# between them.
	zero=$({
		od -An -v -w4 -t u4 "$raw"
		nm "$ko" | sed -n 's/ [a-zA-Z] __BTF_ID__/ /p'
	} | awk '
		NF == 1 { word[n++] = $1; next }
		{
			name[$1] = $2
			known++
		}
		END {
			for (at in name) {
				i = hex(at) / 4
				if (i >= n || word[i] == 0)
					print name[at]
			}
			if (!known)
				print "no symbol says where they are"
		}
		function hex(text,	i, v) {
			for (i = 1; i <= length(text); i++)
				v = v * 16 + index("0123456789abcdef",
					substr(text, i, 1)) - 1
			return v
		}')
	rm -f "$raw"
	[ -z "$zero" ] ||
		refuse_module "$ko" "has BTF ids that resolve_btfids left" \
			"empty, no policy could be loaded:" "${zero//$'\n'/, }"
}

# refuse_module KO WHY...: removes it, so that make links it anew next time.
refuse_module() {
	rm -f "$1"
	shift
	die "parley.ko for $K_NAME $*"
}

# kernel_headers: what the module is built against, for the kernel in use.
kernel_headers() {
	local root=$K_DIR/root

	if [ -n "$K_DEBUG" ]; then
		echo "$K_DIR"
		return
	fi
	[ -z "$K_SID" ] || root=$SID_ROOT
	echo "$root/usr/src/linux-headers-$K_RELEASE"
}

kernel_symvers() {
	echo "$(kernel_headers)/Module.symvers"
}

# btfless_headers: says so where the headers bring no BTF to build upon, as
# 6.1's do not.
btfless_headers() {
	[ -e "$(kernel_headers)/vmlinux" ] || echo yes
}

# use_btf_base: sets BTF_BASE, the BTF of the kernel in use, from its image.
use_btf_base() {
	local entry=btf-$K_NAME

	use_source_files
	drop_other_version "$entry" "$(entry_version "$CACHE/kernel-$K_NAME")"
	cache_entry "$entry" extract_btf
	BTF_BASE=$CACHE/$entry/vmlinux
}

# extract_btf DIR: a cache_entry builder.
extract_btf() {
	local dir=$1

	log "taking the BTF out of $K_NAME's image"
	unpack_source "$SOURCE_DIR" "$dir/source" scripts/extract-vmlinux
	sh "$dir/source/scripts/extract-vmlinux" "$K_IMAGE" >"$dir/whole" ||
		die "cannot unpack the kernel image of $K_NAME"
	has_section "$dir/whole" .BTF || die "no BTF in the image of $K_NAME"
	# Segments without their sections are nothing to complain about.
	objcopy --only-section=.BTF "$dir/whole" "$dir/vmlinux" 2>/dev/null
	rm -rf "$dir/whole" "$dir/source"
	entry_version "$CACHE/kernel-$K_NAME" >"$dir/.version"
}

# encode_btf KO: what kbuild does where it has a vmlinux.  It would go on with
# resolve_btfids, which these kernels' packages lack; there modules have no
# struct_ops, so this one has no ids either, and check_btf_ids sees to it.
encode_btf() {
	local ko=$1 log=$BUILD/$K_NAME/btf.log

	cp "$ko" "$ko.btf"
	# pahole adds the section with llvm-objcopy unless it is told otherwise.
	LLVM_OBJCOPY=objcopy run_logged "$log" pahole -J --btf_gen_floats \
		--btf_base "$BTF_BASE" "$ko.btf" ||
		refuse_module "$ko" "gets no BTF: pahole cannot make it"
	has_section "$ko.btf" .BTF ||
		refuse_module "$ko" "gets no BTF: pahole made none, see $log"
	mv "$ko.btf" "$ko"
}
