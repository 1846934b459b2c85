#!/bin/sh
# The run behind docs/results/nethack-score: PPO with a GRU on NetHackScore, 20.5M steps. Run from the
# repository's root; half an hour on two cores that do nothing else, and may be stopped at any time.
#
# The committed curve's first 13.7M steps were the hour of docs/results/soak (`jaxrl bench soak`),
# stopped by SIGTERM and resumed from there.
set -e
out=runs/results/nethack-score
if [ -d "$out" ]; then
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run ppo --out "$out" --resume
else
  .venv/bin/jaxrl run ppo --env NetHackScore-v0 --total-steps 20500000 --num-envs 128 --rollout-length 64 \
    --core gru --core-features 128 --widths 128 128 --epochs 2 --minibatches 4 --learning-rate 3e-4 \
    --discount 0.995 --entropy 0.003 --normalize-rewards --log-every 10 --eval-every 20 \
    --eval-episodes 4 --out "$out"
fi
.venv/bin/jaxrl report "$out" --metric episode_return --out docs/results/nethack-score
