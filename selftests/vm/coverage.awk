# Which lines and branches of the module ran, from what gcov -t -b -c says.
#
#	awk -v root=DIR/ -v table=FILE -v lines=FILE -v branches=FILE \
#	    -f coverage.awk TEXT...
#
# DIR is where the module was built.  The table goes to TABLE, lines that never ran
# to LINES ("file:line: function: source"), and lines with branches that were
# never taken to BRANCHES.  POSIX awk.
#
# One line may be in several objects: a function of a header is in each that
# uses it, and the KUnit tests compile files of the module once more.  It ran
# if it ran in one of them.  Of its branches the same is said where the compiler
# made as many of them; elsewhere those of the object with the most count.

# source_of PATH: the name in the tree, or nothing for what is not the module's:
# the kernel's headers, and the tests themselves.
function source_of(path) {
	while (match(path, /[^\/]+\/\.\.\//))
		path = substr(path, 1, RSTART - 1) substr(path, RSTART + RLENGTH)
	if (index(path, root) != 1)
		return ""
	path = substr(path, length(root) + 1)
	if (path ~ /^net\/parley\/tests\//)
		return ""
	return path
}

# merge_branches: those of the line that ended, into what is known of it.
function merge_branches(	i) {
	if (nbranch > known[at]) {
		for (i = 1; i <= nbranch; i++)
			went[at, i] = taken[i]
		known[at] = nbranch
	} else if (nbranch && nbranch == known[at]) {
		for (i = 1; i <= nbranch; i++)
			if (taken[i])
				went[at, i] = 1
	}
	nbranch = 0
}

function percent(part, whole) {
	return whole ? sprintf("%.1f", 100 * part / whole) : "-"
}

function row(name, n, ran, b, t) {
	printf "%-36s %6d %6d %6s %8d %6d %6s\n", name, n, ran, \
		percent(ran, n), b, t, percent(t, b) >table
}

# sorted: the files seen, in the order of their names.
function sort_files(	i, j, f) {
	for (i = 2; i <= nfiles; i++) {
		f = file_names[i]
		for (j = i - 1; j > 0 && file_names[j] > f; j--)
			file_names[j + 1] = file_names[j]
		file_names[j + 1] = f
	}
}

/^ +-: +0:Source:/ {
	merge_branches()
	path = $0
	sub(/^ +-: +0:Source:/, "", path)
	file = source_of(path)
	if (file != "" && !(file in last)) {
		file_names[++nfiles] = file
		last[file] = 0
	}
	in_function = ""
	next
}

file == "" { next }

/^branch +[0-9]+ / {
	taken[++nbranch] = $3 == "taken" && $4 > 0
	next
}

/^ *[-#=0-9]+\*?: *[0-9]+:/ {
	merge_branches()
	count = $0
	sub(/:.*/, "", count)
	gsub(/[ *]/, "", count)
	rest = substr($0, index($0, ":") + 1)
	number = rest + 0
	sub(/^ *[0-9]+:/, "", rest)
	# What gcov says of functions leaves out those that were inlined early.
	if (rest ~ /^[a-z_][^;=]*\(/) {
		in_function = rest
		sub(/\(.*/, "", in_function)
		sub(/.*[ *]/, "", in_function)
	}
	if (count == "-" || number == 0)
		next
	at = file SUBSEP number
	if (!(at in text)) {
		sub(/^[ \t]*/, "", rest)
		text[at] = rest
		ran[at] = 0
		owner[at] = in_function
		if (number > last[file])
			last[file] = number
	}
	if (count + 0 > 0)
		ran[at] = 1
	next
}

END {
	merge_branches()
	sort_files()
	printf "%-36s %6s %6s %6s %8s %6s %6s\n", "", "lines", "ran", "%", \
		"branches", "taken", "%" >table
	printf "" >lines
	printf "" >branches
	for (f = 1; f <= nfiles; f++) {
		file = file_names[f]
		n = r = b = t = 0
		for (number = 1; number <= last[file]; number++) {
			at = file SUBSEP number
			if (!(at in text))
				continue
			n++
			if (ran[at])
				r++
			else
				print file ":" number ": " owner[at] ": " text[at] >lines
			some = 0
			for (i = 1; i <= known[at]; i++)
				some += went[at, i]
			b += known[at]
			t += some
			if (some < known[at])
				print file ":" number ": " some " of " known[at] \
					": " text[at] >branches
		}
		# A header may have nothing but declarations and macros.
		if (n == 0)
			continue
		row(file, n, r, b, t)
		all_n += n
		all_r += r
		all_b += b
		all_t += t
	}
	row("all", all_n, all_r, all_b, all_t)
}
