#!/bin/sh
# The runs behind docs/results/neural_e3. Run from the repository's root.
set -e
run() {  # what is there is not run again
  [ -f "runs/results/neural_e3/$1/$2.json" ] ||
    .venv/bin/jaxrl bench neural_e3 run --task "$1" --arm "$2" --budget "$3" --points "$4" --seeds 5
}
run StochasticLock-H5 neural_e3 1500 15
run StochasticLock-H10 neural_e3 6000 20
for H in 5 10 15 20; do
  for arm in double_dqn ppo_rnd; do
    episodes=10000
    [ $arm = ppo_rnd ] && episodes=20000
    run StochasticLock-H$H $arm $((episodes * H)) 20
  done
  run StochasticLock-H$H uniform $((1000 * H)) 20
done
.venv/bin/jaxrl bench neural_e3 report
