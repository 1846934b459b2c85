"""A MiniGrid-compatible grid world in JAX: engine, levels, pictures, and import from MiniGrid."""
