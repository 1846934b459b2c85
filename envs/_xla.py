"""One XLA flag, set before JAX starts: without it programs of this suite can hang on a CPU.

XLA's CPU scheduler for concurrent thunks loses a wake-up in some programs with nested loops (seen with
jaxlib 0.10.2 on recurrent PPO and on E3B, about every second run): every thread waits and the process
never returns. The sequential scheduler runs the same programs, as fast. `XLA_FLAGS` that names the
flag already wins. XLA reads the variable at JAX's first computation, so `import envs` or `import
jaxrl_suite` has to come before that (importing gymnax computes something).
"""

from __future__ import annotations

import os
from importlib.metadata import version

FLAG = "xla_cpu_enable_concurrency_optimized_scheduler"
# XLA refuses to start on a flag that it does not know, so only versions seen to know it get it
KNOWN_TO = ("0.10.", "0.11.")


def avoid_deadlock() -> None:
    """Adds the flag to `XLA_FLAGS`."""
    flags = os.environ.get("XLA_FLAGS", "")
    if FLAG not in flags and version("jaxlib").startswith(KNOWN_TO):
        os.environ["XLA_FLAGS"] = f"{flags} --{FLAG}=false".strip()
