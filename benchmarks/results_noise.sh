#!/bin/sh
# The sweeps behind docs/results/noise-all: E3B's noise experiment with the deep bonuses, each with the
# coefficient that did best in the screening of results_bonus_tasks.sh. Run from the repository's root.
set -e
noisy() {  # bonus, coefficient; what has finished is not run again
  out=runs/results/noisy-$(echo "$1" | tr '*@' 'xa')
  [ -d "$out/cells" ] || .venv/bin/jaxrl sweep e3b --env MultiRoom-N4-S5-v1 --seeds 3 --seed 100 \
    --total-steps 1000000 --grid noise=0,16 --bonus "$1" --coefficient "$2" --out "$out"
}
# RND, ICM and RIDE solve 0.02 of episodes at most without noise, with any of the screened coefficients
noisy e3b 0.02
noisy "e3b*noveld" 0.02
noisy noveld@first_observation 0.005
.venv/bin/jaxrl report runs/results/noisy-*/cells/* --metric solved --out docs/results/noise-all
