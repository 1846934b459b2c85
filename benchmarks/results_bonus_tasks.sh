#!/bin/sh
# The sweeps behind docs/results/bonus_tasks: two hours of one core. Run from the
# repository's root. First every bonus with three coefficients on three of the tasks, half as long
# (docs/results/bonus_tasks-screening); then each with the coefficient that did best there, on all.
set -e
screened=MultiRoom-N4-S5-v1,DoorKey-8x8,LavaCrossingS9N2
tasks=$screened,KeyCorridorS3R2,UnlockPickup,ObstructedMaze-1Dl,SimpleCrossingS11N5,RedBlueDoors-8x8
sweep() {  # what has finished is not run again
  out=runs/results/$1; shift
  [ -d "$out/cells" ] || .venv/bin/jaxrl sweep e3b --seeds 3 --bonus-share 0.25 --out "$out" "$@"
}
all() {  # name, bonus, coefficient
  sweep "tasks-$1" --seed 100 --total-steps 750000 --grid "env=$tasks" --bonus "$2" --coefficient "$3"
}

screen() {  # bonus, coefficients
  sweep "screening-$(echo "$1" | tr '*@' 'xa')" --total-steps 500000 --bonus "$1" \
    --grid "env=$screened" --grid "coefficient=$2"
}
for bonus in rnd noveld@first_observation icm ride; do screen "$bonus" 0.001,0.005,0.02; done
# for these the largest of three did best, so there is a fourth
for bonus in e3b "e3b*noveld"; do screen "$bonus" 0.001,0.005,0.02,0.05; done
# RND with a value function of its own, over the ends of episodes, as its authors have it
sweep screening-rnd-own --total-steps 500000 --bonus rnd --intrinsic-discount 0.99 \
  --grid "env=$screened" --grid "coefficient=0.001,0.005,0.02"
.venv/bin/jaxrl bench bonus_tasks runs/results/screening-* --out docs/results/bonus_tasks-screening

all none none 0
all e3b e3b 0.02
all noveld noveld@first_observation 0.005
all rnd rnd 0.001
all icm icm 0.001
all ride ride 0.005
all e3bxnoveld "e3b*noveld" 0.02
.venv/bin/jaxrl bench bonus_tasks runs/results/tasks-*
