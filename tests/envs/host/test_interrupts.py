"""Ctrl-C in a loop of one's own: it arrives as KeyboardInterrupt, once, and breaks nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

HANGS = """
import time
import gymnasium, numpy as np
class Hangs(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}
    def step(self, action):
        if action == 1:
            time.sleep(1000)
        return np.zeros(1, np.float32), 1.0, False, False, {}
gymnasium.register("Hangs-v0", Hangs, max_episode_steps=50)
"""
SCRIPT = """
import os, signal, sys, threading, time
import jax, jax.numpy as jnp
import envs
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background begin without
env, params = envs.make(NAME)
step = jax.jit(jax.vmap(env.step, (None, 0, 0, None)))
_, first = jax.vmap(env.reset, (0, None))(jax.random.split(jax.random.key(0), 2), params)
key, nothing = jax.random.key(1), jnp.zeros(2, jnp.int32)
def interrupt(after):
    threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT)).start()
step(key, first, nothing, params)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, str], subprocess.Popen[str]]]:
    """Starts `SCRIPT` and a body, with games of a name; what is still there afterwards is killed."""
    (tmp_path / "hanging.py").write_text(HANGS)
    path = f"{tmp_path}{os.pathsep}{os.getcwd()}"
    children: list[subprocess.Popen[str]] = []

    def child(body: str, name: str) -> subprocess.Popen[str]:
        children.append(
            subprocess.Popen(
                [sys.executable, "-c", SCRIPT.replace("NAME", repr(name)) + body],
                env={**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return children[-1]

    yield child
    for one in children:
        one.kill()
        one.wait()


needed = pytest.mark.skipif(jax.default_backend() != "cpu", reason="only on CPUs")


@needed
def test_every_interrupt_is_raised_once_and_leaves_games_as_they_were(start: Any) -> None:
    body = """
def play():
    state, total = first, 0.0
    for _ in range(30):
        observation, state, reward, *_ = step(key, state, nothing, params)
        total += float(observation.sum() + reward.sum())
    return total
expected, caught = play(), 0
for i in range(25):
    interrupt(0.02 + 0.0013 * i)
    try:
        while True:
            play()
    except KeyboardInterrupt:
        caught += 1
time.sleep(0.2)
print(caught, play() == expected, env.unwrapped.pool.restarts)
"""
    out, errors = start(body, "gym:CartPole-v1?workers=1").communicate(timeout=120)
    assert out.split() == ["25", "True", "0"], errors
    assert "ignored" not in errors


def test_the_second_interrupt_is_raised_inside(start: Any) -> None:
    body = """
from envs.host import interrupts
@interrupts.may_end
def waits(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
def protected(seconds):
    try:
        waits(seconds)
        return "whole"
    except KeyboardInterrupt:
        return "ended"
interrupts.defer_inside(protected.__code__)
interrupts.install()
said = []
def call(seconds):
    try:
        said.append(protected(seconds))
        time.sleep(0.3)
        said.append("nothing")
    except KeyboardInterrupt:
        said.append("after")
call(0.2)
interrupt(0.1)
call(0.5)
interrupt(0.1); interrupt(0.4)
call(20.0)
time.sleep(0.2)
print(*said)
"""
    out, errors = start(body, "gym:CartPole-v1?workers=1").communicate(timeout=120)
    assert out.split() == ["whole", "nothing", "whole", "after", "ended", "nothing"], errors


def test_a_game_that_hangs_ends_with_a_parent_that_is_killed(start: Any) -> None:
    body = """
print(env.unwrapped.pool.processes[0].pid, flush=True)
jax.block_until_ready(step(key, first, nothing + 1, params))
"""
    parent = start(body, "gym:hanging:Hangs-v0?workers=1")
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    time.sleep(1.0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()
