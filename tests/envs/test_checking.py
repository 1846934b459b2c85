"""`envs.check` passes what the suite ships and says what is wrong with what does not keep to it."""

import dataclasses
from typing import Any

import gymnasium
import gymnax
import jax
import jax.numpy as jnp
import pytest

import envs
from envs import checking, spaces, wrappers
from jaxrl_suite import experiment
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
    agent = ppo.make(broken, broken.default_params, config)
    with pytest.raises(ConfigError, match=r"env='Drift': .*\[2\] float32 .* \[3\] float32"):
        jax.eval_shape(agent.init, jax.random.key(0))


class Changed(Drift):
    """Drift with one of the six values of a step replaced, or all of them."""

    def __init__(self, change: Any):
        super().__init__()
        object.__setattr__(self, "change", change)

    def step(self, *args: Any) -> Any:
        return self.change(envs.StepInfo(*super().step(*args)))  # type: ignore[attr-defined]


def forgetful(then: envs.StepInfo) -> envs.StepInfo:
    """AutoReset's choice of a state would hide this: float16 and float32 make float32."""
    return then._replace(state={**then.state, "x": then.state["x"].astype(jnp.float16)})


def endless(then: envs.StepInfo) -> envs.StepInfo:
    never = jnp.bool_(False)
    return then._replace(terminated=never, truncated=never)


def infinite(then: envs.StepInfo) -> envs.StepInfo:
    x = then.observation
    return then._replace(observation=jnp.where(x > 2, jnp.inf, x))


MISSHAPEN = [
    (lambda then: then._replace(reward=then.reward[None]), r"reward is \[\] float32, not \[1\] f"),
    (
        lambda then: then._replace(terminated=jnp.int32(0)),
        r"terminated is \[\] bool, not \[\] int32",
    ),
    (lambda then: then._replace(observation=jnp.zeros(3)), r"step's observation is \[2\] float32 "),
    (
        lambda then: (*tuple(then)[:4], {}),
        "step returns .*truncated, info, in a tuple, not 5 values",
    ),
    (lambda then: then._replace(info=None), "info is a dictionary of arrays.* not NoneType"),
    (lambda then: then._replace(info={"a": "b"}), r"step's info\['a'\] must be an array, not str"),
    (forgetful, r"state\['x'\] is \[\] float32 from reset, \[\] float16 from step"),
]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers an environment under a name for one test."""
    monkeypatch.setattr(envs.registry, "_registry", dict(envs.registry._registry))

    def register(env: Any) -> str:
        envs.register("Drift", lambda **options: (env, "exact"))
        return "Drift"

    return register


@pytest.mark.parametrize(("change", "words"), MISSHAPEN)
def test_a_registered_one_is_looked_at_where_it_is_made(
    registered: Any, change: Any, words: str
) -> None:
    name = registered(Changed(change))
    with pytest.raises(envs.BrokenProtocol, match=words):
        envs.make(name)
    spec = experiment.get("ppo")
    with pytest.raises(ConfigError, match="env='Drift': .*" + words):
        spec.build(spec.config(env=name))


@pytest.mark.parametrize(("change", "words"), MISSHAPEN)
def test_the_environment_inside_is_checked_first(change: Any, words: str) -> None:
    env = wrappers.EpisodeLog(wrappers.AutoReset(Changed(change)))
    with pytest.raises(envs.BrokenProtocol, match=words):
        envs.check(env, env.default_params)


def test_what_is_shipped_is_not_traced_by_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "check_shapes", lambda *_: pytest.fail("checked"))
    envs.make("CartPole-v1")


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (endless, "no end of the episode in max_steps_in_episode=50 steps of random play"),
        (infinite, "observation is not finite at step"),
    ],
)
def test_faults_of_episodes_are_told(change: Any, words: str, wrapped: bool) -> None:
    class Unbounded(Changed):
        def observation_space(self, params: Any = None) -> spaces.Space:
            return spaces.Box(-jnp.inf, jnp.inf, (2,))

    broken: Any = Unbounded(change)
    if wrapped:
        broken = wrappers.EpisodeLog(wrappers.AutoReset(broken))
    with pytest.raises(envs.BrokenProtocol, match=words):
        envs.check(broken)


@pytest.mark.parametrize(
    ("observed", "acted", "words"),
    [
        (gymnax.environments.spaces.Box(-9, 9, (2,)), None, "observation_space is a Box of gymnax"),
        (
            gymnasium.spaces.Box(-9, 9, (2,)),
            None,
            r"must be of envs.spaces, here .*spaces.Box\(low",
        ),
        (None, gymnasium.spaces.Discrete(2), r"action_space is a .*envs.spaces.Discrete\(n\)"),
        (spaces.Dict.of({"a": gymnasium.spaces.Box(0, 1)}), None, r"observation_space\['a'\] is a"),
    ],
)
def test_spaces_of_others_are_told_apart(
    registered: Any, observed: Any, acted: Any, words: str
) -> None:
    class Foreign(Drift):
        def observation_space(self, params: Any = None) -> Any:
            return observed or super().observation_space(params)

        def action_space(self, params: Any = None) -> Any:
            return acted or super().action_space(params)

    for ask in (lambda: envs.check(Foreign()), lambda: envs.make(registered(Foreign()))):
        with pytest.raises(envs.BrokenProtocol, match=words):
            ask()
