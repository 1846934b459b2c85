#!/bin/sh
# The runs behind docs/results/long_memory: an hour or so on two cores. Run from the repository's root.
set -e
run() {  # what has finished is not run again
  out=runs/results/long_memory-$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run long_memory --seeds 2 --out "$out" "$@"
}

copy="--task copy --delay 500"
add="--task addition --delay 750 --learning-rate 1e-4"
run copy-expm $copy --core expm --learning-rate 1e-3 --anneal-learning-rate --num-updates 120
run copy-identity $copy --core identity --learning-rate 1e-3 --num-updates 30
run copy-lstm $copy --core lstm --learning-rate 1e-3 --num-updates 30
run copy-orthogonal $copy --core orthogonal --num-updates 60
run add-identity $add --core identity --anneal-learning-rate --num-updates 100
run add-lstm $add --core lstm --num-updates 20
run add-expm $add --core expm --num-updates 40

results=runs/results/long_memory
.venv/bin/jaxrl report $results-copy-* --metric relative_loss recalled \
  --out docs/results/long_memory/copy-500
.venv/bin/jaxrl report $results-add-* --metric relative_loss --out docs/results/long_memory/add-750
