"""XLA's persistent compilation cache, in the user's cache folder."""

from __future__ import annotations

import os


def configure(enabled: bool) -> None:
    """Turns the cache on or off; `JAX_COMPILATION_CACHE_DIR`, where set, names its folder."""
    import jax
    import platformdirs

    jax.config.update("jax_enable_compilation_cache", enabled)
    if not enabled or os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    folder = platformdirs.user_cache_path("jaxrl-suite") / "xla"
    jax.config.update("jax_compilation_cache_dir", str(folder))
