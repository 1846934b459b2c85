#!/bin/sh
# The sweep behind docs/results/noise-all: E3B's noise experiment with every deep bonus, each with the
# coefficient that did best over the tasks of results_bonus_tasks.sh. Run from the repository's root.
set -e
bonuses="e3b,rnd,noveld,icm,ride,noveld@first_observation,e3b*noveld"
out=runs/results/noise-all
[ -d "$out/cells" ] || .venv/bin/jaxrl sweep e3b --env MultiRoom-N4-S5-v1 --seeds 3 \
  --total-steps 500000 --grid noise=0,16 --grid "bonus=$bonuses" --out "$out"
.venv/bin/jaxrl report $out/cells/* --metric solved --out docs/results/noise-all
