#!/bin/sh
# The runs behind docs/results/neural_e3. Run from the repository's root; `FULL=1` adds what is not in the
# table yet: longer locks, PPO with RND, and uniform exploration there.
set -e
run() {  # what is there is not run again
  [ -f "runs/results/neural_e3/$1/$2.json" ] ||
    .venv/bin/jaxrl bench neural_e3 run --task "$1" --arm "$2" --budget "$3" --points "$4" --seeds 5
}
run StochasticLock-H5 neural_e3 1500 15
run StochasticLock-H10 neural_e3 6000 20
run StochasticLock-H15 neural_e3 4500 15
run StochasticLock-H10 uniform 6000 20
run StochasticLock-H5 double_dqn 50000 20
run StochasticLock-H10 double_dqn 100000 20
if [ -n "$FULL" ]; then
  run StochasticLock-H5 uniform 1500 15
  run StochasticLock-H15 uniform 4500 15
  for H in 5 10 15 20; do
    run StochasticLock-H$H double_dqn $((10000 * H)) 20
    run StochasticLock-H$H ppo_rnd $((20000 * H)) 20
  done
fi
.venv/bin/jaxrl bench neural_e3 report
