#!/bin/sh
# E3B's 16 MiniHack tasks with the published settings, 5 seeds one after another, 50M steps each. For a
# machine with an accelerator and dozens of cores; never run for docs/results. From the repository's root.
#     sh benchmarks/results_minihack_published.sh freeze-horn     # these tasks alone
set -e
[ $# -gt 0 ] || set -- levitate-potion levitate-boots freeze-horn freeze-wand freeze-random lavacross \
  wod-hard multiroom-n4-locked multiroom-n6-lava multiroom-n6-lava-opendoor multiroom-n6-lavamonsters \
  multiroom-n10-opendoor multiroom-n10-lava-opendoor lavacrossings19n13 lavacrossings19n17 labyrinth-big
for task in "$@"; do
  for bonus in e3b none; do
    for seed in 0 1 2 3 4; do
      out=runs/published/$task-$bonus-$seed
      [ -f "$out/summary.json" ] || .venv/bin/jaxrl run e3b_minihack --published --env "$task" \
        --bonus "$bonus" --seed "$seed" --out "$out" --resume
    done
  done
done
