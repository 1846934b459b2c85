"""Exploration research in JAX: agents, exploration bonuses and one runner, as pure functions."""

import envs as _envs  # noqa: F401  sets an XLA flag that has to come before JAX's first computation
