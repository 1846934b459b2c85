#!/bin/sh
# The runs behind docs/results/graph_conv: half an hour on two cores. Run from the repository's root.
# FULL=1 also runs what the committed tables leave out.
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
done
run 200-grid-conv --train-size 200 --model grid
moved="--data moved_digits --num-updates 75"
run moved-local $moved --graph local
run moved-supervised $moved --graph supervised
run moved-dense $moved --model dense
if [ -n "$FULL" ]; then
  run 1438-grid-conv --train-size 1438 --model grid
  for graph in global grid random; do
    run moved-$graph $moved --graph $graph
  done
  run moved-grid-conv $moved --model grid
  for knots in 2 4 16; do
    run 1438-knots$knots --train-size 1438 --knots $knots
  done
  run 1438-chebyshev --train-size 1438 --model chebyshev --knots 4
fi
topics="--data topics --rank 0.02 --train-size 300 --num-updates 30"
for graph in local supervised global random; do
  run topics-$graph $topics --graph $graph
done
run topics-dense $topics --model dense
.venv/bin/jaxrl report runs/results/graph_conv-topics-* --metric loss eval/accuracy eval/parameters \
  --out docs/results/graph_conv/topics

for data in 200 1438 moved; do
  name=digits-$data; [ $data = moved ] && name=moved
  .venv/bin/jaxrl report runs/results/graph_conv-$data-* --metric loss eval/accuracy eval/overlap \
    eval/parameters --out docs/results/graph_conv/$name
done
