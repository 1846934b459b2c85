#!/bin/sh
# The sweeps behind docs/results/bonus_tasks: about an hour on two cores. Run from the repository's root.
set -e
tasks=MultiRoom-N4-S5-v1,DoorKey-8x8,KeyCorridorS3R2,UnlockPickup,ObstructedMaze-1Dl
tasks=$tasks,LavaCrossingS9N2,SimpleCrossingS11N5,RedBlueDoors-8x8
sweep() {  # what has finished is not run again
  out=runs/results/$1; shift
  [ -d "$out/cells" ] || .venv/bin/jaxrl sweep e3b --seeds 3 --total-steps 500000 \
    --grid "env=$tasks" --out "$out" "$@"
}

sweep tasks --grid "bonus=e3b,noveld,e3b*noveld" --grid coefficient=0.003,0.02
sweep tasks-none --bonus none
.venv/bin/jaxrl bench bonus_tasks runs/results/tasks runs/results/tasks-none
