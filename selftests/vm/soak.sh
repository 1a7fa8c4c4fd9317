# shellcheck shell=dash
# The soak: for SOAK_SECONDS one storm after the other, each with a seed of its
# own, and redis-benchmark beside it.  After each storm everything rests for a
# moment, and what the kernel's memory is used for is noted: soak.awk judges on
# the host whether that stays the same.
#
# Sourced by /init in the VM; "make soak" starts it.

SOAK_DIR=/tmp/soak
SOAK_STORMS=${SOAK_STORMS:-"storm storm_decide bpf_storm"}
SOAK_LOG=$SOAK_DIR/storm.log
SOAK_EVERY=15

on_parley() {
	parley-run --require "$@"
}

# calls_of LOG: adds up what the kernel counted, as storms report it.
calls_of() {
	awk '/^# +called: / { c += $3 } /^# +established: / { e += $3 }
		/^# +refused: / { r += $3 } /^# +withdrawn: / { w += $3 }
		END { print c + 0, e + 0, r + 0, w + 0 }' "$1"
}

# sample KIND: a line of figures to the host.  "kernel" is what is neither free
# nor user space's nor a file's, in KiB: slabs and whatever else was allocated.
sample() {
	awk -v kind="$1" -v sums="$CALLED $ESTABLISHED $REFUSED $WITHDRAWN" \
		-v requests="$REQUESTS" -v lap="$LAP" '
		FILENAME == "/proc/uptime" { seconds = $1 }
		FILENAME == "/proc/meminfo" { m[$1] = $2 }
		# What processors keep for themselves is free, too.
		FILENAME == "/proc/zoneinfo" && /^ +count:/ { kept += 4 * $2 }
		FILENAME == "/proc/slabinfo" && /^parley/ { parley += $3 * $4 / 1024 }
		FILENAME == "/proc/net/parley_stat" { stat[$1] = $2 }
		END {
			kernel = m["MemTotal:"] - m["MemFree:"] - kept -
				m["Buffers:"] - m["Cached:"] - m["AnonPages:"]
			gsub(" ", "\t", sums)
			OFS = "\t"
			print kind, int(seconds), lap, m["MemAvailable:"],
				m["Slab:"], m["SUnreclaim:"], kernel,
				int(parley), stat["sockets"], stat["calls"],
				stat["pending"], stat["pages"], sums, requests
		}' /proc/uptime /proc/meminfo /proc/zoneinfo /proc/slabinfo \
		/proc/net/parley_stat >&4
}

sampler() {
	while sleep $SOAK_EVERY; do
		sample load
	done
}

# benchmark: requests on parley until $SOAK_DIR/on is gone.
benchmark() {
	local pipeline=1

	while [ -e $SOAK_DIR/on ]; do
		if ! on_parley redis-benchmark -q -c 20 -n "$SOAK_REQUESTS" \
			-t ping,set,get,incr,mset -P $pipeline \
			>$SOAK_DIR/benchmark.log 2>&1 ||
			grep -q rror $SOAK_DIR/benchmark.log; then
			tail -c 2000 $SOAK_DIR/benchmark.log >>$SOAK_DIR/redis.bad
			return 1
		fi
		pipeline=$((17 - pipeline))
	done
}

# one_storm PROGRAM: with a seed of its own, beside the benchmark.
one_storm() {
	local bad=

	: >$SOAK_DIR/on
	benchmark &
	bench=$!
	sampler &
	sampler=$!
	mark "start $1"
	rm -f /tmp/.late
	(
		cd /tmp || exit
		export PARLEY_STORM_SEED=$((SOAK_SEED + LAP))
		# All of them together have to see everything: soak.awk.
		export PARLEY_STORM_OF_MANY=1
		[ -z "$SOAK_SCALE" ] || export PARLEY_STORM_SCALE="$SOAK_SCALE"
		exec setsid "/tests/$1" </dev/null >$SOAK_LOG 2>&1 3>&- 4>&-
	) &
	program=$!
	watch 1800 $program &
	watchdog=$!
	wait $program || bad="exit status $?"
	kill $watchdog
	[ ! -e /tmp/.late ] || cat /tmp/.late >>$SOAK_LOG
	grep -q '^not ok' $SOAK_LOG && bad="a test failed"
	kill $sampler
	rm $SOAK_DIR/on
	wait $bench
	wait $sampler
	for pid in $(strangers); do
		bad="left $(cat "/proc/$pid/comm") behind"
		kill -9 "$pid"
	done
	splats "start $1" && bad="the kernel complained"
	[ -n "$bad" ] || return 0
	echo "# lap $LAP, $1, seed $((SOAK_SEED + LAP)): $bad" >&3
	tail -n 60 $SOAK_LOG | diag
	return 1
}

# rest: what is on its way out goes: namespaces and what waits for a grace
# period take their time and tell nobody, hence the sleeps.
rest() {
	local try=0 cache

	while [ $try -lt 60 ]; do
		sleep 0.5
		[ "$(awk '$1 == "net_namespace" { print $2 }' /proc/slabinfo)" != \
			"$SOAK_NAMESPACES" ] || break
		# Objects that were freed count as used while a page keeps them.
		echo 1 >/sys/kernel/slab/net_namespace/shrink
		try=$((try + 1))
	done
	sleep 1
	echo 3 >/proc/sys/vm/drop_caches
	# KASAN keeps what was freed for a while, as do partly filled pages.
	for cache in /sys/kernel/slab/*/shrink; do
		[ -L "${cache%/shrink}" ] || echo 1 >"$cache"
	done
}

# count_lap: adds the lap's calls and all requests so far.
count_lap() {
	local lap

	lap=$(calls_of $SOAK_LOG)
	# shellcheck disable=SC2086
	set -- $lap
	CALLED=$((CALLED + $1)) ESTABLISHED=$((ESTABLISHED + $2))
	REFUSED=$((REFUSED + $3)) WITHDRAWN=$((WITHDRAWN + $4))
	REQUESTS=$(on_parley redis-cli info stats |
		sed -n 's/^total_commands_processed:\([0-9]*\).*/\1/p')
	[ -n "$REQUESTS" ] || REQUESTS=0
}

start_redis() {
	# Not by a function, whose process would be a shell.
	parley-run --require redis-server --save '' --dir $SOAK_DIR --maxmemory 32mb \
		--logfile $SOAK_DIR/redis.log &
	redis=$!
	until on_parley redis-cli ping >/dev/null 2>&1; do
		[ -d /proc/$redis ] || return 1
	done
}

# One end of each of redis' connections may still be in the hands of a process
# that has gone.
quiet() {
	local try=0

	while [ $try -lt 60 ]; do
		awk '$1 ~ /^(sockets|calls|pending|pages)$/ && $2 { exit 1 }' \
			/proc/net/parley_stat && return 0
		try=$((try + 1))
		sleep 0.5
	done
	diag </proc/net/parley_stat
	return 1
}

# laps: until the time is over; the first storm that goes wrong is the last.
laps() {
	local end storm now

	read -r now _ </proc/uptime
	end=$((${now%.*} + SOAK_SECONDS))
	while true; do
		for storm in $SOAK_STORMS; do
			LAP=$((LAP + 1))
			one_storm "$storm" || return 1
			count_lap
			rest
			sample calm
			echo "# lap $LAP, $storm: $CALLED calls," \
				"$REQUESTS requests" >&3
			[ ! -s $SOAK_DIR/redis.bad ] || return 0
			read -r now _ </proc/uptime
			[ "${now%.*}" -lt $end ] || return 0
		done
	done
}

soak() {
	local storms=ok redis_says=ok

	mkdir -p $SOAK_DIR
	SOAK_SEED=${SOAK_SEED:-$(hexdump -n 4 -e '"%u"' /dev/urandom)}
	LAP=0 CALLED=0 ESTABLISHED=0 REFUSED=0 WITHDRAWN=0 REQUESTS=0
	SOAK_NAMESPACES=$(awk '$1 == "net_namespace" { print $2 }' /proc/slabinfo)
	start_redis || echo "redis-server does not run" >$SOAK_DIR/redis.bad
	laps || storms="not ok"
	kill $redis
	wait $redis
	[ ! -s $SOAK_DIR/redis.bad ] || redis_says="not ok"
	result "$storms" storms
	[ ! -e $SOAK_DIR/redis.bad ] || diag <$SOAK_DIR/redis.bad
	result "$redis_says" redis
	if quiet; then
		result ok quiet
	else
		result "not ok" quiet
	fi
}
