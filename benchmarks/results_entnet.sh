#!/bin/sh
# The runs behind docs/results/entnet: an hour or so on two cores. Run from the repository's root.
set -e
run() {  # what has finished is not run again
  out=runs/results/entnet-$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run entnet --seeds 2 --out "$out" "$@"
}

run world10 --longest 10
run world10-lstm --longest 10 --model lstm --features 50 --learning-rate 1e-3
run world20 --longest 20 --shortest 4
babi="--data babi --features 50 --slots 20 --batch-size 40 --steps 50 --halve-every 3000"
for task in 1 4 6 9 10 11 12 13 15 20 7 8 5 14 17 18 16 2 19 3; do
  run babi$task $babi --task $task --num-updates 120
done

.venv/bin/jaxrl report runs/results/entnet-world* --metric train_error eval/error_10 eval/error_20 \
  eval/error_40 --out docs/results/entnet/world
.venv/bin/jaxrl report runs/results/entnet-babi* --metric train_error eval/error \
  --out docs/results/entnet/babi
