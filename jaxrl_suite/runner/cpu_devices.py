"""One CPU device a core, so that seeds run side by side: XLA alone keeps few cores busy with one."""

from __future__ import annotations

import os
from collections.abc import Iterable


def configure(seeds: int, environments: Iterable[str | None] = ()) -> int:
    """Splits the CPU into as many devices as divide `seeds`, up to the number of cores.

    Where one of the `environments` (by name) is on the host, the single device stays: callbacks need it,
    and worker processes use the cores.

    Leaves everything as it is where the user chose (`JAX_NUM_CPU_DEVICES`, or
    `--xla_force_host_platform_device_count` in `XLA_FLAGS`) or JAX has already started. Other
    platforms' devices are not touched.

    Returns:
      How many CPU devices were asked for; 0 where nothing was done.
    """
    chosen = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if chosen or os.environ.get("JAX_NUM_CPU_DEVICES"):
        return 0
    import jax

    from envs.cores import usable_cores
    from envs.host.catalogue import on_host

    if any(env is not None and on_host(env) for env in environments):
        return 0
    seeds = max(1, seeds)  # too few for the processes is for `Hosts.part` to tell
    count = max(n for n in range(1, min(seeds, usable_cores()) + 1) if seeds % n == 0)
    try:
        jax.config.update("jax_num_cpu_devices", count)
    except RuntimeError:  # too late: a backend is running
        return 0
    return count
