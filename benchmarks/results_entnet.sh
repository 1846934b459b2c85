#!/bin/sh
# The runs behind docs/results/entnet: hours on two cores. Run from the repository's root.
set -e
run() {  # what has finished is not run again
  out=runs/results/entnet-$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run entnet --seeds 2 --out "$out" "$@"
}

run world10 --longest 10 --shortest 4 --features 32 --slots 4 --num-updates 400 --halve-every 8000
world="--longest 20 --shortest 4 --asked 8 --batch-size 32 --num-updates 300 --halve-every 5000"
run world20 $world --features 32 --slots 4
for rate in 3e-3 1e-2; do  # 1e-3 is still learning after as many steps
  run world20-lstm-$rate $world --features 50 --model lstm --learning-rate $rate
done
.venv/bin/jaxrl report runs/results/entnet-world10 runs/results/entnet-world20 \
  runs/results/entnet-world20-lstm-3e-3 runs/results/entnet-world20-lstm-1e-2 --metric train_error eval/error_10 eval/error_20 eval/error_40 \
  --out docs/results/entnet/world

# as the committed table was made; ten restarts are the default
babi=".venv/bin/jaxrl bench entnet_babi"
$babi --updates 80 --tasks 1 4 5 6 7 8 9 10 11 12 13 14 15 17 18 20
$babi --updates 48 --restarts 4 --tasks 2
$babi --tasks 3  # in stages: an hour of a core
$babi --updates 100 --tasks 16
$babi --enough 0.007 --tasks 19
