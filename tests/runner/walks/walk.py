"""A random walk with a learned scalar: typed keys, odd shapes, a `Mean`, an evaluation, a video."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl_suite.evaluation import Moment
from jaxrl_suite.experiment import ConfigError, Experiment, Mean, Spec
from jaxrl_suite.runner.cli import run_script

ENVS = ("Line", "Circle")


@dataclasses.dataclass(frozen=True)
class Config:
    """A walk of eight walkers."""

    env: str = "Line"
    """Line or Circle"""
    learning_rate: float = 0.1
    """step size of the learned scalar"""
    hidden: tuple[int, ...] = (3, 2)
    """shape of a block of parameters that nothing uses"""
    total_steps: int = 800
    """environment steps"""
    work: int = 0
    """useless work an update, to make it slow"""
    ballast: int = 1
    """floats of dead weight in the state"""
    nan_at: int = -1
    """the update whose loss is not finite"""
    nan_seed_above: float = -1e9
    """only for seeds whose first draw is above this"""


class State(NamedTuple):
    key: jax.Array
    position: jax.Array  # [8] float32
    weight: jax.Array  # [] float32
    update: jax.Array  # [] int32
    flag: jax.Array  # [] bool
    half: jax.Array  # [3] bfloat16
    nothing: jax.Array  # [0] float32
    params: dict[str, Any]
    draw: jax.Array  # [] float32


class Painter:
    """Draws the walk, whose state is a number here."""

    def render(self, state: int, params: Any) -> np.ndarray:
        return np.full((8, 12, 3), 20 * state, np.uint8)

    def screen(self, state: int, params: Any) -> None:
        return None


def build(config: Config) -> Experiment:
    if config.env not in ENVS:
        raise ConfigError("env", config.env, f"one of {', '.join(ENVS)}")

    def init(key: jax.Array) -> State:
        key, position_key, ballast_key = jax.random.split(key, 3)
        return State(
            key=key,
            position=jax.random.normal(position_key, (8,)),
            weight=0.0,  # weakly typed on purpose
            update=jnp.int32(0),
            flag=jnp.asarray(False),
            half=jnp.ones(3, jnp.bfloat16),
            nothing=jnp.zeros(0),
            params={
                "Dense_0": {"kernel": jnp.zeros(config.hidden)},
                "ballast": jax.random.uniform(ballast_key, (config.ballast,)),
            },
            draw=jax.random.normal(position_key, (8,))[0],
        )

    def update(state: State) -> tuple[State, dict[str, Any]]:
        key, noise_key = jax.random.split(state.key)
        position = state.position + jax.random.normal(noise_key, (8,))
        ended = jnp.abs(position) > 3.0
        loss = jnp.mean((state.weight - position) ** 2)
        weight = state.weight - config.learning_rate * 2 * jnp.mean(state.weight - position)
        slow = jax.lax.fori_loop(0, config.work, lambda _, x: jnp.sin(x) + 1.0, loss)
        bad = (state.update == config.nan_at) & (state.draw > config.nan_seed_above)
        metrics = {
            "loss": jnp.where(bad, jnp.nan, loss),
            "weight": weight,
            "episode_return": Mean.where(jnp.abs(position), ended),
            "never": Mean(jnp.nan, 0.0),
            "slow": slow,
        }
        position = jnp.where(ended, 0.0, position)
        state = state._replace(
            key=key, position=position, weight=weight, update=state.update + 1, flag=~state.flag
        )
        return state, metrics

    def evaluate(key: jax.Array, state: State) -> dict[str, Any]:
        return {
            "return": state.weight + jax.random.normal(key, ()),
            "length": Mean.where(jnp.arange(8.0), jnp.abs(state.position) > 1.0),
        }

    def play(key: jax.Array, state: State) -> Iterator[Moment]:
        assert state.position.shape == (8,) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        for step in range(6):
            yield Moment(step, np.int32(step), 1.0, step, step == 5, Painter(), None, step)

    return Experiment(
        init=init,
        update=update,
        num_updates=config.total_steps // 8,
        steps_per_update=8,
        evaluate=evaluate,
        play=play,
        headline=("episode_return", "eval/return"),
    )


EXPERIMENT = Spec(
    "walk",
    Config,
    build,
    "A random walk with a learned scalar.",
    "Nobody (1905)",
    sweepable=("learning_rate", "nan_at"),
)

if __name__ == "__main__":
    run_script(EXPERIMENT)
