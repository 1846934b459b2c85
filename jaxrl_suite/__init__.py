"""Exploration research in JAX: agents, exploration bonuses and one runner, as pure functions."""
