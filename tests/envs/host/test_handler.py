"""Calls of Python from XLA programs: values, errors, exit, and the compilation cache."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs.host import handler

SCRIPT = """
import jax, envs, time
env, params = envs.make("gym:CartPole-v1?workers=1")
step = jax.vmap(env.step, (None, 0, 0, None))

@jax.jit
def play(key):
    _, state = jax.vmap(env.reset, (0, None))(jax.random.split(key, 2), params)
    def one(state, key):
        _, state, reward, *_ = step(key, state, jax.random.randint(key, (2,), 0, 2), params)
        return state, reward.sum()
    return jax.lax.scan(one, state, jax.random.split(key, STEPS))[1]
"""


class Echo:
    """Returns what it gets, the last argument first, or raises."""

    def handle(self, method: int, *arguments: np.ndarray) -> Any:
        assert not any(x.flags.writeable for x in arguments)
        if method == 1:
            raise KeyError("of its own")
        if method == 2:
            raise OSError("no file '\udc80'")  # a name whose bytes are no text
        return arguments[::-1]


needed = pytest.mark.skipif(jax.default_backend() != "cpu", reason="only on CPUs")


@needed
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4)])
def test_values_of_every_type(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    names = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32")
    values = [jnp.asarray(rng.integers(0, 2, shape).astype(name)) for name in names]
    echo = Echo()
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in values[::-1]]

    @jax.jit
    def twice(*values: jax.Array) -> Any:
        def one(values: Any, _: None) -> Any:
            return tuple(handler.call(handler_number, 0, shapes, *values)[::-1]), None

        return jax.lax.scan(one, values, None, length=2)[0]

    handler_number = handler.number(echo)
    for before, after in zip(values, twice(*values), strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)


@needed
def test_the_interface_of_this_jaxlib_is_known() -> None:
    assert handler.usable()


@needed
def test_errors_carry_the_traceback_and_later_calls_work() -> None:
    echo = Echo()
    given = handler.number(echo)
    shape = jax.ShapeDtypeStruct((2,), jnp.float32)
    ones = jnp.ones(2)
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"(?s)Traceback.*KeyError: 'of its own'"):
        jax.block_until_ready(jax.jit(lambda x: handler.call(given, 1, [shape], x))(ones))
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"no file '\\udc80'"):
        jax.block_until_ready(jax.jit(lambda x: handler.call(given, 2, [shape], x))(ones))
    good = jax.jit(lambda x: handler.call(given, 0, [shape], x)[0])
    np.testing.assert_array_equal(good(ones), ones)
    del echo
    with pytest.raises(jax.errors.JaxRuntimeError, match="the environment of this program is gone"):
        jax.block_until_ready(good(ones))


@needed
def test_the_same_as_with_callbacks_of_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    def play() -> Any:
        env, params = envs.make("gym:CartPole-v1?workers=1")
        keys = jax.random.split(jax.random.key(2), 3)
        first, state = jax.vmap(env.reset, (0, None))(keys, params)

        def one(state: Any, key: jax.Array) -> Any:
            action = jax.random.randint(key, (3,), 0, 2)
            observation, state, *rest = jax.vmap(env.step, (None, 0, 0, None))(
                key, state, action, params
            )
            return state, (observation, rest)

        return first, jax.jit(lambda s: jax.lax.scan(one, s, jax.random.split(keys[0], 40)))(state)[
            1
        ]

    own = jax.device_get(play())
    monkeypatch.setattr(handler, "usable", lambda: False)
    for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(jax.device_get(play())), strict=True):
        np.testing.assert_array_equal(a, b)


def run(script: str, steps: int, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PLATFORMS": "cpu",
    }
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("STEPS", str(steps)) + script],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )


@needed
def test_another_process_finds_the_program_in_the_cache(tmp_path: Path) -> None:
    script = """
import jax.monitoring
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name))
total = float(play(jax.random.key(0)).sum())
print(total, sum("cache_hits" in e for e in events), sum("cache_misses" in e for e in events))
"""
    first, second = (run(script, 20, tmp_path).stdout.split() for _ in range(2))
    assert first[0] == second[0]
    assert int(first[2]) > 0
    assert int(second[1]) > 0
    assert int(second[2]) == 0


@needed
def test_a_script_that_ends_while_games_are_played_ends_quietly(tmp_path: Path) -> None:
    done = run("play(jax.random.key(0))\nraise SystemExit(3)", 3000, tmp_path)
    assert (done.returncode, done.stderr) == (3, "")


@needed
def test_branches_of_a_batch_and_plain_numbers() -> None:
    env, params = envs.make("gym:CartPole-v1?workers=1")
    keys = jax.random.split(jax.random.key(5), 4)
    _, state = jax.vmap(env.reset, (0, None))(keys, params)
    plain, *_ = env.step(keys[0], jax.tree.map(lambda x: x[0], state), 1, params)

    def either(key: jax.Array, state: Any, flag: jax.Array) -> jax.Array:
        return jax.lax.cond(
            flag,
            lambda: env.step(key, state, jnp.int32(1), params)[0],
            lambda: jnp.zeros(4),
        )

    flags = jnp.asarray([True, False, True, False])
    got = np.asarray(jax.jit(jax.vmap(either))(keys, state, flags))
    np.testing.assert_array_equal(got[0], plain)
    assert got[2].any() and not got[[1, 3]].any()


@needed
def test_a_closed_environment_says_so() -> None:
    env, params = envs.make("gym:CartPole-v1?workers=1")
    step = jax.jit(env.step)
    _, state = env.reset(jax.random.key(0), params)
    env.unwrapped.close()
    with pytest.raises(jax.errors.JaxRuntimeError, match="this environment has been closed"):
        jax.block_until_ready(step(jax.random.key(0), state, jnp.int32(0), params))


def test_closing_one_environment_leaves_others_of_equal_settings() -> None:
    (first, params), (second, _) = (
        envs.make("gym:CartPole-v1?workers=1&deadline=50") for _ in (1, 2)
    )
    pool = first.unwrapped.pool
    assert second.unwrapped.pool is pool
    states = [env.reset(jax.random.key(0), params)[1] for env in (first, second)]
    assert len(pool.groups) == 2
    first.unwrapped.close()
    first.unwrapped.close()
    assert len(pool.groups) == 1  # its games have ended
    second.step(jax.random.key(0), states[1], jnp.int32(0), params)
    with pytest.raises(jax.errors.JaxRuntimeError, match="this environment has been closed"):
        jax.block_until_ready(first.step(jax.random.key(0), states[0], jnp.int32(0), params))
    second.unwrapped.close()
    assert pool.closed
