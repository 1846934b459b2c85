#!/bin/sh
# The sweeps behind docs/results/reward_free-*: half an hour on two cores. Run from the repository's root.
set -e
bonuses="e3b,rnd,noveld,icm,ride,first_position,e3b*noveld,none"
sweep() {  # what has finished is not run again
  out=runs/results/$1; shift
  [ -d "$out/cells" ] || .venv/bin/jaxrl sweep reward_free --seeds 3 --out "$out" \
    --grid "bonus=$bonuses" "$@"
}

sweep free-rooms --env MultiRoom-N6 --max-steps 240 --total-steps 400000
sweep free-pictures --env "RaycastMaze-7x7?goal=False" --core gru --total-steps 150000

.venv/bin/jaxrl report runs/results/free-rooms/cells/* --out docs/results/reward_free-rooms
.venv/bin/jaxrl report runs/results/free-pictures/cells/* --out docs/results/reward_free-pictures
