"""`run`: trains an experiment into a run directory.

    from jaxrl_suite.runner import Options, run
    summary = run(EXPERIMENT, Config(env="Empty-8x8"), Options(seeds=4, out=Path("runs/mine")))

Here the input is checked and the folder claimed; `job` trains.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from jaxrl_suite import checks
from jaxrl_suite.experiment import ConfigError, Experiment, Spec
from jaxrl_suite.runner import folder, hosts, memory, scripts, signals, sinks
from jaxrl_suite.runner.errors import RunError, disk_is_full
from jaxrl_suite.runner.job import Job
from jaxrl_suite.runner.options import Options, default_log_every


def run(
    spec: Spec,
    config: Any,
    options: Options,
    command: str | None = None,
    again: str | None = None,
    rows: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Trains `options.seeds` seeds of an experiment and writes its run directory.

    Args:
      spec: the experiment.
      config: an instance of `spec.config`.
      options: see `Options`.
      command: what the user typed, for `summary.json` and the line that says how to resume.
      again: the command that resumes, where it is not `jaxrl run`.
      rows: of a sweep: a name for each row. One that diverges is then marked and the others go on;
        without them a metric that is not finite ends the run.

    Returns:
      What `summary.json` holds.

    Raises:
      RunError: for input that cannot be used, a metric that is not finite, a full disk or memory.
      Interrupted: after SIGTERM or SIGINT, once the state is saved.
      ConfigError: from the experiment, for a config it cannot use.
    """
    options.check()
    if jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise RunError(
            "jax_enable_x64=True: environments and agents have 32 bits; unset JAX_ENABLE_X64"
        )
    try:
        experiment = spec.build(config)
    except ConfigError:
        raise
    except ValueError as error:  # an environment's own words about its name or options
        raise RunError(str(error)) from error
    except OverflowError as error:
        raise _too_large(error) from error
    _check_length(spec, config, experiment)
    host = hosts.current(options)
    host.same("the config", [spec.name, folder.plain(config), options.seed, options.seeds])
    if options.wandb and host.writes:
        sinks.check_wandb()
    out = options.out if options.out is not None else folder.default_out(spec, config)
    out = Path(host.share(str(out)))
    options = dataclasses.replace(options, out=out)
    again = again or resume_command(spec, out, command)
    try:
        with contextlib.ExitStack() as stack:
            resuming, log_every = host.together(lambda: _take(stack, spec, experiment, options))
            options = dataclasses.replace(options, log_every=log_every)
            stop = stack.enter_context(signals.watch())
            job = Job(spec, config, experiment, options, again, command, stop, stack, host, rows)
            summary = job.run(resuming)
            return host.share(summary)  # nobody leaves before process 0 has written everything
    except Exception as error:
        if disk_is_full(error):
            raise RunError(
                f"the disk that holds {out} is full; the newest complete checkpoint is kept: make "
                f"room, then run: {again}",
                exit_code=1,
            ) from error
        if memory.is_used_up(error):
            raise memory.used_up(error) from error
        if isinstance(error, OverflowError):
            raise _too_large(error) from error
        raise


def _too_large(error: OverflowError) -> RunError:
    return RunError(f"a setting is too large for 32-bit numbers: {error}")


def _check_length(spec: Spec, config: Any, experiment: Experiment) -> None:
    """Refuses runs without updates, and more of them than a 32-bit counter counts.

    Raises:
      ConfigError: naming the option that sets the length, where there is one.
    """
    updates = experiment.num_updates
    if updates < 1:
        raise ConfigError("num_updates", updates, "a run has one update or more")
    if updates > checks.MOST:
        named = [name for name in spec.length if getattr(config, name, None) is not None]
        field = named[0] if named else "num_updates"
        value = getattr(config, field, updates)
        raise ConfigError(field, value, f"{updates} updates are more than {checks.MOST}")


def _take(
    stack: contextlib.ExitStack, spec: Spec, experiment: Experiment, options: Options
) -> tuple[bool, int]:
    """Claims the folder until `stack` ends: whether a run there goes on, and its `log_every`."""
    assert options.out is not None
    folder.claim(options.out, spec, options)
    try:
        stack.callback(folder.unlock, folder.lock(options.out))
    except OSError as error:
        raise RunError(f"out={str(options.out)!r}: cannot be written ({error.strerror})") from error
    resuming = folder.claim(options.out, spec, options)  # again, now that nobody else can write
    return resuming, _log_every(options.out, experiment, options)


def resume_command(spec: Spec, out: Path, command: str | None) -> str:
    """The command that continues the run in `out`; its config is read from there."""
    start = f"jaxrl run {spec.name}"
    if spec.script is not None:
        start = shlex.join(scripts.command(spec, "run"))
    elif command and command.startswith("python -m "):
        start = shlex.join(shlex.split(command)[:3])
    return f"{start} --out {shlex.quote(str(out))} --resume"


def _log_every(out: Path, experiment: Experiment, options: Options) -> int:
    """`log_every` as chosen, else as the run being resumed has it, else by its length."""
    if options.log_every is not None:
        return options.log_every
    stored = folder.read(out)
    chosen = stored["runner"].get("log_every") if stored else None
    return chosen or default_log_every(experiment.num_updates)
