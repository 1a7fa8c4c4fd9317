# SPDX-License-Identifier: GPL-2.0
# Draws what plot.awk made of the two modes.
#
#	gnuplot -e "counted='FILE'; smp='FILE'; out='FILE.svg'" plot.gp

set terminal svg size 1400,900 dynamic noenhanced background "white" font "sans,12"
set output out
set datafile missing "?"
set datafile separator "\t"
set style data histograms
set style histogram clustered gap 2
set style fill solid 0.9 noborder
set boxwidth 0.9
set logscale y 2
set yrange [0.125:8]
set format y "%gx"
set grid ytics lc rgb "#dddddd"
set xtics nomirror scale 0 font ",9"
set key outside top center horizontal
set bmargin 4
set ylabel "times as good as an AF_UNIX stream"

array colour[6] = ["#7fb3d5", "#aab7b8", "#d7bde2", "#f7dc6f", "#c0392b", "#e59866"]

set multiplot layout 2,1
set title "One processor, instructions and bytes counted"
plot for [i = 2:7] counted using i:xtic(1) title columnhead(i) lc rgb colour[i - 1], \
	1 notitle with lines lc rgb "#333333"
set title "Two processors, timed"
plot for [i = 2:7] smp using i:xtic(1) title columnhead(i) lc rgb colour[i - 1], \
	1 notitle with lines lc rgb "#333333"
unset multiplot
