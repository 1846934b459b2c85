"""Vectorised JAX environments with one pure protocol; they know nothing of agents.

    import envs
    env, params = envs.make("MultiRoom-N6")
"""

from envs import _xla

_xla.avoid_deadlock()

from envs.core import Environment, EnvParams, StepInfo  # noqa: E402  after the flag
from envs.registry import UnknownEnvironment, UnknownOption, make, register, registered  # noqa: E402

__all__ = [
    "EnvParams",
    "Environment",
    "StepInfo",
    "UnknownEnvironment",
    "UnknownOption",
    "make",
    "register",
    "registered",
]
