#!/bin/sh
# The sweeps behind docs/results/bonus_tasks: five hours of one core. Run from the repository's root.
# First every bonus with six coefficients on three of the tasks, half as long
# (docs/results/bonus_tasks-screening); then each with the coefficient that did best there, on all.
# `ONLY="more rnd 0.0001,0.0003,0.05"` does one thing and leaves out the rest.
set -e
screened=MultiRoom-N4-S5-v1,DoorKey-8x8,LavaCrossingS9N2
corridors="Corridors-N4-L10?moves=compass&coordinates=True&num_contexts=1"
tasks=$screened,KeyCorridorS3R2,UnlockPickup,ObstructedMaze-1Dl,SimpleCrossingS11N5,RedBlueDoors-8x8
tasks="$tasks,$corridors,DoorKey-16x16"
more_bonuses="first_position+global_position first_position*global_position e3b+0.1*noveld"
sweep() {  # what has finished is not run again
  out=runs/results/$1; shift
  [ -d "$out/cells" ] || .venv/bin/jaxrl sweep e3b --seeds 3 --bonus-share 0.25 --out "$out" "$@"
}
all() {  # name, bonus, coefficient
  sweep "tasks-$1" --seed 100 --total-steps 750000 --grid "env=$tasks" --bonus "$2" --coefficient "$3"
}

screening() {  # name, bonus, coefficients, and more options
  name=$1 bonus=$2 coefficients=$3; shift 3
  sweep "screening-$name" --total-steps 500000 --bonus "$bonus" \
    --grid "env=$screened" --grid "coefficient=$coefficients" "$@"
}
spelled() { echo "$1" | tr '*@+' 'xap'; }
screen() { screening "$(spelled "$1")" "$1" "$2"; }  # bonus, coefficients
more() { screening "more-$(spelled "$1")" "$1" "$2"; }
# RND with a value function of its own, over the ends of episodes, as its authors have it
own() { screening "$1" rnd "$2" --intrinsic-discount 0.99; }  # name, coefficients

[ -n "$ONLY" ] && { eval "$ONLY"; exit; }

# every bonus gets 0.0001,0.0003,0.001,0.005,0.02,0.05
for bonus in rnd noveld@first_observation icm ride; do
  screen "$bonus" 0.001,0.005,0.02
  more "$bonus" 0.0001,0.0003,0.05
done
for bonus in e3b "e3b*noveld"; do
  screen "$bonus" 0.001,0.005,0.02,0.05
  more "$bonus" 0.0001,0.0003
done
own rnd-own 0.001,0.005,0.02
own more-rnd-own 0.0001,0.0003,0.05
for bonus in $more_bonuses; do screen "$bonus" 0.0001,0.0003,0.001,0.005,0.02,0.05; done
.venv/bin/jaxrl bench bonus_tasks runs/results/screening-* --out docs/results/bonus_tasks-screening

# by hand, from that page; each again where another coefficient does best there
all none none 0
all e3b e3b 0.02
all noveld noveld@first_observation 0.005
all rnd rnd 0.001
all icm icm 0.001
all ride ride 0.0001
all e3bxnoveld "e3b*noveld" 0.02
all e3bp0.1xnoveld "e3b+0.1*noveld" 0.02
all first_positionpglobal_position "first_position+global_position" 0.005
all first_positionxglobal_position "first_position*global_position" 0.02
.venv/bin/jaxrl bench bonus_tasks runs/results/tasks-*
