# Tells KCSAN's reports about the module from those about the rest of the kernel.
#
#	awk -v core=FILE -f kcsan.awk LOG
#
# Prints LOG without reports that have no function of the module in either
# stack; their titles are added to FILE.  What an interrupt came to interrupt is not
# what raced.  A report without an end counts as one
# about the module: the log stops where it might have been named.  POSIX awk.
#
# Functions of the kernel's headers are the module's, too, as it is compiled for this:
# without inlining, so that they are in the stacks.  Of these are known to race,
# whatever family or module they are part of:
# - rhashtable, which reads under the lock bit of a bucket the word that this bit is
#   in, while others try to set it;
# - sock_orphan(), which stores plainly what a wake-up of the socket reads.

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

# The function that a line of a stack names, as it was written.
function name_of(line) {
	sub(/^ */, "", line)
	sub(/[.+].*$/, "", line)
	return line
}

function is_hash(k) {
	return frame[k, 1] ~ /^(rht|rhashtable|rhltable|__rhashtable|__rhltable|bit_spin)_/ ||
		frame[k, 1] ~ /_bit/ && frame[k, 2] ~ /^bit_spin_/
}

function is_orphan(k) {
	return frame[k, 1] == "sock_orphan" || frame[k, 2] == "sock_orphan"
}

function is_wakeup(k) {
	return frame[k, 1] ~ /^sock_def_/ || frame[k, 1] == "sk_wake_async" ||
		frame[k, 2] == "sk_wake_async"
}

function is_known() {
	return stacks == 2 && (is_hash(1) && is_hash(2) ||
		is_orphan(1) && is_wakeup(2) || is_wakeup(1) && is_orphan(2))
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
	stacks = 0
	# Whoever wakes a poll, the flag on its stack is poll's own.
	known = text ~ /data-race in poll_schedule_timeout[^ ]* \/ pollwake$/
	title = text
}

# The two stacks begin so, and an interrupt's ends so.
inside && text ~ /(read|write|access).* of [0-9]+ bytes by / {
	interrupted = 0
	stacks++
	depth = 0
}

inside && stacks && depth < 2 && text ~ /^ [^ |].*\+0x/ {
	frame[stacks, ++depth] = name_of(text)
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
	if (ours && !is_known()) {
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
