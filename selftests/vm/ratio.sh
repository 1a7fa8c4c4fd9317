#!/bin/busybox sh
# shellcheck shell=dash
# Programs on parley and on TCP's loopback, side by side in one VM: redis, nginx
# and iperf3, each round on both, the median of ROUNDS.
#
# Runs in the VM; "make ratio" starts it there.

ROUNDS=${ROUNDS:-1}
SECONDS_EACH=${SECONDS_EACH:-1}
DIR=/tmp/ratio
FIGURES=$DIR/figures

die() {
	echo "ratio: $*" >&2
	exit 1
}

# end PID: the shell would like to say how it ended.
end() {
	kill "$1"
	wait "$1" 2>/dev/null
}

# figure FAMILY UNIT NAME NUMBER
figure() {
	[ -n "$4" ] || die "no figure for $3"
	echo "$1 $4 $2 $3" >>"$FIGURES"
	echo "$1 $4 $2 $3" >&2
}

redis() {
	"$DIR/on-$1" redis-benchmark -q --csv -n "$2" -c 20 -t "$3" -P "$4" |
		awk -F '"' '$4 + 0 { print $4 }'
}

round_redis() {
	local server n=$((5000 * SECONDS_EACH))

	"$DIR/on-$1" redis-server --save '' --dir $DIR --logfile $DIR/redis.log &
	server=$!
	until "$DIR/on-$1" redis-cli ping >/dev/null 2>&1; do
		[ -d /proc/$server ] || die "redis-server does not run"
	done
	figure "$1" requests/s "redis GET" "$(redis "$1" $n get 1)"
	figure "$1" requests/s "redis SET" "$(redis "$1" $n set 1)"
	figure "$1" requests/s "redis GET, pipelines of 16" \
		"$(redis "$1" $((n * 5)) get 16)"
	end $server
}

wrk_of() {
	"$DIR/on-$1" wrk -t 1 -c 20 -d "${SECONDS_EACH}s" "http://127.0.0.1:8080/$2" |
		awk '/Requests.sec/ { n = $2 } /Socket errors/ { n = "" }
			END { print n }'
}

# nginx is a daemon as soon as it listens.
round_nginx() {
	"$DIR/on-$1" nginx -p $DIR -c $DIR/nginx.conf -e $DIR/nginx.log ||
		die "nginx does not run"
	figure "$1" requests/s "nginx 1 KB, wrk" "$(wrk_of "$1" small)"
	figure "$1" requests/s "nginx 1 MB, wrk" "$(wrk_of "$1" large)"
	"$DIR/on-$1" nginx -p $DIR -c $DIR/nginx.conf -e $DIR/nginx.log -s stop
	# It is gone when its port is: nothing else would tell.
	while "$DIR/on-$1" curl -s -o /dev/null http://127.0.0.1:8080/small; do
		:
	done
}

round_iperf() {
	local server streams

	"$DIR/on-$1" iperf3 -s >/dev/null 2>&1 &
	server=$!
	for streams in 1 4; do
		until "$DIR/on-$1" iperf3 -c 127.0.0.1 -f m -t "$SECONDS_EACH" \
			-P $streams >$DIR/iperf.log 2>&1; do
			[ -d /proc/$server ] || die "iperf3 does not run"
		done
		figure "$1" Mbit/s "iperf3, streams: $streams" "$(awk '
			/receiver/ {
				for (i = 2; i <= NF; i++)
					if ($i == "Mbits/sec")
						n = $(i - 1)
			}
			END { print n }' $DIR/iperf.log)"
	done
	end $server
}

mkdir -p $DIR/www
# Each runs a command with sockets of that family, in its own place.
cat >$DIR/on-tcp <<-'END'
	#!/bin/sh
	exec "$@"
END
cat >$DIR/on-parley <<-'END'
	#!/bin/sh
	exec parley-run --require "$@"
END
chmod 755 $DIR/on-*
head -c 1000 /dev/urandom >$DIR/www/small
head -c 1000000 /dev/urandom >$DIR/www/large
cat >$DIR/nginx.conf <<-END
	user root;
	worker_processes 1;
	pid $DIR/nginx.pid;
	events { }
	http {
		access_log off;
		client_body_temp_path $DIR/body;
		proxy_temp_path $DIR/proxy;
		fastcgi_temp_path $DIR/fastcgi;
		uwsgi_temp_path $DIR/uwsgi;
		scgi_temp_path $DIR/scgi;
		keepalive_requests 100000000;
		sendfile on;
		server {
			listen 127.0.0.1:8080;
			root $DIR/www;
		}
	}
END

i=0
while [ $i -lt "$ROUNDS" ]; do
	# Whoever is first is not always the same.
	order="tcp parley"
	[ $((i % 2)) -eq 0 ] || order="parley tcp"
	for family in $order; do
		round_redis "$family"
		round_nginx "$family"
		round_iperf "$family"
	done
	i=$((i + 1))
	echo "round $i of $ROUNDS" >&2
done

# A line for each figure: the medians, their ratio, and the spread.
printf '%-26s %-10s %14s %14s %6s\n' "" "" "TCP (spread)" "parley" ratio
awk '
function median(f, k,	n, i, j, t) {
	n = count[f, k]
	for (i = 1; i <= n; i++)
		for (j = i + 1; j <= n; j++)
			if (value[f, k, j] < value[f, k, i]) {
				t = value[f, k, i]
				value[f, k, i] = value[f, k, j]
				value[f, k, j] = t
			}
	return value[f, k, int((n + 1) / 2)]
}
function spread(f, k, m) {
	return sprintf("%.0f (%.0f%%)", m,
		100 * (value[f, k, count[f, k]] - value[f, k, 1]) / m)
}
{
	f = $1; v = $2; u = $3
	$1 = $2 = $3 = ""
	sub(/^ +/, "")
	if (!($0 in unit))
		order[++kinds] = $0
	unit[$0] = u
	value[f, $0, ++count[f, $0]] = v + 0
}
END {
	for (i = 1; i <= kinds; i++) {
		k = order[i]
		t = median("tcp", k)
		p = median("parley", k)
		printf "%-26s %-10s %14s %14s %6.2f\n", k, unit[k],
			spread("tcp", k, t), spread("parley", k, p), p / t
	}
}' "$FIGURES"
