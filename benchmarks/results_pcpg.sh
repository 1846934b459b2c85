#!/bin/sh
# The runs behind docs/results/pcpg-*. Run from the repository's root. The baselines' learning rate and
# coefficient are the best of three each (3 seeds, 747,000 steps); they get as many episodes as PC-PG.
set -e
run() {  # what has finished is not run again
  out=runs/results/pcpg/$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run "$@" --seeds 20 --no-video --out "$out"
}
base="--env BidirectionalLock-H6 --total-steps 747000 --num-envs 250 --rollout-length 6 --epochs 5"
base="$base --minibatches 10 --activation relu --learning-rate 1e-3 --log-every 20 --eval-episodes 10"

run h6-pcpg pcpg --env BidirectionalLock-H6 --log-every 1
run h6-ppo ppo $base
run h6-rnd ppo $base --bonus rnd --coefficient 1
run h6-e3b ppo $base --bonus e3b --coefficient 1

.venv/bin/jaxrl report runs/results/pcpg/h6-* --metric eval/episode_return eval/return \
  --out docs/results/pcpg-h6
