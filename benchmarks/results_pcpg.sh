#!/bin/sh
# The runs behind docs/results/pcpg-*. Run from the repository's root; HORIZONS="6 11" leaves others out.
#
# For H = 6 and 11: H epochs of exploring and H of exploiting, minibatches of 80 H steps, 8 H features.
# H = 16 and 50 explore longer, in minibatches of 160, as released: with 1,280 steps half the covers of
# H = 16 reach one of the two prizes only. The exploiting policy has 80 H: with 160 it stalls half way
# back. H = 50 has 320 features, a few more than a pair of locks has states, explores for 110 epochs (a
# cover needs one or two a step of either lock: after 62 none was at the end of both), and takes 132M steps
# a seed, so its seeds are runs of their own: FIFTY="0 1" says which.
# Baselines get as many steps as PC-PG; their learning rate and coefficient are the best of three each
# by mean return on H = 6, 3 seeds (`TUNE=1` runs those sweeps again).
set -e
out=runs/results/pcpg
quiet="--no-video --no-plots --no-tensorboard"

base() {  # of a baseline at a horizon: as many episodes a batch and steps in all as PC-PG
  echo "--env BidirectionalLock-H$1 --total-steps $((15500 * $1 * 2 * $1))" \
    "--num-envs 250 --rollout-length $1 --epochs 5 --minibatches 10 --activation relu" \
    "--log-every 50 --eval-episodes 10 $quiet"
}
tune() {
  name=$1; shift
  [ -d "$out/tune-$name/cells" ] || .venv/bin/jaxrl sweep ppo $(base 6) --seeds 3 \
    --grid learning_rate=5e-4,1e-3,2e-3 "$@" --out "$out/tune-$name"
}
run() {  # what has finished is not run again
  name=$1; shift
  [ -f "$out/$name/summary.json" ] || .venv/bin/jaxrl run "$@" --seeds ${SEEDS:-20} --out "$out/$name"
}
pcpg() {  # at a horizon: whole, or an arm by name with its options
  H=$1 name=$2; shift 2
  explore=$H exploit=$H minibatch="$((80 * H))" features=$((8 * H))
  [ "$H" -lt 16 ] ||
    { explore=$((5 * H / 4)) exploit=$((3 * H / 4)) minibatch="160 --exploit-minibatch-size $((80 * H))"; }
  [ "$H" -lt 50 ] || { explore=110 exploit=60 features=320; }
  run h$H-$name pcpg --env BidirectionalLock-H$H --features random --feature-dim $features \
    --explore-epochs $explore --exploit-epochs $exploit --minibatch-size $minibatch --entropy 0.03 \
    --eps 0.2 --log-every 1 $quiet "$@"
}
arms() {  # without the mixture's weights, and without roll-in
  pcpg $1 uniform --mixture uniform
  pcpg $1 no-roll-in --roll-in 0
}
baselines() {
  H=$1
  run h$H-rnd ppo $(base $H) --learning-rate 5e-4 --bonus rnd --bonus-share 0.25 --coefficient 1
  run h$H-e3b ppo $(base $H) --learning-rate 1e-3 --bonus e3b --bonus-share 0.25 --coefficient 1
  run h$H-ppo ppo $(base $H) --learning-rate 1e-3
}
report() {  # of what there is at a horizon
  r=$out/h$1 found=
  for arm in pcpg uniform no-roll-in rnd e3b ppo; do
    [ ! -f "$r-$arm/summary.json" ] || found="$found $r-$arm"
  done
  .venv/bin/jaxrl bench pcpg $found --visits $r-pcpg --out docs/results/pcpg-h$1 \
    --title "PC-PG on the bidirectional lock of $1 steps"
}

car() {  # the sparse mountain car: PC-PG, without one and both of its parts, and the baselines
  mc="--env MountainCarContinuous-v0 --max-steps 200 --seeds 5 $quiet"
  ours="$mc --standardize --mode reward --features fourier --explore-epochs 12 --loops 10 --episodes 40"
  ours="$ours --groups 20 --density-episodes 40 --learning-rate 1e-3 --log-every 1"
  ppo="$mc --total-steps 1056000 --learning-rate 1e-3 --log-every 8"
  go() { name=$1; shift; [ -f "$out/$name/summary.json" ] || .venv/bin/jaxrl run "$@" --out "$out/$name"; }
  go mc-pcpg pcpg $ours --coefficient 0.1 --roll-in 0.5
  go mc-no-roll-in pcpg $ours --coefficient 0.1 --roll-in 0
  go mc-no-bonus pcpg $ours --coefficient 0 --roll-in 0.5
  go mc-neither pcpg $ours --coefficient 0 --roll-in 0
  go mc-ppo ppo $ppo
  [ -d "$out/tune-mc-rnd/cells" ] || .venv/bin/jaxrl sweep ppo $ppo --seeds 3 --bonus rnd --bonus-share 0.25 --grid coefficient=0.1,1,10 \
    --out $out/tune-mc-rnd
  .venv/bin/jaxrl bench pcpg $out/mc-pcpg $out/mc-no-roll-in $out/mc-no-bonus $out/mc-neither $out/mc-ppo \
    $out/tune-mc-rnd/cells/* --title "PC-PG on the sparse mountain car" --out docs/results/pcpg-mountaincar
}

if [ -n "$TUNE" ]; then
  tune ppo --bonus none
  tune rnd --bonus rnd --bonus-share 0.25 --grid coefficient=0.1,1,10
  tune e3b --bonus e3b --bonus-share 0.25 --grid coefficient=0.1,1,10
fi
for H in ${HORIZONS:-6 11 16}; do
  [ "$H" != 50 ] || continue
  pcpg $H pcpg
  [ -n "$ALONE" ] || baselines $H
  [ -n "$ALONE" ] || [ $H -gt 11 ] || arms $H
  report $H
done
fifty() {
  each=
  for seed in ${FIFTY:-0 1 2 3 4}; do
    SEEDS=1 pcpg 50 pcpg-$seed --seed $seed
    each="$each $out/h50-pcpg-$seed"
  done
  .venv/bin/jaxrl bench pcpg $each --visits $each --out docs/results/pcpg-h50 \
    --title "PC-PG on the bidirectional lock of 50 steps"
}
case "$HORIZONS" in "" | *50*) fifty ;; esac
[ -n "$ALONE" ] || car
