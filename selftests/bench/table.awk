# SPDX-License-Identifier: GPL-2.0
# Makes tables for people of what bench prints: a line for each figure, a column
# for each family, which has its best tuning; how many times as good as an AF_UNIX
# stream parley is, as the best of the peers (pipes are none), and its records as
# AF_UNIX's. Less is better in all figures, so ratios above 1 are in parley's
# favour. A line without peers is compared with those of the line before.
#
# Policies are compared with the first of them, which is to have none.

BEGIN {
	FS = "\t"
	columns = split("unix seqpacket tcp vsock pipe parley parley-seq", column, " ")
	split("unix seqpkt tcp vsock pipe parley p-seq", title, " ")
}

# As short as people want it.
function number(v) {
	if (v >= 1e6)
		return sprintf("%.2fM", v / 1e6)
	if (v >= 1e5)
		return sprintf("%.0fk", v / 1e3)
	return sprintf(v < 100 ? "%.1f" : "%.0f", v)
}

function print_label(text) {
	printf "%-25s", text
}

function print_ratio(a, b) {
	printf "%6s", a != "" && b != "" ? sprintf("%.2f", a / b) : ""
}

function head(	i) {
	printf "\n"
	print_label(mode == "counted" ? "one processor, counted" : "two processors, timed")
	for (i = 1; i <= columns; i++)
		printf "%8s", title[i]
	printf "%6s%6s%6s\n", "/unix", "/best", "/seq"
}

function value_of(c) {
	return c in best ? best[c] : ""
}

function best_peer(	i, least) {
	least = ""
	for (i = 1; column[i] != "pipe"; i++)
		if (column[i] in best && (least == "" || best[column[i]] < least))
			least = best[column[i]]
	return least
}

# The middle half of the rounds lies within this much of the figure, in per cent.
function print_spread(	i) {
	print_label("      +/- %")
	for (i = 1; i <= columns; i++)
		printf "%8s", column[i] in best ? sprintf("%.1f", spread[column[i]] / 2) : ""
	printf "\n"
}

function flush_line(	i, c) {
	if (!pending)
		return
	pending = 0
	print_label("  " label)
	for (i = 1; i <= columns; i++) {
		c = column[i]
		printf "%8s", c in best ? number(best[c]) : ""
		remember(c)
	}
	if (row == "policy") {
		if (none == "")
			none = best["parley"]
		printf "%+17.1f%%", 100 * (best["parley"] / none - 1)
	} else {
		if (best_peer() != "") {
			stream = value_of("unix")
			records = value_of("seqpacket")
			peer = best_peer()
		}
		print_ratio(stream, value_of("parley"))
		print_ratio(peer, value_of("parley"))
		print_ratio(records, value_of("parley-seq"))
	}
	printf "\n"
	if (mode == "smp")
		print_spread()
	delete best
	delete spread
}

# What a crowd does to it: the figure at the first size, and at the last one.
function remember(c) {
	if (!crowd || !(c in best))
		return
	if (!((figure, c) in first)) {
		first[figure, c] = best[c]
		if (!(figure in seen)) {
			seen[figure] = 1
			figures[++n_figures] = figure
		}
	}
	last[figure, c] = best[c]
	last_size[figure, c] = size
	if (!(figure in from))
		from[figure] = size
	to[figure] = size
}

function growth(f, c) {
	if (last_size[f, c] != to[f])
		return ""
	return sprintf("%.2fx", last[f, c] / first[f, c])
}

function flush_row(	i, k, f) {
	flush_line()
	for (k = 1; k <= n_figures; k++) {
		f = figures[k]
		if (from[f] == to[f])
			continue
		print_label("  " f ", " to[f] "/" from[f])
		for (i = 1; i <= columns; i++)
			printf "%8s", growth(f, column[i])
		printf "\n"
	}
	delete first
	delete last
	delete last_size
	delete seen
	delete from
	delete to
	n_figures = 0
}

/^#/ {
	flush_row()
	row = ""
	print
	next
}

NF != 12 || $1 == "mode" { next }

{
	if ($1 != mode || $2 != row) {
		flush_row()
		if ($1 != mode) {
			mode = $1
			head()
		}
		row = $2
		stream = records = peer = ""
		crowd = row == "backlog" || row == "listeners"
		print row ", " $7
	}
	if ($3 != size || $4 != figure)
		flush_line()
	size = $3
	figure = $4
	label = size (size != "" && figure != "" ? ", " : "") figure
	if (label == "")
		label = row
	pending = 1
	if (!($5 in best) || $8 + 0 < best[$5]) {
		best[$5] = $8 + 0
		spread[$5] = $11
	}
}

END { flush_row() }
