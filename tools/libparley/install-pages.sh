#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
#	install-pages.sh MANDIR PAGE...
#
# Installs manual pages, and for each further name in a page's NAME section an
# alias that leads to it.
set -eu

mandir=$1
shift
for page; do
	section=man${page##*.}
	file=${page##*/}
	install -D -m 644 "$page" "$mandir/$section/$file"
	sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([^ ]*\).*/\1/p' "$page" |
	while read -r name; do
		[ "$name.${page##*.}" = "$file" ] ||
			echo ".so $section/$file" >"$mandir/$section/$name.${page##*.}"
	done
done
