"""Games behind Gymnasium's vector interface, against Gymnasium's own vector environment."""

from __future__ import annotations

import os
import signal

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as wrappers

from envs.host import catalogue
from envs.host.pool import HostError
from envs.host.seeds import Contexts, episode_seeds
from envs.host.vector import VectorEnv


class Seeded(gymnasium.Wrapper):
    """Resets to the seeds that the pool's game has."""

    def __init__(self, env, seed):
        super().__init__(env)
        self.base, self.episode = np.random.SeedSequence(seed).generate_state(2), -1

    def reset(self, *, seed=None, options=None):
        self.episode += 1
        seeds = episode_seeds(self.base, self.episode, Contexts())
        return self.env.reset(seed=seeds.core % 2**31)[0], {}


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "Taxi-v3"])
def test_equals_gymnasium_s_own(name):
    count, limit = 3, 25
    ours = VectorEnv(f"gym:{name}", count, workers=2, max_steps=limit)
    make = [lambda i=i: Seeded(gymnasium.make(name, max_episode_steps=limit), 7 + i)
            for i in range(count)]  # fmt: skip
    theirs = SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP)
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    assert ours.action_space == theirs.action_space
    assert ours.observation_space.shape == theirs.observation_space.shape
    theirs.action_space.seed(0)
    seen, infos = ours.reset(seed=7)
    np.testing.assert_allclose(seen, theirs.reset()[0], rtol=1e-6)
    assert infos == {} and ours.observation_space.contains(seen)
    ends = 0
    for _ in range(70):
        actions = theirs.action_space.sample()
        *mine, infos = ours.step(actions)
        *other, their_infos = theirs.step(actions)
        for got, want in zip(mine, other, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
        assert ours.observation_space.contains(mine[0])
        ended = mine[2] | mine[3]
        ends += ended.sum()
        assert ("final_obs" in infos) == ended.any()
        if ended.any():
            assert infos["final_info"] == {}
            for key in ("_final_obs", "_final_info"):
                np.testing.assert_array_equal(infos[key], their_infos[key])
            for got, want in zip(infos["final_obs"], their_infos["final_obs"], strict=True):
                assert (got is None) == (want is None)
                if got is not None:
                    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert ends >= 6
    ours.close()
    theirs.close()
    assert ours.pool.closed


def test_gymnasium_s_wrappers_take_it():
    env = VectorEnv("gym:CartPole-v1", 4, workers=1)
    env = wrappers.TransformReward(wrappers.RecordEpisodeStatistics(env), lambda r: 2 * r)
    env.reset(seed=0)
    env.action_space.seed(0)
    lengths = []
    for _ in range(100):
        _, rewards, _, _, infos = env.step(env.action_space.sample())
        assert (rewards == 2).all()
        if "episode" in infos:
            lengths.extend(infos["episode"]["l"][infos["_episode"]])
    assert len(lengths) > 4 and min(lengths) > 5
    env.close()


def test_nethack_s_observations_seeds_and_copies():
    with_options = "NetHackScore-v0?keys=glyphs,blstats&max_steps=12"
    env = VectorEnv(with_options, 2, workers=1)
    assert set(env.single_observation_space.spaces) == {"glyphs", "blstats"}
    first, _ = env.reset(seed=[3, 4])
    kept = {key: array.copy() for key, array in first.items()}
    for step in range(12):
        _, rewards, terminations, truncations, infos = env.step(np.array([1, 2]))
        assert truncations.all() == (step == 11) and not terminations.any()
    assert set(infos["final_obs"][1]) == {"glyphs", "blstats"} and rewards.dtype == np.float32
    for key, array in first.items():  # nobody wrote over it
        np.testing.assert_array_equal(array, kept[key])
    again, _ = env.reset(seed=3)  # 3 and 4
    other, _ = env.reset()
    for key in kept:
        np.testing.assert_array_equal(again[key], kept[key])
    assert any((other[key] != kept[key]).any() for key in kept)
    env.close()


def test_workers_of_the_caller_s_stay_and_one_that_dies_is_told():
    pool = catalogue.pool("gym:CartPole-v1", workers=2, deadline=3.0)
    env, other = VectorEnv(pool, 4), VectorEnv(pool, 2, copy=False)
    env.reset(seed=0)
    os.kill(pool.processes[0].pid, signal.SIGKILL)
    with pytest.warns(UserWarning, match="restarting it"):
        *_, truncations, infos = env.step(np.zeros(4, int))
    np.testing.assert_array_equal(infos["lost"], [True, True, False, False])
    np.testing.assert_array_equal(truncations, infos["_lost"])
    env.close()
    seen, _ = other.reset(seed=0)
    assert not seen.flags.owndata
    pool.close()
    other.close()
    with pytest.raises(HostError, match="has been closed"):
        VectorEnv(pool, 2)


def test_what_cannot_be_used_is_told():
    for name, more, words in (
        ("Empty-5x5", {}, "is no host environment"),
        ("NetHackScore-v0", {"foo": 1}, "option 'foo'"),
        ("NetHackScore-v0?max_steps=3", {"max_steps": 4}, "max_steps=3 in the name"),
        ("NetHackScore-v0?max_steps=abc", {}, "takes a whole number"),
    ):
        with pytest.raises(ValueError, match=words):
            VectorEnv(name, 2, **more)
    with pytest.raises(ValueError, match="num_envs=0: at least 1"):
        VectorEnv("gym:CartPole-v1", 0)
    pool = catalogue.pool("gym:CartPole-v1?workers=1", num_contexts=2, context_seed=1)
    assert len(pool.processes) == 1 and pool.contexts == Contexts(2, 1)
    with pytest.raises(ValueError, match="options max_steps: the workers have theirs"):
        VectorEnv(pool, 2, max_steps=3)
    env = VectorEnv(pool, 2)
    with pytest.raises(ValueError, match="options="):
        env.reset(options={"low": 1})
    with pytest.raises(ValueError, match="3 of them for 2 games"):
        env.reset(seed=[1, 2, 3])
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"must be int32\[2\]"):
        env.step(np.zeros(2))
    pool.close()
