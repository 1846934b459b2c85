#!/bin/sh
# The runs behind docs/results/long_memory. Run from the repository's root. FULL=1 also runs those that
# the committed results leave out (an hour or so on two cores).
set -e
run() {  # what has finished is not run again
  out=runs/results/long_memory-$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run long_memory --seeds 2 --out "$out" "$@"
}

.venv/bin/jaxrl bench long_memory_solutions
copy="--task copy --delay 500 --anneal-learning-rate --num-updates 120"
# small weights at first: what is not marked adds up over 750 steps until the bias has learnt to cut it off
add="--task addition --delay 750 --learning-rate 1e-4 --anneal-learning-rate --num-updates 240"
add="$add --input-scale 0.01"
run copy-expm $copy --core expm --learning-rate 1e-3
run add-identity $add --core identity
run add-orthogonal $add --core orthogonal
run copy-identity $copy --core identity --learning-rate 1e-4  # 1e-3 diverges within 250 steps
run copy-lstm $copy --core lstm --learning-rate 1e-3
if [ -n "$FULL" ]; then
  run copy-orthogonal $copy --core orthogonal
  run add-lstm $add --core lstm
  run add-expm $add --core expm
fi

results=runs/results/long_memory
report() { out=$1; shift; .venv/bin/jaxrl report "$@" --out docs/results/long_memory/$out; }
report copy-500 $results-copy-expm --metric relative_loss recalled
report copy-500-identity $results-copy-identity --metric relative_loss recalled
report copy-500-lstm $results-copy-lstm --metric relative_loss recalled
report add-750 $results-add-* --metric relative_loss
