#!/bin/sh
# The runs behind docs/results/graph_conv: some ten minutes on two cores. Run from the repository's root.
set -e
run() {  # what has finished is not run again
  out=runs/results/graph_conv-$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run graph_conv --seeds 4 --out "$out" "$@"
}

for size in 200 1438; do
  for graph in global local supervised grid random; do
    run $size-$graph --train-size $size --graph $graph
  done
  run $size-dense --train-size $size --model dense
  run $size-grid-conv --train-size $size --model grid
done
for knots in 2 4 16; do
  run 1438-knots$knots --train-size 1438 --knots $knots
done
run 1438-chebyshev --train-size 1438 --model chebyshev --knots 4
run topics-spectral --data topics --rank 0.02 --num-updates 50
run topics-dense --data topics --rank 0.02 --num-updates 50 --model dense

for size in 200 1438; do
  .venv/bin/jaxrl report runs/results/graph_conv-$size-* --metric loss eval/accuracy eval/overlap \
    eval/parameters --out docs/results/graph_conv/digits-$size
done
.venv/bin/jaxrl report runs/results/graph_conv-topics-* --metric loss eval/accuracy \
  --out docs/results/graph_conv/topics
