# SPDX-License-Identifier: GPL-2.0
# Draws what soak.sh noted.
#
#	gnuplot -e "samples='FILE'; out='FILE.svg'" soak.gp

set terminal svg size 1200,900 dynamic noenhanced background "white" font "sans,12"
set output out
set datafile separator "\t"
set grid lc rgb "#dddddd"
set key outside top center horizontal
set xlabel "minutes"
set yrange [0:*]

calm(n) = strcol(1) eq "calm" ? column(n) : NaN
load(n) = strcol(1) eq "load" ? column(n) : NaN

set multiplot layout 2,1
set ylabel "MiB"
plot samples using ($2 / 60):(load(7) / 1024) title "kernel, under load" lc rgb "#7fb3d5" pt 7 ps 0.4, \
	samples using ($2 / 60):(calm(7) / 1024) title "kernel, at rest" lc rgb "#c0392b" pt 7, \
	samples using ($2 / 60):(calm(6) / 1024) title "unreclaimable slabs, at rest" lc rgb "#333333" pt 6
set ylabel "thousands"
plot samples using ($2 / 60):(calm(13) / 1000) title "calls of the storms" with lines lc rgb "#333333", \
	samples using ($2 / 60):(calm(17) / 1000) title "requests to redis" with lines lc rgb "#c0392b"
unset multiplot
