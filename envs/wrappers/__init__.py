"""Wrappers: environments around environments, each one idea, all with the same protocol.

`envs.make` puts them together in this order, innermost first: a fixed number of contexts, a time
limit, auto-reset, the episode log, then what is added to observations (noise, a time counter).
"""

from envs.wrappers.auto_reset import AutoReset, AutoResetParams
from envs.wrappers.episodes import LOGGED, EpisodeLog, FixedContexts, LogState, TimeLimit
from envs.wrappers.observations import NoiseChannel, TimeCounter
from envs.wrappers.wrapper import CountState, Wrapper, select, sends

__all__ = [
    "LOGGED",
    "AutoReset",
    "AutoResetParams",
    "CountState",
    "EpisodeLog",
    "FixedContexts",
    "LogState",
    "NoiseChannel",
    "TimeCounter",
    "TimeLimit",
    "Wrapper",
    "select",
    "sends",
]
