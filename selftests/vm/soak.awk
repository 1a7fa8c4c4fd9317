# Judges what soak.sh noted in the VM: memory is flat, or not; POSIX awk.
#
#	awk -f soak.awk samples.tsv
#
# The kernel's memory at rest is taken as a line over the calls that were made,
# after the first quarter of them, when caches have their size: the median of
# the slopes between all pairs of points, so that no single one matters.  Prints
# the figures; the exit status is 1 where memory grows or too little was seen.

BEGIN {
	FS = "\t"
	# KiB: less than this is noise.
	if (noise == "")
		noise = 1024
	split("seconds lap available slab sunreclaim kernel parley sockets " \
		"calls pending pages called established refused withdrawn " \
		"requests", name, " ")
}

$1 == "load" {
	loads++
	if ($7 > peak)
		peak = $7
}

$1 == "calm" {
	n++
	for (i = 2; i <= 17; i++)
		v[n, name[i - 1]] = $i
}

function sort(a, count,	i, j, t) {
	for (i = 2; i <= count; i++) {
		t = a[i]
		for (j = i - 1; j >= 1 && a[j] > t; j--)
			a[j + 1] = a[j]
		a[j + 1] = t
	}
}

# Bytes for each call, and over all that were looked at in KiB.
function grows(what,	i, j, k, slopes, far) {
	k = 0
	for (i = first; i < n; i++)
		for (j = i + 1; j <= n; j++) {
			far = v[j, "called"] - v[i, "called"]
			if (far > 0)
				slopes[++k] = (v[j, what] - v[i, what]) / far
		}
	sort(slopes, k)
	return slopes[int((k + 1) / 2)] * (v[n, "called"] - v[first, "called"])
}

END {
	for (first = 1; first < n; first++)
		if (v[first, "called"] >= v[n, "called"] / 4)
			break
	printf "laps %d, calls %d: established %d, refused %d, withdrawn %d\n",
		n, v[n, "called"], v[n, "established"], v[n, "refused"],
		v[n, "withdrawn"]
	printf "redis requests %d; samples under load %d\n",
		v[n, "requests"], loads
	for (i = 13; i <= 17; i++)
		if (!(v[n, name[i - 1]] > 0)) {
			print "nothing was " name[i - 1]
			exit 1
		}
	if (n - first < 2) {
		print "memory: too few laps to say anything"
		exit 1
	}
	kernel = grows("kernel")
	slab = grows("sunreclaim")
	calls = v[n, "called"] - v[first, "called"]
	printf "kernel memory at rest, KiB: %d at first, %d after a quarter, %d at the end; peak %d\n",
		v[1, "kernel"], v[first, "kernel"], v[n, "kernel"], peak
	printf "unreclaimable slabs, KiB: %d, %d, %d; parley's own: %d, %d, %d\n",
		v[1, "sunreclaim"], v[first, "sunreclaim"], v[n, "sunreclaim"],
		v[1, "parley"], v[first, "parley"], v[n, "parley"]
	printf "growth over the last %d calls: kernel %+.0f KiB (%+.1f bytes a call), slabs %+.0f KiB\n",
		calls, kernel, kernel * 1024 / calls, slab
	if (kernel > noise || slab > noise) {
		printf "memory grows: more than %d KiB\n", noise
		exit 1
	}
	if (n - first < 3) {
		print "memory: too few laps to say that it is flat"
		exit 1
	}
	print "memory is flat"
}
