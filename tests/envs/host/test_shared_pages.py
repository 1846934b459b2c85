"""Games that share pages play as those that do not; what cannot be shared is refused, and told."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from nle.nethack import nethack as nle

from envs.host import games
from envs.host.games import shared_pages_check
from envs.host.games.shared_pages import GAMES, Refused, SharedPages
from envs.host.games.shared_pages_check import checked, difference
from envs.host.pool import Pool
from envs.host.seeds import Contexts, episode_seeds

NAME = "NetHackScore-v0"
KEYS = ("glyphs", "blstats", "message", "inv_strs", "tty_chars")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="Linux only"),
    pytest.mark.filterwarnings("ignore:.*fork.*"),  # workers have no threads, this process does
]


def make(count, **options):
    family = games.load("nethack", NAME, {"keys": KEYS, **options})
    rows = {k: np.zeros((count, *shape), dtype) for k, (shape, dtype) in family.staging().items()}
    return [family.game({k: a[i] for k, a in rows.items()}) for i in range(count)], rows


def code_mappings(path):
    """How often the code of the library `path` is mapped into this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sum(line.endswith(str(path)) and " r-xp " in line for line in lines)


def seeds(game, episode):
    return episode_seeds((3, game), episode, Contexts())


def test_games_that_share_play_as_those_that_do_not():
    pages, count = SharedPages(), 4
    (sharing, ours), (plain, theirs) = make(count, max_steps=90), make(count, max_steps=90)
    episode = [0] * count

    def reset(i):
        sharing[i].reset(seeds(i, episode[i]))
        pages.share(sharing[i])
        plain[i].reset(seeds(i, episode[i]))

    before = code_mappings(nle.DLPATH)
    for i in range(count):
        reset(i)
    rng = np.random.default_rng(0)
    for step in range(400):
        for i, action in enumerate(rng.integers(23, size=count).tolist()):
            one, two = sharing[i].step(action), plain[i].step(action)
            assert one == two, (step, i)
        for key in KEYS:
            np.testing.assert_array_equal(ours[key], theirs[key], err_msg=f"{key} {step}")
        for i in range(count):
            if sharing[i].steps >= 90 or sharing[i].game.done():
                episode[i] += 1
                reset(i)
        assert code_mappings(nle.DLPATH) == before + count
    assert min(episode) >= 4
    for game in (*sharing, *plain):
        game.close()
    assert code_mappings(nle.DLPATH) == before  # closing a game unmaps them


@pytest.mark.parametrize("where", ["code", "constants"])
def test_a_library_that_differs_is_refused(tmp_path, where):
    pages = SharedPages()
    segment = next(s for s in pages._segments if bool(s.protection & 4) == (where == "code"))
    copy = tmp_path / "libnethack.so"
    data = bytearray(Path(nle.DLPATH).read_bytes())
    data[segment.offset + segment.size - 3] ^= 1
    copy.write_bytes(data)
    (game, other), rows = make(2)
    for one in (game, other):
        one.reset(seeds(0, 0))
    with pytest.raises(Refused, match="differs from the original"):
        SharedPages(str(copy)).share(game)
    assert code_mappings(copy) == 0
    for action in np.random.default_rng(1).integers(23, size=100).tolist():  # and is unharmed
        assert game.step(action) == other.step(action)
        np.testing.assert_array_equal(*rows["glyphs"])
    for one in (game, other):
        one.close()


def test_other_files_and_systems_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "library.so"
    file.write_bytes(b"not a library" * 100)
    with pytest.raises(Refused, match="64-bit ELF"):
        SharedPages(str(file))
    with pytest.raises(Refused, match="No such file"):
        SharedPages(str(tmp_path / "none.so"))
    (game,), _ = make(1)
    with pytest.raises(Refused, match="not loaded"):  # no episode yet
        SharedPages().share(game)
    game.close()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(Refused, match="on Linux only, this is darwin"):
        SharedPages()


def test_the_check_sees_differences_and_survives_crashes(monkeypatch):
    family = games.load("nethack", NAME, {})
    pages, why = checked(family)
    assert isinstance(pages, SharedPages) and why is None

    class Wrong:
        def share(self, game):
            game.game.step(ord("s"))

    assert "went another way at step" in difference(family, Wrong())

    def crash(*_):
        os.kill(os.getpid(), signal.SIGKILL)  # SIGSEGV would write a trace into the output

    monkeypatch.setattr(shared_pages_check, "difference", crash)
    assert checked(family) == (None, "a game that shares them ended with SIGKILL")

    def fail(*_):
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(shared_pages_check, "difference", fail)
    pages, why = checked(family)
    assert pages is None and "on purpose" in why


@pytest.mark.skipif(not importlib.util.find_spec("minihack"), reason="needs minihack")
@pytest.mark.parametrize(
    "name", ["MiniHack-Room-5x5-v0", "MiniHack-KeyRoom-Fixed-S5-v0", "MiniHack-MultiRoom-N2-v0"]
)
def test_minihack_shares_as_well(name):
    pages, why = checked(games.load("minihack", name, {}))
    assert why is None and pages is not None


def test_the_pool_shares_where_it_is_asked_to_or_where_it_pays():
    base = np.random.default_rng(0).integers(2**32, size=(GAMES, 2), dtype=np.uint32)
    sums = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for share, size, expected in ((False, GAMES, False), (True, 3, True), (None, GAMES, True)):
            pool = Pool("nethack", NAME, {"max_steps": 50}, workers=1, share_pages=share)
            group = pool.group(size)
            group.reset(base[:size])
            assert group.sharing == [expected]
            rng, total = np.random.default_rng(1), []
            for _ in range(120):
                group.send(rng.integers(23, size=GAMES)[:size])
                batch = group.recv()
                parts = [a.reshape(size, -1).sum(1) for a in batch.observation.values()]
                total.append(np.array([batch.reward, batch.truncated, *parts])[:, :3])
            sums[share] = np.array(total)
            if share is None:
                assert pool.group(3).sharing == [False]
            pool.close()
    np.testing.assert_array_equal(sums[False], sums[None])
    np.testing.assert_array_equal(sums[False], sums[True])


def test_why_pages_are_not_shared_is_told_once():
    pool = Pool("gymnasium", "CartPole-v1", workers=1, share_pages=True)
    with pytest.warns(UserWarning, match="do not share pages: .* not played by NLE's library"):
        group = pool.group(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group.reset(np.zeros((2, 2), np.uint32))
        assert group.sharing == [False] and pool.group(2).sharing == [False]
    pool.close()
