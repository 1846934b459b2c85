#!/bin/sh
# The runs behind docs/results/pcpg-h6. Run from the repository's root. Baselines get as many steps as
# PC-PG; their learning rate and coefficient are the best of three each by mean return, 3 seeds (`TUNE=1`
# runs those sweeps again).
set -e
out=runs/results/pcpg
base="--env BidirectionalLock-H6 --total-steps 747000 --num-envs 250 --rollout-length 6 --epochs 5"
base="$base --minibatches 10 --activation relu --log-every 20 --eval-episodes 10"

tune() {
  name=$1; shift
  [ -d "$out/tune-$name/cells" ] || .venv/bin/jaxrl sweep ppo $base --seeds 3 \
    --grid learning_rate=5e-4,1e-3,2e-3 "$@" --out "$out/tune-$name"
}
run() {  # what has finished is not run again
  name=$1; shift
  [ -f "$out/$name/summary.json" ] ||
    .venv/bin/jaxrl run "$@" --seeds 20 --no-video --out "$out/$name"
}

if [ -n "$TUNE" ]; then
  tune ppo --bonus none
  tune rnd --bonus rnd --grid coefficient=0.1,1,10
  tune e3b --bonus e3b --grid coefficient=0.1,1,10
fi
run h6-pcpg pcpg --env BidirectionalLock-H6 --log-every 1
run h6-rnd ppo $base --learning-rate 5e-4 --bonus rnd --coefficient 1
run h6-e3b ppo $base --learning-rate 1e-3 --bonus e3b --coefficient 1
run h6-ppo ppo $base --learning-rate 1e-3

.venv/bin/jaxrl report $out/h6-pcpg $out/h6-rnd $out/h6-e3b $out/h6-ppo \
  --metric episode_return eval/return --out docs/results/pcpg-h6
