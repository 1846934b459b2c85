"""What each exploration bonus costs: PPO's training steps per second with and without it.

    jaxrl bench bonus_cost [--env MultiRoom-N4-S5] [--repeats 5] [--features 128] [--num-envs 64]

One seed of the `e3b` script's PPO (`--num-envs` environments x 64 steps, 3 epochs x 4 minibatches);
embeddings of `--features` numbers. A repeat is 20 updates; the bonuses take turns. Beside the times is
the arithmetic of matrix products, which bounds them on a CPU. Written to
`docs/results/bonus_cost.{json,md}`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from benchmarks import _harness, _operations
from experiments import e3b

UPDATES = 20
BONUSES = (
    "none",
    "e3b",
    "rnd",
    "noveld",
    "icm",
    "ride",
    "episodic_observation",
    "global_observation",
    "e3b*noveld",
)


class Training(NamedTuple):
    """A function that does `UPDATES` updates, their environment steps, and one step's flops."""

    run: Callable[[], Any]
    steps: int
    flops: float


def training(bonus: str, env: str, features: int, num_envs: int) -> Training:
    """Of one bonus."""
    config = e3b.Config(bonus=bonus, env=env, features=features, num_envs=num_envs)
    experiment = e3b.build(config)

    @jax.jit
    def run(state: Any) -> Any:
        def update(state: Any, _: None) -> tuple[Any, Any]:
            return experiment.update(state)[0], None

        return jax.lax.scan(update, state, None, length=UPDATES)[0]

    state = jax.eval_shape(experiment.init, jax.random.key(0))
    flops = _operations.count(experiment.update, state).flops / experiment.steps_per_update
    states = [jax.jit(experiment.init)(jax.random.key(0))]

    def go() -> Any:
        states[0] = run(states[0])
        return states[0]

    return Training(go, UPDATES * experiment.steps_per_update, flops)


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench bonus_cost", description=__doc__)
    parser.add_argument("--env", default="MultiRoom-N4-S5")
    parser.add_argument("--features", type=int, default=128, help="size of an embedding")
    parser.add_argument("--bonuses", nargs="+", default=BONUSES[1:], help="beside none")
    parser.add_argument("--num-envs", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    options = _harness.parse(parser, argv)

    task = options.env, options.features, options.num_envs
    bonuses = ["none", *options.bonuses]
    made = {name: training(name, *task) for name in bonuses}
    _, steps, least = made["none"]
    times = _harness.interleave({name: one.run for name, one in made.items()}, options.repeats)
    rows, ratios = [], {}
    for name in bonuses:
        ratio = [t / none - 1 for t, none in zip(times[name], times["none"], strict=True)]
        speed = [none / t for t, none in zip(times[name], times["none"], strict=True)]
        ratios[f"{name}: speed that is left"] = _harness.spread(speed)
        cost = {key: 100 * value for key, value in _harness.spread(ratio).items()}
        shown = f"{cost['median']:.0f}% ({cost['min']:.0f} to {cost['max']:.0f})"
        rate = steps / _harness.spread(times[name])["median"]
        flops = made[name].flops
        more = "-" if name == "none" else f"{100 * (flops / least - 1):.0f}%"
        shown = "-" if name == "none" else shown
        rows.append([f"`{name}`", f"{rate / 1e3:.1f} k", shown, f"{flops / 1e3:.0f} k", more])
        print(" | ".join(rows[-1]))
    _harness.write(
        "bonus_cost",
        title="What exploration bonuses cost",
        header=[
            "bonus",
            "env steps/s",
            "time added to PPO's update (min to max)",
            "flops a step",
            "flops added",
        ],
        rows=rows,
        notes=f"{options.env}, one seed of {options.num_envs} environments, embeddings of "
        f"{options.features}, {UPDATES} updates a repeat, {options.repeats} interleaved repeats, "
        "medians; compilation not counted. Flops are those of matrix products, an environment step.",
        data={
            **_harness.settings(options),
            "ratios": ratios,
            "seconds": times,
            "flops": {name: one.flops for name, one in made.items()},
        },
        folder=options.out,
    )


if __name__ == "__main__":
    main()
