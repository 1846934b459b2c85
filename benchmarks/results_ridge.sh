#!/bin/sh
# What E3B's ridge does, on a grid and from pictures (docs/results/e3b-ridge and
# docs/results/reward_free-pictures-ridge): some two hours of one core. Run from the repository's root.
set -e
run() {  # what has finished is not run again
  out=runs/results/$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run reward_free --out "$out" "$@"
}
sweep() {
  out=runs/results/$1; shift
  [ -d "$out/cells" ] || .venv/bin/jaxrl sweep e3b --out "$out" --env MultiRoom-N4-S5-v1 --seeds 2 \
    --total-steps 500000 --coefficient 0.02 "$@"
}
sweep e3b-ridge-large --grid ridge=0.1,1,3.2,32
sweep e3b-ridge-small --seed 50 --grid ridge=0.003,0.01,0.03,0.1
maze="RaycastMaze-7x7?goal=False"
few="--core gru --seeds 2 --total-steps 300000"
run free-pictures-ridge-f256 --env "$maze" $few --features 256
run free-pictures-ridge-f64r64 --env "$maze" $few --features 64 --ridge 64
run free-pictures-ridge-f64r6.4 --env "$maze" $few --features 64 --ridge 6.4
run free-pictures-e3b-long --env "$maze" --core gru --seeds 3 --total-steps 1000000 --features 64 --ridge 6.4

.venv/bin/jaxrl report runs/results/e3b-ridge-*/cells/* --metric solved --out docs/results/e3b-ridge
.venv/bin/jaxrl report runs/results/free-pictures-ridge-* runs/results/free-pictures-e3b-long \
  --metric episode_return --out docs/results/reward_free-pictures-ridge
