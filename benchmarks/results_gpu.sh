#!/bin/sh
# The tables behind docs/results/<device>: every benchmark that an accelerator changes; most of the time goes
# into compiling. Run from the repository's root: `sh benchmarks/results_gpu.sh h100`.
set -e
out=docs/results/${1:?a folder for the device, such as h100}
levels="Empty-8x8 DoorKey-8x8 FourRooms MultiRoom-N6 KeyCorridorS3R3"
set -f  # one of them is a product
bonuses="e3b rnd noveld icm e3b*noveld"
bench() {  # into a folder of its own
  mkdir -p "$out/$1"
  JAXRL_BENCH_RESULTS="$out/$1"; export JAXRL_BENCH_RESULTS; shift
  .venv/bin/jaxrl bench "$@"
}
bench . environments --levels $levels --seconds 0.2 --repeats 5
bench large environments --levels $levels --envs 32768 --seconds 0.2 --repeats 5
bench . ppo --seeds 8 128 1024 --repeats 3
bench . bonus_cost --bonuses $bonuses --repeats 3
bench large bonus_cost --bonuses $bonuses --num-envs 1024 --repeats 3
bench . e3b_update --repeats 3
bench large e3b_update --envs 1024 --dims 64 128 256 512 --repeats 3
bench . nethack_training --games 256 --repeats 3
bench two-workers nethack_pool --games 16 64 --workers 2 --vector-most 16 --repeats 3
bench . nethack_pool --games 256 1024 --workers 14 --vector-most 0 --repeats 3
