#!/bin/sh
# The runs behind docs/results/ppo-*. Run from the repository's root.
set -e
for env in CartPole-v1 Pendulum-v1 MountainCarContinuous-v0 Acrobot-v1 Empty-16x16 DoorKey-8x8 FourRooms
do
  out=runs/results/ppo-$env
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run ppo --env "$env" --seeds 4 --out "$out"
  .venv/bin/jaxrl report "$out" --out "docs/results/ppo-$env"
done
