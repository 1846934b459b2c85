#!/bin/sh
# The runs behind docs/results/long_memory: an hour or so on two cores. Run from the repository's root.
set -e
run() {  # what has finished is not run again
  out=runs/results/long_memory-$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run long_memory --seeds 2 --out "$out" "$@"
}

copy="--task copy --delay 500"
add="--task addition --delay 750 --learning-rate 1e-3"
run copy-expm $copy --core expm --learning-rate 1e-3 --num-updates 120
run add-identity $add --core identity --num-updates 100
run copy-identity $copy --core identity --learning-rate 1e-3 --num-updates 40
run copy-lstm $copy --core lstm --learning-rate 1e-3 --num-updates 40
run add-expm $add --core expm --num-updates 60
run add-lstm $add --core lstm --num-updates 40
run copy-orthogonal $copy --core orthogonal --num-updates 120
run copy-cayley $copy --core cayley --learning-rate 1e-3 --num-updates 80
run copy-householder $copy --core householder --learning-rate 1e-3 --num-updates 80

results=runs/results/long_memory
.venv/bin/jaxrl report $results-copy-* --out docs/results/long_memory/copy-500
.venv/bin/jaxrl report $results-add-* --out docs/results/long_memory/add-750
.venv/bin/jaxrl bench long_memory
