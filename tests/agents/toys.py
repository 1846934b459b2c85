"""Environments of a few steps whose values and best actions are known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

from envs import core, spaces, wrappers


@struct.dataclass
class ToyState:
    """Step of the episode and a cue shown at its first step."""

    time: jax.Array
    cue: jax.Array


class Toy(core.Environment):
    """A bit is shown at the first step only; the last step pays 1 for naming it.

    With `length=1` a contextual bandit; longer ones need memory. `cut` truncates instead of
    terminating.
    """

    def __init__(self, length=1, cut=False, pay_always=False):
        self.length, self.cut, self.pay_always = length, cut, pay_always

    @property
    def default_params(self):
        return core.EnvParams(max_steps_in_episode=self.length)

    def _see(self, state):
        first = state.time == 0
        return jnp.stack([first & (state.cue == 0), first & (state.cue == 1), ~first]).astype(
            jnp.float32
        )

    def reset(self, key, params=None):
        state = ToyState(jnp.int32(0), jax.random.randint(key, (), 0, 2))
        return self._see(state), state

    def step(self, key, state, action, params=None):
        last = state.time == self.length - 1
        right = last & (action == state.cue)
        reward = jnp.where(self.pay_always, 1.0, right.astype(jnp.float32))
        state = state.replace(time=state.time + 1)
        over = (last, jnp.zeros_like(last))
        terminated, truncated = over[::-1] if self.cut else over
        return self._see(state), state, reward, terminated, truncated, {}

    def observation_space(self, params=None):
        return spaces.Box(0.0, 1.0, (3,))

    def action_space(self, params=None):
        return spaces.Discrete(2)


class Choice(Toy):
    """The same, its observation the number of what is seen."""

    def _see(self, state):
        return jnp.argmax(super()._see(state)).astype(jnp.int32)

    def observation_space(self, params=None):
        return spaces.Discrete(3)


def toy(kind=Toy, **options):
    env = wrappers.EpisodeLog(wrappers.AutoReset(kind(**options)))
    return env, env.default_params
