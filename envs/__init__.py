"""Vectorised JAX environments with one pure protocol; they know nothing of agents.

import envs
env, params = envs.make("MultiRoom-N6")
"""

from envs.checking import BrokenProtocol, check
from envs.core import Environment, EnvParams, StepInfo, batch_keys
from envs.registry import UnknownEnvironment, UnknownOption, make, register, registered

__all__ = [
    "BrokenProtocol",
    "EnvParams",
    "Environment",
    "StepInfo",
    "UnknownEnvironment",
    "UnknownOption",
    "batch_keys",
    "check",
    "make",
    "register",
    "registered",
]
