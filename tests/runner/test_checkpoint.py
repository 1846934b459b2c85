"""Checkpoints: every kind of leaf comes back, damage is noticed and stepped over."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl_suite.runner.checkpoint import Checkpoints, from_arrays, to_arrays
from jaxrl_suite.runner.errors import RunError


def make_state(scale: float = 1.0):
    return {
        "key": jax.random.split(jax.random.key(3), 2),
        "rbg": jax.random.key(3, impl="rbg"),
        "params": {
            "a/b": jnp.full((2, 3), scale, jnp.float32),
            "n": jnp.arange(4, dtype=jnp.uint8),
        },
        "half": jnp.full(3, scale, jnp.bfloat16),
        "flag": jnp.asarray(True),
        "none": None,
        "empty": jnp.zeros((2, 0)),
        "list": [jnp.int32(7), (jnp.float32(scale),)],
    }


def equal(a, b):
    flat_a, flat_b = to_arrays(a), to_arrays(b)
    assert list(flat_a) == list(flat_b)
    assert jax.tree.structure(a) == jax.tree.structure(b)
    return all(
        flat_a[k].dtype == flat_b[k].dtype and flat_a[k].tobytes() == flat_b[k].tobytes()
        for k in flat_a
    )


def template(state):
    return jax.eval_shape(lambda: state)


@pytest.fixture
def saved(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, to_arrays(make_state(step)), {"note": step})
    checkpoints.wait()
    yield checkpoints
    checkpoints.close()


def test_every_leaf_comes_back(saved):
    assert saved.steps() == [2, 3]
    step, arrays, record = saved.read_newest(lambda _: pytest.fail("no message expected"))
    assert (step, record["note"], record["step"]) == (3, 3, 3)
    state = from_arrays(arrays, template(make_state()))
    assert equal(state, make_state(3.0))
    assert jax.random.key_impl(state["rbg"]) == jax.random.key_impl(make_state()["rbg"])
    np.testing.assert_array_equal(  # keys are usable, not only equal
        jax.random.normal(state["key"][1]), jax.random.normal(make_state()["key"][1])
    )


def test_the_state_may_be_donated_right_after_save(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=3)
    double = jax.jit(lambda x: x * 2.0, donate_argnums=0)
    value = jnp.arange(300_000.0)
    expected = {}
    for step in range(4):
        expected[step] = np.array(value)
        checkpoints.save(step, to_arrays({"x": value}), {})
        value = double(value)
    checkpoints.wait()
    for step in checkpoints.steps():
        arrays, _ = checkpoints.read(step)
        np.testing.assert_array_equal(arrays["0000.x"], expected[step])
    checkpoints.close()


def damage(folder, how):
    files = [f for f in sorted(folder.rglob("*")) if f.is_file() and f.stat().st_size]
    if how == "emptied":
        for file in files:
            file.write_bytes(b"")
    elif how == "truncated":
        largest = max(files, key=lambda f: f.stat().st_size)
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    elif how == "flipped":
        largest = max((folder / "state").rglob("*"), key=lambda f: f.is_file() * f.stat().st_size)
        data = bytearray(largest.read_bytes())
        for i in range(0, len(data), 16):
            data[i] ^= 0x55
        largest.write_bytes(data)
    elif how == "no record":
        (folder / "run" / "metadata").unlink()
    elif how == "values":  # well-formed files with other numbers in them
        import orbax.checkpoint as ocp

        with ocp.StandardCheckpointer() as writer:
            old = writer.restore(folder / "state")
            name = next(n for n in old if n.endswith(".flag"))
            old[name] = ~old[name]
            writer.save(folder / "state", old, force=True)


@pytest.mark.parametrize("how", ["emptied", "truncated", "flipped", "no record", "values"])
def test_a_damaged_checkpoint_falls_back(saved, tmp_path, how):
    damage(tmp_path / "3", how)
    messages = []
    step, arrays, _ = saved.read_newest(messages.append)
    assert step == 2 and equal(from_arrays(arrays, template(make_state())), make_state(2.0))
    assert len(messages) == 1 and "checkpoint 3 is damaged" in messages[0]
    saved.save(3, to_arrays(make_state(9.0)), {})  # the step is free again
    saved.wait()
    step, arrays, _ = saved.read_newest(messages.append)
    assert step == 3 and equal(from_arrays(arrays, template(make_state())), make_state(9.0))


def test_all_damaged_is_an_error(saved, tmp_path):
    damage(tmp_path / "3", "emptied")
    damage(tmp_path / "2", "truncated")
    with pytest.raises(RunError, match="no checkpoint in .* can be read .*3, 2"):
        saved.read_newest(lambda _: None)


def test_none_yet(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert checkpoints.read_newest(lambda _: None) is None
    checkpoints.close()


def test_another_state_is_named():
    arrays = to_arrays({"a": jnp.zeros(3), "b": jnp.zeros(2)})
    with pytest.raises(RunError, match=r"'0001.b' is float32\[2\].*float32\[4\]"):
        from_arrays(arrays, template({"a": jnp.zeros(3), "b": jnp.zeros(4)}))
    with pytest.raises(RunError, match="lacks '0002.c'"):
        from_arrays(arrays, template({"a": jnp.zeros(3), "b": jnp.zeros(2), "c": jnp.zeros(1)}))
    with pytest.raises(RunError, match="'0001.b'.*state lacks"):
        from_arrays(arrays, template({"a": jnp.zeros(3)}))
