#!/bin/sh
# The sweep behind docs/results/noise-*: E3B's noise experiment with every bonus. Half an hour on two cores.
# Run from the repository's root. Each bonus gets the better of two coefficients, found without noise.
set -e
bonuses="e3b,rnd,noveld,icm,ride,noveld@first_observation,first_observation,global_observation,e3b*noveld"
out=runs/results/noise-all
[ -d "$out/cells" ] || .venv/bin/jaxrl sweep e3b --env MultiRoom-N4-S5-v1 --seeds 3 \
  --total-steps 600000 --grid noise=0,16 --grid "bonus=$bonuses" --grid coefficient=0.003,0.02 --out "$out"
.venv/bin/jaxrl report $out/cells/* --out docs/results/noise-all
