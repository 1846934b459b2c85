"""What benchmarks measure by: operations in a program's text, parts of an update, a soak's quarters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import _operations, bonus_tasks, breakdown, soak
from experiments import e3b
from jaxrl_suite.runner import cli


def test_operations_of_products_convolutions_loops_and_branches():
    a, b = jnp.ones((3, 5)), jnp.ones((5, 7))
    product = 2 * 3 * 5 * 7
    assert _operations.count(jnp.matmul, a, b).flops == product
    assert _operations.count(jax.jit(jnp.matmul), a, b).flops == product

    def batched(a, b):
        return jax.vmap(jnp.matmul)(jnp.stack([a] * 4), jnp.stack([b] * 4))

    assert _operations.count(batched, a, b).flops == 4 * product

    def loop(a, b):
        return jax.lax.scan(lambda c, x: (c, x * (a @ b).sum()), 0.0, jnp.ones((6, 2)))

    assert _operations.count(loop, a, b) == (
        6 * product,
        2 * 6 * 2 * 4,
    )  # read and written, float32

    def branch(a, b):
        return jax.lax.cond(a[0, 0] > 0, lambda: (a @ b).sum(), lambda: ((a @ b) @ b.T).sum())

    assert _operations.count(branch, a, b).flops == 2 * product

    image, kernel = jnp.ones((2, 3, 8, 8)), jnp.ones((4, 3, 3, 3))
    conv = 2 * (2 * 4 * 6 * 6) * 3 * 9
    assert (
        _operations.count(
            lambda x, k: jax.lax.conv_general_dilated(x, k, (1, 1), "VALID"), image, kernel
        ).flops
        == conv
    )


def test_a_floor_is_the_slower_of_arithmetic_and_memory():
    peak = _operations.Peak(flops=10.0, bytes=2.0)
    assert peak.seconds(_operations.Work(20.0, 2.0)) == 2.0
    assert peak.seconds(_operations.Work(5.0, 8.0)) == 4.0


def test_parts_of_an_update_add_up_to_it(monkeypatch):
    small = {"env": "Empty-5x5", "num_envs": 4, "rollout_length": 8, "widths": (8,), "features": 4}
    job = breakdown.Job(e3b.EXPERIMENT, small, without=breakdown.BONUS, updates=2)
    monkeypatch.setattr(breakdown, "started", lambda job: {"cold": 2.0, "warm": 1.0})
    found = breakdown.examined(job, _operations.Peak(1e9, 1e9), repeats=1)
    parts = found["parts"]
    assert set(parts) == {"environments", "learning", "bonus", "acting and the rest"}
    total = sum(part["seconds"]["median"] for part in parts.values())
    np.testing.assert_allclose(total, found["seconds"][0])
    whole = _operations.count(*breakdown.training(job, job.config()))
    assert sum(part["flops"] for part in parts.values()) == whole.flops
    assert parts["environments"]["flops"] == 0 and parts["learning"]["flops"] > 0
    assert parts["bonus"]["flops"] > 0 and parts["acting and the rest"]["flops"] > 0
    assert found["compile"]["xla"] > 0


@pytest.mark.parametrize(("leak", "grows"), [(0.0, False), (0.5, True)])
def test_quarters_of_a_soak_tell_a_leak_from_a_swing(leak, grows):
    minutes = np.linspace(0.1, 60, 600)
    values = 27 + 5 * (np.arange(600) % 3 == 0) + leak * minutes
    found = soak.quarters(minutes, values)
    for name in ("median", "most"):
        assert (found[name][3] > found[name][1] + 1) == grows


def test_scores_go_to_a_report_and_back(tmp_path):
    sweeps = tmp_path / "sweep"
    given = "sweep e3b --total-steps 256 --num-envs 4 --rollout-length 8 --widths 8 --features 4"
    given += (
        " --eval-episodes 1 --no-plots --seeds 2 --grid env=Empty-5x5,Empty-6x6 --coefficient 0.01"
    )
    for name, more in (("plain", ""), ("own", "--intrinsic-discount 0.9")):
        command = f"{given} --bonus rnd {more} --out {sweeps}/{name}"
        assert cli.main(command.split()) == 0
    bonus_tasks.main([str(sweeps / "plain"), "--out", str(tmp_path / "first")])
    beside = tmp_path / "first" / "bonus_tasks.json"
    both = [str(sweeps / "own"), "--beside", str(beside), "--out", str(tmp_path / "both")]
    bonus_tasks.main(both)
    found = bonus_tasks.reported(tmp_path / "both" / "bonus_tasks.json")
    read = bonus_tasks.read([sweeps / "plain", sweeps / "own"])
    assert set(found) == {"rnd", "rnd, own value"} == set(read)
    jax.tree.map(np.testing.assert_array_equal, found, read)


def test_sweeps_of_more_coefficients_go_beside_earlier_ones():
    def scored(value):
        by_env = {"a": np.array([value])}
        return dict.fromkeys(bonus_tasks.MEASURES, by_env)

    earlier = {"rnd": {0.001: scored(0.3), 0.005: scored(0.1)}, "e3b": {0.02: scored(0.5)}}
    more = {"rnd": {0.0003: scored(0.4), 0.0001: scored(0.2)}, "e3b+0.1*noveld": {0.02: scored(0)}}
    both = bonus_tasks.joined(earlier, more)
    assert list(both["rnd"]) == [0.001, 0.005, 0.0003, 0.0001] and set(both) == {*earlier, *more}
    assert len(earlier["rnd"]) == 2
    other = {"rnd": {0.005: {m: {"b": np.array([0.2])} for m in bonus_tasks.MEASURES}}}
    tasks = bonus_tasks.joined(earlier, other)["rnd"]
    assert tasks[0.005]["final"] == {"a": 0.1, "b": 0.2} and list(tasks[0.001]["final"]) == ["a"]
    # 0.001 has the better mean, of one task; 0.005 is the one that was on both
    assert bonus_tasks.chosen({"rnd": tasks}) == {"rnd": 0.005}
    assert bonus_tasks.chosen(earlier)["rnd"] == 0.001
    best = bonus_tasks.chosen(both)
    assert best["rnd"] == 0.0003 and not bonus_tasks.at_an_end(both["rnd"], 0.0003)
    assert bonus_tasks.at_an_end(earlier["rnd"], bonus_tasks.chosen(earlier)["rnd"])
    assert not bonus_tasks.at_an_end(both["e3b"], 0.02)  # a single one has no ends


def test_sums_are_swept_and_read(tmp_path):
    names = ["first_position+global_position", "e3b+0.1*noveld"]
    command = (
        f"sweep e3b --env Empty-5x5 --grid bonus={','.join(names)} --total-steps 64 --num-envs 4 "
        "--rollout-length 8 --minibatches 2 --epochs 1 --widths 8 --eval-episodes 2 --seeds 1 "
        f"--out {tmp_path / 'sums'}"
    )
    assert cli.main(command.split()) == 0
    assert set(bonus_tasks.read([tmp_path / "sums"])) == set(names)


def test_a_reset_is_a_part_of_an_episode_s_time():
    pytest.importorskip("minihack")
    from benchmarks import minihack_levels

    found = minihack_levels.episodes("MiniHack-MultiRoom-N6-Lava-v0", 10)
    assert 1 <= found.steps < 60 and 0 < found.reset < found.seconds < 1
