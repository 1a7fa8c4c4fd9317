# SPDX-License-Identifier: GPL-2.0
# Says of what bench prints which tuning of each family was the best, where it
# had a choice.

BEGIN {
	FS = "\t"
	printf "%-9s%-22s%-11s%-20s%10s  %s\n", "mode", "row", "family", "best tuning",
		"figure", "the others"
}

function flush_line(	i, others) {
	if (n > 1) {
		for (i = 1; i <= n; i++)
			if (i != least)
				others = others (others == "" ? "" : ", ") tuning[i] " " value[i]
		printf "%-9s%-22s%-11s%-20s%10s  %s\n", mode, label, family, tuning[least],
			value[least], others
	}
	n = 0
}

NF != 12 || $1 == "mode" { next }

{
	line = $2 ($3 == "" ? "" : " " $3) ($4 == "" ? "" : ", " $4)
	if ($1 != mode || line != label || $5 != family)
		flush_line()
	mode = $1
	label = line
	family = $5
	tuning[++n] = $6
	value[n] = sprintf("%.0f", $8)
	if (n == 1 || $8 + 0 < minimum) {
		least = n
		minimum = $8 + 0
	}
}

END { flush_line() }
