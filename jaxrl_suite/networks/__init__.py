"""flax.linen modules: encoders, recurrent cores, actor-critics."""
