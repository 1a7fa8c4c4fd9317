# SPDX-License-Identifier: GPL-2.0
# Says of what bench prints in which figures parley is behind the best of its
# peers (pipes are none), the worst first within a mode.

BEGIN { FS = "\t" }

NF != 12 || $1 == "mode" || $5 == "pipe" { next }

{
	key = $1 "\t" $2 ($3 == "" ? "" : " " $3) ($4 == "" ? "" : ", " $4)
	if (!(key in seen)) {
		seen[key] = 1
		keys[++n] = key
		row[key] = $1 "\t" $2
	}
	value = $8 + 0
	if ($5 == "parley" && (!(key in own) || value < own[key]))
		own[key] = value
	if ($5 !~ /^parley/ && (!(key in peer) || value < peer[key])) {
		peer[key] = value
		who[key] = $5
	}
}

END {
	sort = "sort -t'\t' -k1,1 -k3,3n | awk -F'\t' '{ printf \"%-9s%-26s%s times as good as %s\\n\", $1, $2, $3, $4 }'"
	for (k = 1; k <= n; k++) {
		key = keys[k]
		# Without peers, it is compared with those of the one before.
		if (key in peer) {
			last = key
		} else if (row[key] == row[last]) {
			peer[key] = peer[last]
			who[key] = who[last]
		}
		if (key in own && key in peer && peer[key] < own[key])
			printf "%s\t%.2f\t%s\n", key, peer[key] / own[key], who[key] | sort
	}
	close(sort)
}
