"""Exploration research in JAX: agents, exploration bonuses and one runner, as pure functions."""

from jaxrl_suite import _xla

_xla.avoid_deadlock()
