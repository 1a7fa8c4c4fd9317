# SPDX-License-Identifier: GPL-2.0
# Makes of what bench prints the data of plot.gp: for each figure named here how
# many times as good as an AF_UNIX stream each family is, at its best tuning.
#
#	awk -v mode=counted -f plot.awk bench.tsv

BEGIN {
	FS = "\t"
	columns = split("seqpacket tcp vsock pipe parley parley-seq", column, " ")
	wanted["pingpong"] = "ping-pong"
	wanted["stream"] = "stream"
	wanted["accepted"] = "connect"
	wanted["request"] = "request"
	wanted["epoll"] = "epoll"
	wanted["memory-pair"] = "idle\\npair"
	wanted["memory-pending"] = "pending\\ncall"
	printf "figure"
	for (i = 1; i <= columns; i++)
		printf "\t%s", column[i]
	printf "\n"
}

$1 == mode && $2 in wanted && $4 != "used" {
	size = $3
	sub(/ terms/, "\\nterms", size)
	name = wanted[$2] (size == "" ? "" : "\\n" size)
	if (!(name in seen)) {
		seen[name] = 1
		names[++n] = name
	}
	if (!(name in row))
		row[name] = $2
	if (!((name, $5) in best) || $8 + 0 < best[name, $5])
		best[name, $5] = $8 + 0
}

END {
	for (k = 1; k <= n; k++) {
		name = names[k]
		# Without peers, it is compared with those of the one before.
		if ((name, "unix") in best)
			unix[row[name]] = best[name, "unix"]
		base = unix[row[name]]
		if (base == "")
			continue
		printf "\"%s\"", name
		for (i = 1; i <= columns; i++)
			printf "\t%s", (name, column[i]) in best ? base / best[name, column[i]] : "?"
		printf "\n"
	}
}
