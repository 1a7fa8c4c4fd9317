# Which functions of the module the fuzzer reached, and how much of each; POSIX awk.
#
#	objdump -t parley.ko; objdump -r -j .text parley.ko; cat places
#
# on standard input; a line "REACHED POINTS NAME" for each function, least first.

function hex(s,	i, n) {
	s = tolower(s)
	sub(/^0x/, "", s)
	for (i = 1; i <= length(s); i++)
		n = 16 * n + index("0123456789abcdef", substr(s, i, 1)) - 1
	return n
}

# ADDRESS FLAGS F SECTION SIZE NAME: the flags may be apart.
/ F \.text\t/ {
	begins[++functions] = hex($1)
	name[functions] = $NF
	size[functions] = hex($(NF - 1))
}

# What is recorded is where the call returns to.
$3 ~ /^__sanitizer_cov_trace_pc-/ { point[hex($1) + 4] = 1 }

/^0x/ { place[hex($1)] = 1 }

END {
	for (f = 1; f <= functions; f++)
		for (at = begins[f]; at < begins[f] + size[f]; at++)
			if (at in point) {
				points[f]++
				if (at in place)
					reached[f]++
			}
	for (f = 1; f <= functions; f++)
		if (points[f])
			printf("%d %d %s\n", reached[f], points[f], name[f])
}
