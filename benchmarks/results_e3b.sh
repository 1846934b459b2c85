#!/bin/sh
# The runs behind docs/results/e3b-*: about an hour on two cores. Run from the repository's root.
set -e
run() {  # what has finished is not run again
  out=runs/results/$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run e3b --out "$out" "$@"
}

run n4-e3b --env MultiRoom-N4-S5 --seeds 8
run n6-e3b --env MultiRoom-N6 --seeds 8 --total-steps 5000000
run n4-ppo --env MultiRoom-N4-S5 --seeds 8 --bonus none
run n6-ppo --env MultiRoom-N6 --seeds 4 --total-steps 5000000 --bonus none

run noise-e3b --env MultiRoom-N4-S5-v1 --noise 16 --seeds 16
run noise-e3b-quarter --env MultiRoom-N4-S5-v1 --noise 16 --seeds 8 --bonus-share 0.25
# counts: the form (indicator) and the coefficient that did best without noise, of six (2 seeds each)
count="--env MultiRoom-N4-S5-v1 --coefficient 0.003 --seeds 8"
run clean-first-observation $count --bonus first_observation
run noise-first-observation $count --bonus first_observation --noise 16
run noise-first-position $count --bonus first_position --noise 16

run ablation-lifelong --env MultiRoom-N4-S5 --seeds 8 --lifelong
run ablation-random --env MultiRoom-N4-S5 --seeds 8 --encoder random
run ablation-policy --env MultiRoom-N4-S5 --seeds 8 --encoder policy
run noise-random --env MultiRoom-N4-S5-v1 --noise 16 --seeds 8 --encoder random
run noise-policy --env MultiRoom-N4-S5-v1 --noise 16 --seeds 8 --encoder policy

report() { out=$1; shift; .venv/bin/jaxrl report "$@" --out "docs/results/$out"; }
report e3b-n4 runs/results/n4-e3b runs/results/n4-ppo
report e3b-n6 runs/results/n6-e3b runs/results/n6-ppo
report e3b-noise runs/results/noise-e3b runs/results/noise-first-observation \
  runs/results/clean-first-observation runs/results/noise-first-position \
  runs/results/noise-random runs/results/noise-policy
report e3b-ablations runs/results/n4-e3b runs/results/ablation-lifelong \
  runs/results/ablation-random runs/results/ablation-policy
report e3b-noise/share runs/results/noise-e3b runs/results/noise-e3b-quarter
