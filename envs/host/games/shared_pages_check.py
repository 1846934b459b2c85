"""Whether games that share pages (`shared_pages`) play as games that do not, on this machine."""

from __future__ import annotations

import os
import signal
import traceback

import numpy as np

from envs.host.games import Family
from envs.host.games.shared_pages import Refused, SharedPages
from envs.host.seeds import Contexts, episode_seeds

_STEPS, _EPISODE_STEPS, _EPISODES, _SECONDS = 400, 120, 12, 60  # at most


def difference(family: Family, pages: SharedPages) -> str | None:
    """Plays one game with and one without shared pages, same seeds and actions, with resets.

    Returns:
      What was not equal, or None.

    Raises:
      Refused: the pages cannot be shared at all.
    """
    kinds = family.description.action
    if not isinstance(kinds, int):
        return "actions are not numbered"
    rng, steps, games = np.random.default_rng(0), 0, []
    rows = [{k: np.zeros(*d) for k, d in family.staging().items()} for _ in range(2)]
    try:
        games = [family.game(row) for row in rows]
        for episode in range(_EPISODES):
            for game in games:
                game.reset(episode_seeds((0, 0), episode, Contexts()))
            pages.share(games[0])
            for step in range(min(_EPISODE_STEPS, _STEPS - steps)):
                action = int(rng.integers(kinds))
                one, two = (game.step(action) for game in games)
                same = all(np.array_equal(rows[0][key], rows[1][key]) for key in rows[0])
                if one != two or not same:
                    return f"a game that shares them went another way at step {step} of {episode}"
                steps += 1
                if one[1] or one[2]:
                    break
    finally:
        for game in games:
            game.close()
    return None


def checked(family: Family) -> tuple[SharedPages | None, str | None]:
    """Pages to share, after `difference` in a forked process: a mistake may end it, not this one.

    Returns:
      The pages, or None and why they cannot be shared.
    """
    if not family.description.library:
        return None, "the games are not played by NLE's library"
    try:
        pages = SharedPages()
    except Refused as error:
        return None, str(error)
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            signal.alarm(_SECONDS)
            os.close(ours)
            try:
                why = difference(family, pages)
            except Refused as error:
                why = str(error)
            except BaseException:
                why = traceback.format_exc(limit=-2)
            os.write(theirs, (why or "equal").encode()[:4000])
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as file:
        answer = file.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if answer == "equal":
        return pages, None
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return None, answer or f"a game that shares them ended with {ended}"
