#!/bin/sh
# The runs behind docs/results/reward_free-*: two hours of one core. Run from the repository's root.
set -e
rooms=runs/results/free-rooms  # what has finished is not run again
[ -d "$rooms/cells" ] || .venv/bin/jaxrl sweep reward_free --seeds 3 --bonus-share 0.25 --out "$rooms" \
  --env MultiRoom-N6 --max-steps 120 --total-steps 400000 \
  --grid "bonus=e3b,rnd,noveld,icm,ride,first_position,e3b*noveld,none"
for bonus in e3b rnd noveld first_position none; do
  out=runs/results/free-pictures-$bonus
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run reward_free --seeds 3 --bonus-share 0.25 --out "$out" \
    --env "RaycastMaze-7x7?goal=False" --core gru --total-steps 400000 --bonus "$bonus"
done

.venv/bin/jaxrl report $rooms/cells/* --metric episode_return --out docs/results/reward_free-rooms
pictures=runs/results/free-pictures  # results_ridge.sh has more of these
.venv/bin/jaxrl report $pictures-e3b $pictures-rnd $pictures-noveld $pictures-first_position \
  $pictures-none --metric episode_return \
  --out docs/results/reward_free-pictures
