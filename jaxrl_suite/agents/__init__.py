"""Agents: each a pair of pure functions, `init(key)` and `update(state)`, over one typed state."""
