#!/bin/sh
# The runs behind docs/results/e3b-*: about 45 minutes on two cores. Run from the repository's root.
set -e
run() {  # what has finished is not run again
  out=runs/results/$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run e3b --out "$out" "$@"
}

run n4-e3b --env MultiRoom-N4-S5 --seeds 8
run n4-ppo --env MultiRoom-N4-S5 --seeds 8 --bonus none
run n6-e3b --env MultiRoom-N6 --seeds 4 --total-steps 2500000
run n6-ppo --env MultiRoom-N6 --seeds 4 --total-steps 2500000 --bonus none

small="--env MultiRoom-N4-S5-v1 --seeds 4 --total-steps 500000"
longer="--env MultiRoom-N4-S5-v1 --seeds 4 --total-steps 1000000"
run noise-e3b $longer --noise 16
run noise-count-observation $longer --noise 16 --bonus count_observation
run noise-count-position $longer --noise 16 --bonus count_position
run clean-count-observation $longer --bonus count_observation
run ablation-none $small
run ablation-lifelong $small --lifelong
run ablation-random $small --encoder random
run ablation-policy $small --encoder policy

report() { out=$1; shift; .venv/bin/jaxrl report "$@" --out "docs/results/$out"; }
report e3b-n4 runs/results/n4-e3b runs/results/n4-ppo
report e3b-n6 runs/results/n6-e3b runs/results/n6-ppo
report e3b-noise runs/results/noise-e3b runs/results/noise-count-observation \
  runs/results/noise-count-position runs/results/clean-count-observation
report e3b-ablations runs/results/ablation-none runs/results/ablation-lifelong \
  runs/results/ablation-random runs/results/ablation-policy
