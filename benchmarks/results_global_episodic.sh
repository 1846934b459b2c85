#!/bin/sh
# The sweeps behind docs/results/global_episodic. Run from the repository's root.
set -e
sweep() {  # what has finished is not run again
  out=runs/results/$1; shift
  [ -d "$out/cells" ] || .venv/bin/jaxrl sweep global_episodic --seeds 5 --total-steps 500000 \
    --env MultiRoom-N4-S5-v1 --out "$out" \
    --grid "bonus=first_position,global_position,first_position*global_position" "$@"
}

sweep contexts --grid num_contexts=1,3,10,none --grid coefficient=0.003,0.01,0.05
sweep contexts-more --grid num_contexts=30,100 --grid coefficient=0.003,0.01
.venv/bin/jaxrl bench global_episodic runs/results/contexts runs/results/contexts-more
