#!/bin/sh
# The runs behind docs/results/minihack-*: real NetHack games. Run from the repository's root.
set -e
run() {  # what has finished is not run again
  out=runs/results/$1; shift
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run e3b_minihack --out "$out" --seeds 3 "$@"
}

run mh-n2-e3b --env MiniHack-MultiRoom-N2-v0 --total-steps 245760
run mh-n2-none --env MiniHack-MultiRoom-N2-v0 --total-steps 245760 --bonus none
run mh-n4-e3b --env MiniHack-MultiRoom-N4-v0 --total-steps 614400
run mh-n4-none --env MiniHack-MultiRoom-N4-v0 --total-steps 614400 --bonus none
run mh-horn-e3b --env freeze-horn --total-steps 614400
run mh-horn-none --env freeze-horn --total-steps 614400 --bonus none

report() { out=$1; shift; .venv/bin/jaxrl report "$@" --out "docs/results/$out"; }
report minihack-n2 runs/results/mh-n2-e3b runs/results/mh-n2-none
report minihack-n4 runs/results/mh-n4-e3b runs/results/mh-n4-none
report minihack-horn runs/results/mh-horn-e3b runs/results/mh-horn-none
