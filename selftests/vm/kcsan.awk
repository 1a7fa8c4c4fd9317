# Tells KCSAN's reports about the module from those about the rest of the kernel.
#
#	awk -v core=FILE -f kcsan.awk LOG
#
# Prints LOG without reports that have no function of the module in either
# stack; their titles are added to FILE.  What an interrupt came to interrupt is not
# what raced.  A report without an end counts as one
# about the module: the log stops where it might have been named.  POSIX awk.

function text_of(line) {
	sub(/\r$/, "", line)
	sub(/^\[ *[0-9]+\.[0-9]+\](\[ *[A-Z0-9]+\])? /, "", line)
	return line
}

# A line of nothing but "=" is above and below each report; mawk cannot count in
# expressions.
function is_rule(line) {
	return line ~ /^=+$/ && length(line) > 60
}

function release(	i) {
	for (i = 1; i <= n; i++)
		print held[i]
	n = 0
}

{ text = text_of($0) }

!inside && is_rule(text) {
	release()
	held[++n] = $0
	next
}

!inside && text ~ /^BUG: KCSAN: / {
	inside = 1
	ours = 0
	interrupted = 0
	# Whoever wakes a poll, the flag on its stack is poll's own.
	known = text ~ /data-race in poll_schedule_timeout[^ ]* \/ pollwake$/
	title = text
}

# The two stacks begin so, and an interrupt's ends so.
inside && text ~ /(read|write|access).* of [0-9]+ bytes by / {
	interrupted = 0
}

inside && text ~ /^ asm_(sysvec_|common_interrupt|exc_)/ {
	interrupted = 1
}

inside {
	held[++n] = $0
	if (text ~ /\[parley/ && !interrupted && !known)
		ours = 1
	if (!is_rule(text))
		next
	inside = 0
	if (ours) {
		release()
	} else {
		print title >>core
		n = 0
	}
	next
}

{
	release()
	print
}

END { release() }
