#!/bin/bash
# The description has all that the UAPI header has: every constant and every struct, and
# the structs' members in their order. The file of constants is what it would be if it were
# made now. Prints what is missing.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
header=$here/../../include/uapi/linux/parley.h
source=$here/socket_parley.txt
status=0

complain() {
	echo "tools/syzkaller: $*"
	status=1
}

# Constants, but for the guards of the header and what they are computed from.
header_constants() {
	{
		sed -nE 's/^#define[[:space:]]+((PARLEY|SOL|AF|PF)_[A-Z0-9_]+).*/\1/p' "$header"
		sed -nE 's/^\t(PARLEY_[A-Z0-9_]+) = .*/\1/p' "$header"
	} | grep -vxE 'PARLEY_IOC_MAGIC' | LC_ALL=C sort -u
}

# members_of_... STRUCT: the names of a struct's members, in C or in syzlang.
members_of_c() {
	awk -v s="$1" '
		$0 == "struct " s " {" { on = 1; next }
		on && /^};/ { exit }
		on && /;/ {
			sub(/;.*/, "")
			n = split($0, words, /[ \t]+/)
			name = words[n]
			sub(/\[.*/, "", name)
			print name
		}' "$header"
}

members_of_syz() {
	awk -v s="$1" '
		$0 == s " {" { on = 1; next }
		on && /^}/ { exit }
		on { print $1 }' "$source"
}

for name in $(header_constants); do
	grep -qw "$name" "$source" || complain "$name is not described"
done

while read -r name; do
	# What only BPF programs see.
	[ "$name" != parley_packet ] || continue
	if ! grep -q "^$name {" "$source"; then
		complain "struct $name is not described"
	elif [ "$(members_of_c "$name")" != "$(members_of_syz "$name")" ]; then
		complain "struct $name has other members"
	fi
done < <(sed -nE 's/^struct (parley_[a-z_]+) \{$/\1/p' "$header")

[ "$("$here/make-const.sh")" = "$(cat "$source.const")" ] ||
	complain "socket_parley.txt.const is not what make-const.sh makes"

exit $status
