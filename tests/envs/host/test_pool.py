"""Worker processes: faults, errors, what they leave behind, episodes that follow from seeds."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from envs.host.pool import HostError, Pool
from envs.host.seeds import Contexts
from envs.host.shared_buffers import OutOfSharedMemory

NAME = "NetHackScore-v0"
BASE = np.arange(12, dtype=np.uint32).reshape(6, 2)


@pytest.fixture
def pool():
    made = Pool("nethack", NAME, {"max_steps": 60}, workers=2, deadline=3.0)
    yield made
    made.close()


def play(group, steps, seed=0, actions=8):
    """Random play: `[steps, size]` rewards, ends, and a checksum of the observations."""
    rng, out = np.random.default_rng(seed), []
    for _ in range(steps):
        group.send(rng.integers(actions, size=group.size))
        batch = group.recv()
        total = sum(x.astype(np.int64).reshape(group.size, -1).sum(1) for x in
                    batch.observation.values())  # fmt: skip
        out.append(np.stack([batch.reward, batch.terminated, batch.truncated, total]))
    return np.array(out)


def test_episodes_follow_from_seeds_alone(pool):
    first, second = pool.group(6), pool.group(6)
    for group in (first, second):
        group.reset(BASE)
    one = play(first, 150)
    np.testing.assert_array_equal(one, play(second, 150))
    assert one[:, 2].sum() >= 12  # episodes of 60 steps ended and others began
    with PoolOf(1) as single:  # the number of workers changes nothing
        group = single.group(6)
        group.reset(BASE)
        np.testing.assert_array_equal(one, play(group, 150))


class PoolOf:
    def __init__(self, workers):
        self.workers = workers

    def __enter__(self):
        self.pool = Pool("nethack", NAME, {"max_steps": 60}, workers=self.workers)
        return self.pool

    def __exit__(self, *_):
        self.pool.close()


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_hangs_is_replaced(pool, kill):
    group = pool.group(6)
    group.reset(BASE)
    play(group, 5)
    before = {k: v.copy() for k, v in group._batch(group.lost).observation.items()}
    os.kill(pool.processes[0].pid, kill)
    with pytest.warns(UserWarning, match="restarting it"):
        group.send(np.zeros(6, int))
        batch = group.recv()
    np.testing.assert_array_equal(batch.lost, [True] * 3 + [False] * 3)
    np.testing.assert_array_equal(batch.truncated, batch.lost)
    assert not batch.terminated.any() and pool.restarts == 1
    np.testing.assert_array_equal(group.arrays["episode"], [1, 1, 1, 0, 0, 0])
    for key, array in batch.final_observation().items():  # the last one before the loss
        np.testing.assert_array_equal(array[:3], before[key][:3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert play(group, 80)[:, 1:3].sum() > 0


def test_replay_brings_games_to_where_they_stood(pool):
    group = pool.group(6)
    group.reset(BASE)
    rng = np.random.default_rng(3)
    actions = rng.integers(8, size=(90, 6))
    log = np.zeros((6, 60), np.int64)
    for step in actions:
        log[np.arange(6), group.arrays["time"]] = step
        group.send(step)
        batch = group.recv()
    other = pool.group(6)
    where = [group.arrays[name].copy() for name in ("base", "episode", "time")]
    assert (where[1] >= 1).all()
    replayed = other.replay(*where, log)
    for key, array in batch.observation.items():
        np.testing.assert_array_equal(replayed.observation[key], array)
    np.testing.assert_array_equal(play(group, 40), play(other, 40))


def test_bad_options_and_actions_are_told(pool):
    with pytest.raises(ValueError, match="keys: 'glyph'"):
        Pool("nethack", NAME, {"keys": ("glyph",)}, workers=1)
    group = pool.group(2)
    group.reset(BASE[:2])
    for bad in (99, -1):
        group.send(np.array([0, bad]))
        told = rf"IndexError: action {bad}: from 0 to 22.*environment 1, episode 0, seeds core="
        with pytest.raises(HostError, match=told) as e:
            group.recv()
        assert "In the worker" in str(e.value)
        group.reset(BASE[:2])  # and the pool still works
    for bad in (np.zeros(2), np.zeros(3, int), np.zeros((2, 1), int)):
        with pytest.raises(ValueError, match=r"actions of .*: must be int32\[2\]"):
            group.send(bad)
    play(group, 3)


def test_a_worker_lost_while_games_are_made_has_them_made_again(monkeypatch):
    pool = Pool("gymnasium", "gym:CartPole-v1", {}, workers=2)
    finish = pool.finish

    def killed(*arguments, **options):
        monkeypatch.setattr(pool, "finish", finish)
        os.kill(pool.processes[0].pid, signal.SIGKILL)
        return finish(*arguments, **options)

    monkeypatch.setattr(pool, "finish", killed)
    with pytest.warns(UserWarning, match="restarting it"):
        group = pool.group(4)
    group.reset(BASE[:4])
    for _ in range(3):
        group.send(np.ones(4, int))
        assert not group.recv().lost.any()
    pool.close()


def test_threads_may_share_a_pool():
    pool = Pool("gymnasium", "gym:CartPole-v1", {}, workers=2)
    group, stop, seen = pool.group(4), threading.Event(), []

    def look():
        while not stop.is_set():
            seen.extend(pool.memory())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        group.reset(BASE[:4])
        alone = play(group, 300, seed=1, actions=2)
        for size in (1, 2, 3):
            other = pool.group(size)
            other.reset(BASE[:size])
            other.close()
    finally:
        stop.set()
        thread.join(30)
    group.reset(BASE[:4])
    np.testing.assert_array_equal(alone, play(group, 300, seed=1, actions=2))
    assert all(set(memory) == {"rss", "private", "pss"} for memory in seen) and len(seen) > 4
    pool.close()


def test_memory_beside_a_lost_worker_replaces_no_other(pool):
    pool.memory()
    before = [process.pid for process in pool.processes]
    os.kill(before[0], signal.SIGKILL)
    with pytest.warns(UserWarning, match="restarting it") as told:
        memory = pool.memory()
    assert len(told) == pool.restarts == 1
    assert pool.processes[1].pid == before[1] and pool.processes[0].pid != before[0]
    assert all(set(one) == {"rss", "private", "pss"} for one in memory)


@pytest.mark.parametrize("deadline", [0, -1.0, float("nan"), float("inf"), 1e9])
def test_deadlines_are_checked(deadline):
    with pytest.raises(ValueError, match="^deadline=.*above 0 and at most 86400"):
        Pool("gymnasium", "gym:CartPole-v1", {}, workers=1, deadline=deadline)


def test_closed_pools_say_so():
    pool = Pool("gymnasium", "gym:CartPole-v1", {}, workers=1)
    group = pool.group(2)
    group.reset(BASE[:2])
    pool.close()
    for call in (lambda: pool.group(2), lambda: group.send(np.zeros(2, int))):
        with pytest.raises(HostError, match="has been closed"):
            call()


def test_out_of_shared_memory_is_told(pool):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))  # as a full machine answers
    try:
        with pytest.raises(OutOfSharedMemory, match="use fewer environments"):
            pool.group(64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    group = pool.group(2)
    group.reset(BASE[:2])
    play(group, 3)


def shared_memory(pid="self"):
    """Blocks of shared memory that a process holds."""
    links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    return [link for link in links if "jaxrl-host" in link]


def test_nothing_is_left_behind(pool):
    folder, pids = Path(pool.folder), [p.pid for p in pool.processes]
    held = len(shared_memory())
    group = pool.group(4)
    group.reset(BASE[:4])
    assert folder.exists()
    assert len(shared_memory()) > held and all(shared_memory(pid) for pid in pids)
    group.close()  # ends its games alone
    assert len(shared_memory()) == held and not any(shared_memory(pid) for pid in pids)
    pool.group(4).reset(BASE[:4])
    pool.close()
    assert not folder.exists() and not any(alive(pid) for pid in pids)
    assert len(shared_memory()) == held


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(kill):
    code = (
        # a shell starts background jobs, and their children, with SIGINT ignored
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from envs.host.pool import Pool; import numpy as np, time\n"
        f"pool = Pool('nethack', {NAME!r}, workers=2); group = pool.group(4)\n"
        "group.reset(np.zeros((4, 2), np.uint32))\n"
        "print(*[p.pid for p in pool.processes], pool.folder, flush=True)\n"
        "while True: group.send(np.zeros(4, int)); group.recv()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout
    *pids, folder = child.stdout.readline().split()
    assert all(alive(int(pid)) for pid in pids)
    child.send_signal(kill)
    try:
        child.wait(30)
    finally:
        child.kill()
    limit = time.monotonic() + 10
    while any(alive(int(pid)) for pid in pids) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not any(alive(int(pid)) for pid in pids)
    while Path(folder).exists() and time.monotonic() < limit:
        time.sleep(0.02)
    assert not Path(folder).exists()


@pytest.mark.parametrize("number", [0, -3])
def test_numbers_of_contexts_are_checked(number):
    with pytest.raises(ValueError, match=f"num_contexts={number}: at least 1"):
        Contexts(number)
