"""Training on NetHack: steps per second with the full agent, and where the time goes.

    jaxrl bench nethack_training [--games 64 256] [--repeats 5]

PPO with a GRU on NetHackScore-v0 (glyphs, blstats, message; rollouts of 64 steps, 2 epochs x 4
minibatches), without and with E3B, and without and with halves of the games that take turns. Timed in
turns, each jitted by itself: random play of a rollout's steps (the games and the bridge), the rollout
(that and the policy), the whole update (that and learning). Written to
`docs/results/nethack_training.{json,md}`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax

import envs
from benchmarks import _harness, _random_play
from experiments import ppo as script
from jaxrl_suite.agents import acting, ppo
from jaxrl_suite.exploration import catalog
from jaxrl_suite.networks.recurrent import initial_carry

LENGTH = 64
SETTINGS: dict[str, Any] = {
    "env": "NetHackScore-v0",
    "core": "gru",
    "core_features": 128,
    "widths": (128, 128),
    "rollout_length": LENGTH,
    "epochs": 2,
    "minibatches": 4,
    "learning_rate": 3e-4,
    "discount": 0.995,
    "entropy": 0.005,
    "normalize_rewards": True,
}


def played(games: int) -> Callable[[], Any]:
    """Random play of `LENGTH` steps, with episodes logged as in training."""
    env, params = envs.make("NetHackScore-v0")
    run, first = _random_play.program(env, params, games, LENGTH)
    jitted, state = jax.jit(run), [first]

    def go() -> Any:
        state[0], seen = jitted(state[0])
        return seen

    return go


def trained(games: int, bonus: str, take_turns: bool, whole: bool) -> Callable[[], Any]:
    """An update, or, without `whole`, the rollout in it."""
    settings = script.Config(**SETTINGS, num_envs=games, bonus=bonus, take_turns=take_turns)
    chosen = script.settings(settings)
    env, params = envs.make(settings.env)
    seen, actions = env.observation_space(params), env.action_space(params)
    made = catalog.build(settings, seen, actions, policy_widths=chosen.widths)
    network = ppo.networks.build(seen, actions, chosen)
    experiment = ppo.make(env, params, chosen, made, network)
    state = [jax.jit(experiment.init)(jax.random.key(0))]

    def policy(params: Any) -> acting.Policy:
        def forward(*seen: Any) -> Any:
            return network.apply(params, *seen)

        return acting.policy_of(forward, actions, True)

    @jax.jit
    def rollout(now: Any, params: Any, key: jax.Array) -> Any:
        return acting.rollout(key, env, actions, policy(params), now, LENGTH, take_turns)

    update = jax.jit(experiment.update)
    now = [state[0].acting._replace(carry=initial_carry("gru", 128, games))]

    def learn() -> Any:
        state[0], metrics = update(state[0])
        return metrics

    def play() -> Any:
        now[0], steps, _ = rollout(now[0], state[0].params, jax.random.key(1))
        return steps.reward

    return learn if whole else play


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench nethack_training", description=__doc__)
    parser.add_argument("--games", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--repeats", type=int, default=5)
    options = _harness.parse(parser, argv)

    rows: list[list[str]] = []
    data: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    for games in options.games:
        candidates = {"games": played(games)}
        for turns in (False, True):
            name = "turns" if turns else "together"
            candidates[f"rollout, {name}"] = trained(games, "none", turns, False)
            for bonus in ("none", "e3b"):
                candidates[f"{bonus}, {name}"] = trained(games, bonus, turns, True)
        times = _harness.interleave(candidates, options.repeats, warmup=2)
        data[str(games)] = times
        for name in ("together", "turns"):
            parts = {
                "games": times["games"],
                "policy": _difference(times[f"rollout, {name}"], times["games"]),
                "learning": _difference(times[f"none, {name}"], times[f"rollout, {name}"]),
                "E3B": _difference(times[f"e3b, {name}"], times[f"none, {name}"]),
            }
            gained = zip(times["none, together"], times[f"none, {name}"], strict=True)
            middle = {
                bonus: _harness.spread(times[f"{bonus}, {name}"])["median"]
                for bonus in ("none", "e3b")
            }
            rate = [games * LENGTH / seconds for seconds in middle.values()]
            gain = _harness.spread([a / b for a, b in gained])
            ratios[f"{games} games, {name}: of together"] = gain
            rows.append(
                [
                    f"{games}, {name}",
                    *(f"{x:,.0f}" for x in rate),
                    _harness.show_ratio(gain),
                    *(f"{1e3 * _harness.spread(part)['median']:.0f}" for part in parts.values()),
                ]
            )
            print(" | ".join(rows[-1]))
    _harness.write(
        "nethack_training",
        title="Training on NetHack, and where the time goes",
        header=[
            "games",
            "steps/s",
            "with E3B",
            "of together",
            "games, ms",
            "policy",
            "learning",
            "E3B",
        ],
        rows=rows,
        notes="PPO with a GRU of 128 on NetHackScore-v0, an update of 64 steps a game; a worker process "
        "for each core, which learn, too, where there is no other device. 'turns': halves of the games "
        "take turns with the policy. Milliseconds of an update by difference of medians: random play in "
        "a jitted scan, what the policy adds to it, what learning adds, what E3B adds. "
        f"{options.repeats} interleaved repeats, medians (min to max).",
        data={"length": LENGTH, "ratios": ratios, "seconds": data},
        folder=options.out,
    )


def _difference(whole: list[float], part: list[float]) -> list[float]:
    return [a - b for a, b in zip(whole, part, strict=True)]


if __name__ == "__main__":
    main()
