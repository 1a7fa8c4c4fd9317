#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
#	check.sh OUTDIR		OUTDIR is where make has put the library
#
# What the version script, the header, the manual and an installation promise,
# held against each other. Says what is wrong; nothing if all is well.
set -u
cd "$(dirname "$0")" || exit 1

out=$(cd "$1" && pwd)/check
lib=${out%/check}/libparley.so.0
uapi=../../include/uapi
failed=0

wrong()
{
	echo "$*"
	failed=1
}

# same WHAT FILE FILE
same()
{
	diff -u "$2" "$3" >"$out/diff" || {
		wrong "$1"
		sed -n '/^[-+][a-z_]/p' "$out/diff"
	}
}

rm -rf "$out"
mkdir -p "$out"

# The version script, the library and the header name the same functions.
sed -n 's/^	\([a-z_]*\);$/\1/p' libparley.map | LC_ALL=C sort >"$out/listed"
nm -D --defined-only "$lib" | sed -n 's/.* T \(.*\)@@PARLEY_0$/\1/p' |
	LC_ALL=C sort >"$out/exported"
nm -D --defined-only "$lib" | grep -v ' T .*@@PARLEY_0$' |
	grep -v ' A PARLEY_0$' && wrong "this is exported, too"
sed -n 's/^[a-z].*[ *]\(parley_[a-z_]*\)(.*/\1/p; s/^\(parley_[a-z_]*\)(.*/\1/p' \
	parley.h | LC_ALL=C sort >"$out/declared"
same "libparley.map (-) and the library (+) differ" "$out/listed" "$out/exported"
same "libparley.map (-) and parley.h (+) differ" "$out/listed" "$out/declared"
[ "$(wc -l <"$out/listed")" -ge 20 ] || wrong "libparley.map lists next to nothing"

# The header stands alone.
echo '#include <parley.h>' >"$out/alone.c"
cp "$out/alone.c" "$out/alone.cc"
for std in c99 gnu11 c++11 gnu++17; do
	case $std in
	*++*) set -- "${CXX:-g++}" "$out/alone.cc" ;;
	*) set -- "${CC:-cc}" "$out/alone.c" ;;
	esac
	"$@" -std=$std -Wall -Wextra -pedantic -Werror -fsyntax-only -I. \
		-I$uapi || wrong "parley.h is not $std"
done

# What is installed is found by pkg-config, links and runs, and is documented.
root=$out/root
prefix=/opt/parley
make --no-print-directory O="${out%/check}" DESTDIR="$root" PREFIX=$prefix \
	install >"$out/install" 2>&1 || wrong "make install: $(cat "$out/install")"
install -D -m 644 $uapi/linux/parley.h "$root$prefix/include/linux/parley.h"
export PKG_CONFIG_SYSROOT_DIR="$root"
export PKG_CONFIG_PATH="$root$prefix/lib/pkgconfig"

# build_and_run NAME COMPILER FLAG...: the program tells what it found.
build_and_run()
{
	name=$1
	compiler=$2
	shift 2
	# shellcheck disable=SC2046 # words are what pkg-config prints
	"$compiler" -Wall -Wextra -Werror -o "$out/$name" "$@" \
		$(pkg-config --cflags --libs parley) || {
		wrong "$name does not build against the installation"
		return
	}
	said=$(LD_LIBRARY_PATH="$root$prefix/lib" "$out/$name" 2>&1)
	[ "$said" = "accept uid 1000 RULE" ] || wrong "$name says '$said'"
}

cp check-install.c "$out/check-install.cc"
build_and_run shared "${CC:-cc}" check-install.c
build_and_run c++ "${CXX:-g++}" "$out/check-install.cc"
build_and_run static "${CC:-cc}" -static check-install.c
readelf -d "$out/shared" 2>/dev/null | grep -q 'NEEDED.*\[libparley.so.0\]' ||
	wrong "the shared program does not need libparley.so.0"
[ -n "$(pkg-config --modversion parley)" ] || wrong "parley.pc has no version"
while read -r name; do
	page=$root$prefix/share/man/man3/$name.3
	[ -s "$page" ] || wrong "$name has no manual page"
done <"$out/listed"
for page in "$root$prefix"/share/man/man3/*.3; do
	to=$(sed -n 's/^\.so //p' "$page")
	[ -n "$to" ] || continue
	[ -s "$root$prefix/share/man/$to" ] || wrong "${page##*/} leads nowhere"
	name=${page##*/}
	grep -qx "${name%.3}" "$out/listed" ||
		wrong "$name is about nothing that the library has"
done
exit $failed
