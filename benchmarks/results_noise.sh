#!/bin/sh
# The sweeps behind docs/results/noise-all: E3B's noise experiment with the deep bonuses, each with the
# coefficient that did best in the screening of results_bonus_tasks.sh. Run from the repository's root.
# `ONLY="noisy_on DoorKey-8x8 icm 0.001"` does one thing and leaves out the rest.
set -e
noisy_on() {  # task, bonus, coefficient; what has finished is not run again
  out=runs/results/noisy-$1-$(echo "$2" | tr '*@+' 'xap')
  [ -d "$out/cells" ] || .venv/bin/jaxrl sweep e3b --env "$1" --seeds 3 --seed 100 \
    --total-steps 1000000 --grid noise=0,16 --bonus "$2" --coefficient "$3" --out "$out"
}
[ -n "$ONLY" ] && { eval "$ONLY"; exit; }

for bonus in e3b "e3b*noveld"; do noisy_on MultiRoom-N4-S5-v1 "$bonus" 0.02; done
noisy_on MultiRoom-N4-S5-v1 noveld@first_observation 0.005
.venv/bin/jaxrl report runs/results/noisy-MultiRoom-*/cells/* --metric solved --out docs/results/noise-all

# RND, ICM and RIDE solve 0.02 of MultiRoom's episodes at most without noise, with any of the screened
# coefficients, so noise is shown on tasks where they do more, beside no bonus at all
noisy_on DoorKey-8x8 rnd 0.001
noisy_on DoorKey-8x8 icm 0.001
noisy_on DoorKey-8x8 none 0
noisy_on LavaCrossingS9N2 ride 0.005
noisy_on LavaCrossingS9N2 noveld@first_observation 0.005
noisy_on LavaCrossingS9N2 none 0
for task in DoorKey-8x8 LavaCrossingS9N2; do
  .venv/bin/jaxrl report runs/results/noisy-$task-*/cells/* --metric solved --out "docs/results/noise-$task"
done
