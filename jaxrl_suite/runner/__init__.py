"""The runner: `run(spec, config, Options(...))` and the `jaxrl` command.

`loop` checks the input, `job` is the host loop, `segment` the compiled part; `checkpoint`, `table`,
`sinks`, `folder` are what it writes; `curves`, `stats`, `plots`, `report`, `video`, `finish` are what
it shows at the end; `cli` is the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxrl_suite.runner.errors import Interrupted, RunError
from jaxrl_suite.runner.options import Options

if TYPE_CHECKING:
    from jaxrl_suite.experiment import Spec

__all__ = ["Interrupted", "Options", "RunError", "run"]


def run(spec: Spec, config: Any, options: Options, command: str | None = None) -> dict[str, Any]:
    """See `jaxrl_suite.runner.loop.run`; imported when called, so that `jaxrl --help` is quick."""
    from jaxrl_suite.runner import loop

    return loop.run(spec, config, options, command)
