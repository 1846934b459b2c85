#!/bin/sh
# The runs behind docs/results/neural_e3. Run from the repository's root; `FULL=1` adds what is not in the
# table yet: longer locks, and more of PPO with RND and of uniform exploration.
set -e
run() {  # what is there is not run again
  task=$1 arm=$2 budget=$3 points=$4; shift 4
  name=$(echo "$arm $*" | sed 's/ *$//; s/ /-/g')
  [ -f "runs/results/neural_e3/${task%%\?*}/$name.json" ] ||
    .venv/bin/jaxrl bench neural_e3 run --task "$task" --arm "$arm" --budget "$budget" --points "$points" \
      --seeds "${SEEDS:-5}" ${1:+--set "$@"}
}
run StochasticLock-H15 neural_e3 12000 20
run StochasticLock-H10 uniform 6000 20
SEEDS=10
run StochasticLock-H5 neural_e3 1500 15
run StochasticLock-H10 neural_e3 6000 20
for H in 5 10 15; do
  run StochasticLock-H$H double_dqn $((20000 * H)) 20
  run StochasticLock-H$H ppo_rnd $((20000 * H)) 20
done
car="MountainCar-v0?scaled=True" acrobot="Acrobot-v1?scaled=True"
run "$car" neural_e3 18000 9
(SEEDS=5; run "$car" double_dqn 120000 20)
run "$car" ppo_rnd 200000 10 coefficient=1  # the committed run was cut at 136,192
for maze in Maze-5 Maze-10; do
  task="$maze?fixed=True" steps=3000
  [ $maze = Maze-10 ] || steps=1000
  run "$task" neural_e3 $steps $((steps / 200))
  run "$task" uniform $steps 5
  run "$task" double_dqn 50000 50
  run "$task" ppo_rnd 100000 40  # the committed run of Maze-10 was cut at 77,824
done
SEEDS=3
run "Maze-20?fixed=True" neural_e3 6000 6
run "Maze-20?fixed=True" uniform 6000 6
run "Maze-20?fixed=True" double_dqn 100000 20
run "Maze-20?fixed=True" ppo_rnd 200000 20
SEEDS=5
run "$acrobot" neural_e3 50000 10
run "$acrobot" double_dqn 100000 20
run "$acrobot" ppo_rnd 400000 20
if [ -n "$FULL" ]; then
  SEEDS=10
  run "$car" uniform 18000 9
  for coefficient in 0.1 10; do
    run "$car" ppo_rnd 200000 10 coefficient=$coefficient
  done
  SEEDS=5
  run StochasticLock-H5 uniform 1500 15
  run StochasticLock-H15 uniform 4500 15
  run StochasticLock-H20 double_dqn 400000 20
  run StochasticLock-H20 ppo_rnd 400000 20
fi
.venv/bin/jaxrl bench neural_e3 report
