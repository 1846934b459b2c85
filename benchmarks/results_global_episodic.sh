#!/bin/sh
# The sweeps behind docs/results/global_episodic. Run from the repository's root.
set -e
counts=first_position,global_position,first_position*global_position
sweep() {  # what has finished is not run again
  out=runs/results/$1; shift
  [ -d "$out/cells" ] || .venv/bin/jaxrl sweep global_episodic --out "$out" "$@"
}
rooms="--seeds 5 --env MultiRoom-N4-S5-v1 --grid bonus=$counts"
lava="--seeds 5 --env MultiRoom-N4-S5-v1?lava=True --grid bonus=$counts"
words=$(echo "$counts" | sed s/position/message/g)

sweep contexts $rooms --grid num_contexts=1,3,5,10,none --grid coefficient=0.003,0.01,0.05
sweep contexts-more $rooms --grid num_contexts=30,100 --grid coefficient=0.003,0.01
# the paper's coefficients, after a division by what its code takes for a deviation
for bonus in first_position global_position "first_position*global_position"; do
  named() {  # name, contexts
    sweep "contexts-named-$1$(echo "$bonus" | tr '*' x)" --seeds 5 --env MultiRoom-N4-S5-v1 --bonus "$bonus" \
      --normalize release --grid "num_contexts=$2" --grid coefficient=0.1,1,10
  }
  named "" 1,10,none
  named more- 3,5
done
sweep lava $lava --grid num_contexts=1,3,10,none --grid coefficient=0.003,0.01
longer() {  # name, bonus, coefficient: the best of those, three times as long
  sweep "lava-long-$1" --seeds 5 --env "MultiRoom-N4-S5-v1?lava=True" --bonus "$2" --coefficient "$3" \
    --grid num_contexts=none --total-steps 1500000
}
longer product "first_position*global_position" 0.01
longer episodic first_position 0.01
longer global global_position 0.003
sweep messages --seeds 5 --env DoorKey-8x8 --grid "bonus=$words,none" --grid coefficient=0.003,0.01
# One context, time for one arm of four; where the agent stands is in its observation, as in NetHack.
# The bonus as it is: a running deviation would pump it up again. Every arm is tuned over the same six
# settings (4 seeds); the best of each, by hand below, is run on 16 other seeds.
arms() {
  out=$1; shift
  sweep "$out" --env "Corridors-N4-L10?moves=compass&coordinates=True" --num-contexts 1 \
    --total-steps 614400 --normalize none --no-bootstrap-truncation --rollout-length 32 "$@"
}
for bonus in first_position global_position "first_position*global_position"; do
  arms "corridors-tuning-$(echo "$bonus" | tr '*' x)" --seeds 4 --grid "bonus=$bonus" \
    --grid coefficient=1,3 --grid entropy=0.05,0.1,0.2
done
arms corridors-episodic --seeds 16 --seed 1000 --grid bonus=first_position --coefficient 1 --entropy 0.1
arms corridors-global --seeds 16 --seed 1000 --grid bonus=global_position --coefficient 1 --entropy 0.1
arms corridors-product --seeds 16 --seed 1000 --grid "bonus=first_position*global_position" \
  --coefficient 1 --entropy 0.05

draw() {
  out=docs/results/$1; shift
  .venv/bin/jaxrl bench global_episodic "$@" --out "$out"
}
draw global_episodic runs/results/contexts runs/results/contexts-more
draw global_episodic-named runs/results/contexts-named-*
.venv/bin/jaxrl report runs/results/contexts-named-*/cells/* --metric solved \
  --out docs/results/global_episodic-named/betas
draw global_episodic-lava runs/results/lava
draw global_episodic-lava-long runs/results/lava-long-*
draw global_episodic-messages runs/results/messages --episodic first_message --global-bonus global_message
draw global_episodic-corridors runs/results/corridors-episodic runs/results/corridors-global \
  runs/results/corridors-product
.venv/bin/jaxrl report runs/results/corridors-tuning-*/cells/* --metric solved \
  --out docs/results/global_episodic-corridors/tuning
.venv/bin/jaxrl bench global_episodic --joint docs/results/global_episodic/global_episodic.json \
  docs/results/global_episodic-lava/global_episodic.json \
  docs/results/global_episodic-corridors/global_episodic.json \
  docs/results/global_episodic-messages/global_episodic.json --out docs/results/global_episodic
