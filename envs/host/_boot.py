"""Started as a script by the pool: becomes a worker without importing JAX.

`import envs` would import the registry, and with it JAX: seconds and hundreds of megabytes a worker.
So `envs` and `envs.host` become packages here without running their `__init__`. Nor is the user's
main module imported (as multiprocessing's spawn does), so scripts need no guard and notebooks work.
"""

from __future__ import annotations

import os
import sys
import types


def _package(name: str, path: str) -> None:
    module = types.ModuleType(name)
    module.__path__ = [path]
    sys.modules[name] = module


if __name__ == "__main__":
    host = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = os.environ.pop("JAXRL_HOST_PATH").split(os.pathsep)
    _package("envs", os.path.dirname(host))
    _package("envs.host", host)
    from envs.host import worker

    worker.main(int(sys.argv[1]))
