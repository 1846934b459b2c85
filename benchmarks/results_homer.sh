#!/bin/sh
# The runs behind docs/results/homer. Run from the repository's root; `LARGE=1` adds 50 and 100 steps.
set -e
quiet="--no-video --no-plots --no-tensorboard"
finished() { [ -f "runs/results/homer/$1/summary.json" ] || [ -d "runs/results/homer/$1/cells" ]; }

# homer NAME HORIZON SEEDS "SAMPLES..." OPTIONS: doubles n until every seed succeeds
homer() {
  name=$1 horizon=$2 seeds=$3 numbers=$4; shift 4
  for n in $numbers; do
    out=$name-H$horizon-n$n
    finished "$out" || .venv/bin/jaxrl run homer --env "DiabolicalLock-H$horizon" --seeds "$seeds" \
      --samples "$n" --log-every 1 $quiet --out "runs/results/homer/$out" "$@"
    .venv/bin/python -m benchmarks.homer --solved "runs/results/homer/$out" && break
  done
}

# baseline NAME HORIZON EPISODES EXPERIMENT OPTIONS
baseline() {
  name=$1 horizon=$2 episodes=$3 experiment=$4; shift 4
  out=$name-H$horizon
  finished "$out" || .venv/bin/jaxrl sweep "$experiment" --env "DiabolicalLock-H$horizon" --seeds 5 \
    --total-steps $((episodes * horizon)) --log-every 4 --out "runs/results/homer/$out" $quiet "$@"
}

[ -n "$ONLY" ] && { eval "$ONLY"; exit; }

for horizon in 3 6 12 25; do
  homer learned $horizon 5 "125 250 500 1000 2000"
  homer oracle $horizon 5 "125 250 500 1000 2000" --abstraction oracle
  homer random $horizon 5 "125 250 500 1000 2000" --abstraction random
done
if [ -n "$LARGE" ]; then
  # what is left out below counts as tried and failed
  homer learned 50 5 "500 1000 2000"
  homer learned 100 5 "1000 2000 4000"
fi
for horizon in 3 6 12; do
  baseline ppo $horizon 100000 ppo --rollout-length 60 --grid entropy=0.001,0.01,0.05
  baseline rnd $horizon 100000 ppo --rollout-length 60 --bonus rnd --bonus-share 0.25 --grid coefficient=0.01,0.1,1
  baseline e3b $horizon 100000 ppo --rollout-length 60 --bonus e3b --bonus-share 0.25 --grid coefficient=0.01,0.1,1
  # its greedy policy is evaluated every 1024 episodes
  baseline dqn $horizon 100000 dqn --num-envs 32 --rollout-length 8 --gradient-steps 16 \
    --capacity 100000 --grid epsilon_end=0.01,0.05,0.2 --eval-every $horizon
done
.venv/bin/jaxrl bench homer runs/results/homer
