"""Exploration bonuses: each is an `init` and an `update`, joined to an agent by `bonus.Bonus`."""
