"""Vectorised JAX environments with one pure protocol; they know nothing of agents.

import envs
env, params = envs.make("MultiRoom-N6")
"""

from envs.core import Environment, EnvParams, StepInfo, batch_keys
from envs.registry import UnknownEnvironment, UnknownOption, make, register, registered

__all__ = [
    "EnvParams",
    "Environment",
    "StepInfo",
    "UnknownEnvironment",
    "UnknownOption",
    "batch_keys",
    "make",
    "register",
    "registered",
]
