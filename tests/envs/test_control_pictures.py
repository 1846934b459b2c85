"""Pictures of the control tasks: where things are drawn, and that runs and wrappers show them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs.control import classic, pictures


def drawn(name, **state):
    env, params = envs.make(name, auto_reset="none", log=False)
    _, first = env.reset(jax.random.key(0), params)
    return env.render(first.replace(**{k: jnp.float32(v) for k, v in state.items()}), params)


def middle(picture, color, tolerance=12):
    """Column and row of the middle of what has a color, from the picture's middle, up positive."""
    near = (np.abs(picture.astype(int) - np.array(color)) <= tolerance).all(-1)
    rows, columns = np.nonzero(near)
    assert len(rows), "nothing of this color"
    return columns.mean() - pictures.WIDTH / 2, pictures.HEIGHT / 2 - rows.mean()


@pytest.mark.parametrize("name", classic.NAMES)
def test_every_task_draws_itself_through_all_wrappers(name):
    env, params = envs.make(name, noise=2, max_steps=5)
    _, state = env.reset(jax.random.key(0), params)
    before = np.asarray(env.render(state, params))
    assert before.shape == (pictures.HEIGHT, pictures.WIDTH, 3) and before.dtype == np.uint8
    assert (before == 255).all(-1).mean() > 0.3  # paper
    action = env.action_space(params).sample(jax.random.key(1))
    for step in range(4):
        _, state, *_ = env.step(jax.random.key(step), state, action, params)
    assert (np.asarray(env.render(state, params)) != before).any()


def test_a_pole_leans_the_way_the_cart_goes_to_catch_it():
    left, right = (middle(drawn("CartPole-v1", x=0, theta=a), pictures.WOOD)[0] for a in (-1, 1))
    assert left < -10 and right > 10 and abs(left + right) < 2
    there = middle(drawn("CartPole-v1", x=1.2, theta=0), pictures.INK)[0]
    assert 20 < there < 70
    out = drawn("CartPole-v1", x=50, theta=0)  # beyond the paper
    assert out.shape == (pictures.HEIGHT, pictures.WIDTH, 3)


def test_a_pendulum_stands_at_zero():
    across, up = middle(drawn("Pendulum-v1", theta=0, last_u=0), pictures.RED)
    assert abs(across) < 2 and up > 20
    across, up = middle(drawn("Pendulum-v1", theta=np.pi / 2, last_u=2), pictures.RED)
    assert across < -20 and abs(up) < 2
    push = middle(drawn("Pendulum-v1", theta=0, last_u=-2), pictures.BLUE)[0]
    assert push > 20


def test_an_acrobot_hangs_at_zero():
    straight = drawn("Acrobot-v1", joint_angle1=0, joint_angle2=0)
    assert middle(straight, pictures.BLUE)[1] < -10 > middle(straight, pictures.WOOD)[1] + 10
    folded = drawn("Acrobot-v1", joint_angle1=np.pi, joint_angle2=0)
    goal = middle(folded, pictures.GREEN)[1]
    assert middle(folded, pictures.WOOD)[1] > goal > 0


@pytest.mark.parametrize("name", ["MountainCar-v0", "MountainCar-v0?scaled=True"])
def test_a_car_stands_on_the_hill(name):
    valley = middle(drawn(name, position=-np.pi / 6), pictures.RED)
    slope = middle(drawn(name, position=0.4), pictures.RED)
    flag = middle(drawn(name, position=-1), pictures.GREEN)
    assert valley[0] < slope[0] < flag[0] and valley[1] < slope[1] < flag[1]


def test_other_tasks_say_that_they_are_not_drawn():
    class Other:
        name = "Other-v0"

    env = classic.GymnaxEnvironment(Other())
    with pytest.raises(NotImplementedError, match="Other-v0 draws no pictures"):
        env.render(None, None)
