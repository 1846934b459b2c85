#!/bin/sh
# The table, runs and timings behind docs/results/fft_conv. Run from the repository's root.
set -e
for method in fft direct; do  # what has finished is not run again
  out=runs/results/fft_conv-$method
  [ -f "$out/summary.json" ] || .venv/bin/jaxrl run fft_conv --method $method --seeds 5 --out "$out"
done
.venv/bin/jaxrl bench fft_conv --table \
  --experiments runs/results/fft_conv-fft runs/results/fft_conv-direct
