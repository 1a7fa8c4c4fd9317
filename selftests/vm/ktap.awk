# Reads what a VM reported and judges it; POSIX awk.
#
#	awk -v kernel=K -v final=WORD -v expected=FILE -v skips=FILE
#	    [-v verbose=1] -f ktap.awk RESULT
#
# EXPECTED lists the top-level results the run must have, in any order, one
# "NAME test|program" a line; a program must report cases of its own.  SKIPS is
# the list of skips that are all right.  Failures and skips are printed with
# what was said about them; the last line is "@totals PASSED FAILED SKIPPED".
#
# Nested documents are recognized by their version line, at any indentation
# deeper than their parent's.  Only leaves are counted, and every mistake in
# the form of the report counts as a failure.

function fail(what) {
	failed++
	print "FAIL " kernel " " what
}

function show_diag(level,	i, first) {
	first = ndiag[level] - 79
	if (first < 1)
		first = 1
	else if (first > 1)
		print "     [" (first - 1) " more lines before]"
	for (i = first; i <= ndiag[level]; i++)
		print "     " diag[level, i]
}

function clear_diag(level) {
	ndiag[level] = 0
}

function add_diag(level, line) {
	ndiag[level]++
	diag[level, ndiag[level]] = line
}


function open_document(level, ind) {
	depth = level
	indent[level] = ind
	plan[level] = -1
	number[level] = 0
	bad[level] = 0
	label[level] = subtest[level] = ""
	children[level] = 0
	child_bad[level] = 0
	clear_diag(level)
}

# A nested document ends where its parent goes on, and its parent's next
# result is about it.
function close_document(	d) {
	d = depth--
	if (plan[d] < 0) {
		# KUnit gives none for the parameters of a case.
		if (subtest[d] == "" || d < 4)
			problem[d - 1] = problem[d - 1] " no plan;"
	} else if (plan[d] != number[d]) {
		problem[d - 1] = problem[d - 1] " plan says " plan[d] \
			" but " number[d] " reported;"
	}
	children[d - 1] += number[d]
	child_bad[d - 1] += bad[d]
}

function skip_allowed(name,	kind) {
	kind = kernel ~ /^[0-9]/ ? "stock" : "debug"
	return ((kernel " " name) in skip_ok) || ((kind " " name) in skip_ok) ||
		(("* " name) in skip_ok)
}

# One result line at the current level: ok or not, its name and directive.
function result(ok, num, name, directive,	full, leaf) {
	number[depth]++
	if (num != number[depth]) {
		problem[depth] = problem[depth] " result " num \
			" where " number[depth] " was due;"
	}
	leaf = children[depth] == 0
	label[depth] = name
	full = full_name(depth)

	if (depth == 1)
		note_top(name, leaf)
	if (directive ~ /^SKIP/) {
		if (skip_allowed(full)) {
			skipped++
			print "SKIP " kernel " " full ": " skip_reason(directive)
		} else {
			ok = 0
			add_diag(depth, "skipped: " skip_reason(directive))
			fail(full " (unexpected skip)")
			bad[depth]++
			show_diag(depth)
		}
	} else if (directive ~ /^TODO/ || directive ~ /^XFAIL/) {
		passed++
	} else if (!ok) {
		bad[depth]++
		# A parent of failed cases has been counted with them.
		if (leaf || child_bad[depth] == 0) {
			fail(full)
			show_diag(depth)
		} else if (ndiag[depth] > (diag[depth, 1] ~ /^# exit status/)) {
			print "     " full ":"
			show_diag(depth)
		}
	} else if (child_bad[depth] > 0) {
		bad[depth]++
	} else if (leaf) {
		passed++
		if (verbose)
			print "ok   " kernel " " full
	}
	if (problem[depth] != "") {
		bad[depth]++
		fail(full " (malformed report:" problem[depth] ")")
		problem[depth] = ""
	}
	children[depth] = child_bad[depth] = 0
	clear_diag(depth)
}

# The name of what contains a case is reported after the case, so it is taken
# from comments that come before: "# start" for programs, "# Subtest:" below.
function full_name(level,	i, p) {
	if (level == 1)
		return label[1]
	p = program
	for (i = 2; i <= level; i++)
		if (subtest[i] != "")
			p = p "." subtest[i]
	return p "." label[level]
}

function skip_reason(directive) {
	sub(/^SKIP */, "", directive)
	return directive == "" ? "no reason given" : directive
}

function note_top(name, leaf) {
	if (!(name in want)) {
		fail(name " (not expected in this run)")
		bad[1]++
	} else if (name in seen) {
		fail(name " (reported twice)")
		bad[1]++
	} else if (want[name] == "program" && leaf) {
		problem[1] = problem[1] " no cases;"
	}
	seen[name] = 1
}

BEGIN {
	failed = passed = skipped = 0
	depth = 0
	while ((getline line < expected) > 0) {
		split(line, f, " ")
		want[f[1]] = f[2]
		order[++nwant] = f[1]
	}
	while ((getline line < skips) > 0) {
		if (line ~ /^#/ || line ~ /^[ \t]*$/)
			continue
		split(line, f, " ")
		skip_ok[f[1] " " f[2]] = 1
	}
}

{
	sub(/\r$/, "")
	if ($0 != "")
		last = $0
	match($0, /^ */)
	ind = RLENGTH
	text = substr($0, ind + 1)
}

text ~ /^KTAP version [0-9]+$/ || text ~ /^TAP version 1[0-9]$/ {
	if (depth == 0) {
		open_document(1, ind)
	} else if (ind > indent[depth]) {
		open_document(depth + 1, ind)
	} else {
		while (depth > 1 && ind <= indent[depth - 1])
			close_document()
		if (ind == indent[depth])
			problem[depth] = problem[depth] " second version line;"
	}
	next
}

depth == 0 { next }

text ~ /^# start / && ind == indent[1] {
	program = substr(text, 9)
	next
}

text ~ /^# Subtest: / && ind == indent[depth] {
	subtest[depth] = substr(text, 12)
	next
}

text ~ /^1\.\.[0-9]+( .*)?$/ {
	while (depth > 1 && ind < indent[depth])
		close_document()
	if (ind == indent[depth]) {
		split(substr(text, 4), f, " ")
		if (plan[depth] >= 0)
			problem[depth] = problem[depth] " second plan;"
		plan[depth] = f[1] + 0
		next
	}
}

text ~ /^(not )?ok [0-9]+( |$)/ {
	while (depth > 1 && ind < indent[depth])
		close_document()
	if (ind == indent[depth]) {
		ok = text !~ /^not /
		sub(/^(not )?ok /, "", text)
		num = text + 0
		sub(/^[0-9]+ *(- )?/, "", text)
		directive = ""
		if (match(text, / *# *(SKIP|TODO|XFAIL)/)) {
			directive = substr(text, RSTART)
			sub(/^ *# */, "", directive)
			text = substr(text, 1, RSTART - 1)
		}
		sub(/ *#.*/, "", text)
		result(ok, num, text, directive)
		next
	}
}

{
	# What is said below the top belongs to the case that follows, and also
	# to the program, should the program itself be what fails.
	if (text != "")
		add_diag(ind < indent[depth] ? 1 : depth, text)
}

END {
	if (depth == 0) {
		fail("(no report: no version line)")
	} else {
		while (depth > 1) {
			# The VM ended inside a program.
			fail(program " (its report is cut off)")
			show_diag(depth)
			close_document()
			problem[depth] = ""
		}
		if (plan[1] < 0)
			fail("(no plan)")
		else if (plan[1] != number[1])
			fail("(plan says " plan[1] " but " number[1] " reported)")
		if (problem[1] != "")
			fail("(malformed report:" problem[1] ")")
	}
	for (i = 1; i <= nwant; i++)
		if (!(order[i] in seen))
			fail(order[i] " (no result)")
	if (last != final)
		fail("(the VM did not come to its end)")
	print "@totals " passed " " failed " " skipped
}
