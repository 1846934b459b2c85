"""`envs.check` passes what the suite ships and says what is wrong with what does not keep to it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import envs
from envs import spaces
from jaxrl_suite.agents import ppo
from jaxrl_suite.experiment import ConfigError


@pytest.mark.parametrize(
    "name",
    ["MultiRoom-N2-S4", "CartPole-v1", "Pendulum-v1", "DiabolicalLock-H5", "gym:CartPole-v1"],
)
def test_shipped_environments_pass(name: str) -> None:
    env, params = envs.make(name)
    envs.check(env, params, steps=20)


@dataclasses.dataclass(frozen=True)
class Drift(envs.Environment):
    """A walk on a line, right unless told otherwise."""

    shape: tuple[int, ...] = (2,)
    low: float = -100.0
    reward: Any = 1.0
    forgets: bool = False
    infinite: bool = False

    @property
    def default_params(self) -> envs.EnvParams:
        return envs.EnvParams(max_steps_in_episode=50)

    def observation_space(self, params: Any = None) -> spaces.Space:
        return spaces.Box(self.low, 100.0, (2,))

    def action_space(self, params: Any = None) -> spaces.Space:
        return spaces.Discrete(2)

    def reset(self, key: jax.Array, params: Any = None) -> Any:
        state = {"x": jnp.float32(0.5), "time": jnp.int32(0)}
        return jnp.full(self.shape, 0.5), state

    def step(self, key: jax.Array, state: Any, action: jax.Array, params: Any = None) -> Any:
        x, time = state["x"] + 2.0 * action - 1.0, state["time"] + 1
        state = {"x": x, "time": time.astype(jnp.float32) if self.forgets else time}
        reward = jnp.asarray(self.reward) / (0.0 if self.infinite else 1.0)
        return jnp.full(self.shape, x), state, reward, x > 9, time >= 50, {}


def test_a_right_one() -> None:
    envs.check(Drift())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"shape": (3,)}, r"reset's observation is \[2\] float32 by its space, not \[3\] float32"),
        ({"low": 0.0}, "observation lies outside of its space at step"),
        ({"reward": 1}, r"reward is \[\] float32, not \[\] int32"),
        ({"reward": [1.0]}, r"reward is \[\] float32, not \[1\] float32"),
        ({"forgets": True}, r"state\['time'\] is \[\] int32 from reset, \[\] float32 from step"),
        ({"infinite": True}, "^Drift: reward is not finite at step 1 of random play$"),
    ],
)
def test_wrong_ones_are_told(wrong: dict[str, Any], words: str) -> None:
    if wrong.get("reward") == 1:
        wrong = {"reward": jnp.int32(1)}

        class Whole(Drift):
            def step(self, *args: Any) -> Any:
                o, s, _, *rest = super().step(*args)
                return o, s, jnp.int32(1), *rest

        broken: Drift = Whole()
    else:
        broken = Drift(**wrong)
    with pytest.raises(envs.BrokenProtocol, match=words):
        envs.check(broken)


def test_an_agent_refuses_observations_that_are_not_of_their_space() -> None:
    broken = Drift(shape=(3,))
    config = ppo.PPOConfig(num_envs=4, rollout_length=4, total_steps=16)
    experiment = ppo.make(broken, broken.default_params, config)
    with pytest.raises(ConfigError, match=r"env='Drift': .*\[2\] float32 .* \[3\] float32"):
        jax.eval_shape(experiment.init, jax.random.key(0))
