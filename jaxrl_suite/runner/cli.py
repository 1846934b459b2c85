"""The `jaxrl` command: `list`, `envs [NAME]`, `run NAME`, `sweep NAME`, `report DIR...`, `watch DIR`,
`eval DIR`, `bench [NAME]`.

Options come from dataclasses through tyro: an experiment's config fields and the runner's `Options`
stand side by side, with `-` or `_` between words. Bad input ends in one line on stderr and exit code
2. Modules that import JAX are imported by the command that needs them.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import os
import pkgutil
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxrl_suite.runner import quiet, scripts
from jaxrl_suite.runner.arguments import parse
from jaxrl_suite.runner.command_line import directories_first, parse_run
from jaxrl_suite.runner.errors import RunError
from jaxrl_suite.runner.sweep_command import sweep_spec
from jaxrl_suite.runner.usage import (
    BENCH_USAGE,
    ENVS_USAGE,
    LIST_USAGE,
    RUN_USAGE,
    SWEEP_USAGE,
    USAGE,
)

if TYPE_CHECKING:
    from jaxrl_suite.experiment import Spec

HELP = ("-h", "--help")


def main(argv: Sequence[str] | None = None, package: str = "experiments") -> int:
    """The `jaxrl` command. Returns the exit code; `package` holds the experiment scripts."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _find_checkout(package)
    commands: dict[str, Callable[[list[str]], int]] = {
        "list": lambda rest: _list(rest, package),
        "envs": _envs,
        "run": lambda rest: _run(rest, package),
        "sweep": lambda rest: _sweep(rest, package),
        "report": _report,
        "watch": lambda rest: _watch(rest, package),
        "eval": lambda rest: _eval(rest, package),
        "bench": _bench,
    }
    if not arguments or arguments[0] in HELP:
        print(USAGE, end="")
        return 0
    if arguments[0] == "--version":
        print(f"jaxrl {importlib.metadata.version('jaxrl-suite')}")
        return 0
    if arguments[0] not in commands:
        from envs.suggest import hint  # this late, as `envs` imports JAX

        return _fail(f"unknown command {arguments[0]!r}: {hint(arguments[0], commands)}")
    return _guarded(lambda: commands[arguments[0]](arguments[1:]))


def run_script(spec: Spec, argv: Sequence[str] | None = None) -> None:
    """For `if __name__ == "__main__":` in an experiment's script; ends the process.

    `python SCRIPT OPTIONS` trains; with `sweep`, `watch`, `eval` or `report` as the first word it does
    what `jaxrl sweep NAME`, `jaxrl watch`, `jaxrl eval` and `jaxrl report` do.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    main_module = sys.modules.get("__main__")
    module = getattr(getattr(main_module, "__spec__", None), "name", None)
    start = shlex.join(["python", "-m", module] if module else ["python", sys.argv[0]])
    spec = dataclasses.replace(spec, script=scripts.running(spec.name))
    commands: dict[str, Callable[[list[str]], int]] = {
        "run": lambda rest: _run_spec(spec, rest, start),
        "sweep": lambda rest: sweep_spec(spec, rest, start),
        "report": _report,
        "watch": lambda rest: _watch(rest, "experiments", spec),
        "eval": lambda rest: _eval(rest, "experiments", spec),
    }
    if spec.script is not None:
        scripts.trust(spec.script)
    what, rest = "run", arguments
    if arguments and arguments[0] in commands:
        what, rest = arguments[0], arguments[1:]
    sys.exit(_guarded(lambda: commands[what](rest)))


def entry() -> None:
    """The console script."""
    sys.exit(main())


def _guarded(command: Callable[[], int]) -> int:
    """Runs a command; expected errors become one line and an exit code."""
    quiet.tensorstore()
    try:
        return command()
    except RunError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:  # the reader of our output (head, say) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ValueError as error:
        if not _is_config_error(error):
            raise
        return _fail(str(error))


def _is_config_error(error: BaseException) -> bool:
    from jaxrl_suite.experiment import ConfigError

    return isinstance(error, ConfigError)


def _fail(message: str, code: int = 2) -> int:
    print("jaxrl: " + " ".join(message.split()), file=sys.stderr, flush=True)
    return code


def _find_checkout(package: str) -> None:
    """Makes `experiments` and `benchmarks` of a checkout importable from its root."""
    here = str(Path.cwd())
    if here not in sys.path and any((Path(here) / p).is_dir() for p in (package, "benchmarks")):
        sys.path.append(here)


def _list(rest: list[str], package: str) -> int:
    if rest and rest[0] in HELP:
        print(LIST_USAGE, end="")
        return 0
    if rest:
        return _fail(f"unknown argument {rest[0]!r}: jaxrl list takes none")
    from jaxrl_suite.runner import about

    about.list_all(package)
    return 0


def _envs(rest: list[str]) -> int:
    if rest and rest[0] in HELP:
        print(ENVS_USAGE, end="")
        return 0
    if len(rest) > 1 or any(word.startswith("-") for word in rest):
        return _fail(f"unknown argument {rest[-1]!r}: jaxrl envs takes one name, or none")
    from jaxrl_suite.runner import about

    if rest:
        about.describe(rest[0])
    else:
        about.list_environments()
    return 0


def _run(rest: list[str], package: str) -> int:
    if rest and rest[0] in HELP:
        print(RUN_USAGE, end="")
        return 0
    if not rest or rest[0].startswith("-"):
        return _fail("run: name the experiment first: jaxrl run NAME [OPTIONS]; see jaxrl list")
    _to_script(rest[0], rest[1:])
    from jaxrl_suite import experiment

    spec = experiment.get(rest[0], package)
    return _run_spec(spec, rest[1:], shlex.join(["jaxrl", "run", rest[0]]))


def _run_spec(spec: Spec, arguments: list[str], start: str) -> int:
    from jaxrl_suite import runner
    from jaxrl_suite.experiment import ConfigError
    from jaxrl_suite.runner import compile_cache, cpu_devices, hosts, options, saved

    config, chosen = parse_run(spec, arguments, start)
    assert isinstance(chosen, options.Options)
    chosen.check()
    compile_cache.configure(chosen.compile_cache)
    cpu_devices.configure(chosen.seeds // (chosen.processes or 1), [spec.plays(config)])
    hosts.connect(chosen)
    try:
        runner.run(spec, config, chosen, f"{start} {shlex.join(arguments)}".strip())
    except (RunError, ConfigError) as error:
        by = saved.script(chosen.out) if chosen.resume and chosen.out is not None else None
        if by is None or spec.script is not None or "is not known" not in str(error):
            raise
        again = shlex.join(["python", by.path, "--out", str(chosen.out), "--resume"])
        raise RunError(f"{error}; a script of its own made this run: go on with {again}") from None
    return 0


def _sweep(rest: list[str], package: str) -> int:
    if rest and rest[0] in HELP:
        print(SWEEP_USAGE, end="")
        return 0
    if not rest or rest[0].startswith("-"):
        return _fail("sweep: name the experiment first: jaxrl sweep NAME --grid FIELD=A,B ...")
    _to_script(rest[0], ["sweep", *rest[1:]])
    from jaxrl_suite import experiment

    spec = experiment.get(rest[0], package)
    return sweep_spec(spec, rest[1:], shlex.join(["jaxrl", "sweep", spec.name]))


def _to_script(name: str, arguments: list[str]) -> None:
    """Hands over to a script that is named in place of an experiment."""
    if name.endswith(".py"):
        from jaxrl_suite.experiment import Script

        scripts.hand_over(Script(str(Path(name).resolve())), arguments, asked=True)


def _report(rest: list[str]) -> int:
    from jaxrl_suite.runner.report import ReportOptions, report

    about = "Compares runs: learning curves and final values."
    spare: list[str] = []
    rest = directories_first(rest)
    options = parse({"options": ReportOptions()}, rest, "jaxrl report DIR...", about, spare)
    report([Path(directory) for directory in spare], options["options"])
    return 0


def _watch(rest: list[str], package: str, spec: Spec | None = None) -> int:
    from jaxrl_suite.runner import saved
    from jaxrl_suite.runner.watch import WatchOptions, watch

    about = "Plays a run's agent, from its newest checkpoint, in the terminal."
    spare: list[str] = []
    options = parse({"options": WatchOptions()}, rest, "jaxrl watch DIR", about, spare)
    if len(spare) != 1:
        return _fail("watch: name one run directory: jaxrl watch DIR [OPTIONS]")
    script = None if spec is not None else saved.script(Path(spare[0]))
    if script is not None:
        scripts.hand_over(script, ["watch", *rest])
    watch(Path(spare[0]), options["options"], package, spec)
    return 0


def _eval(rest: list[str], package: str, spec: Spec | None = None) -> int:
    from jaxrl_suite.runner import saved
    from jaxrl_suite.runner.evaluate import EvalOptions, evaluate

    about = "Evaluates a run's agents, from its newest checkpoint, in its environment or another."
    spare: list[str] = []
    options = parse({"options": EvalOptions()}, rest, "jaxrl eval DIR", about, spare)
    if len(spare) != 1:
        return _fail("eval: name one run directory: jaxrl eval DIR [OPTIONS]")
    script = None if spec is not None else saved.script(Path(spare[0]))
    if script is not None:
        scripts.hand_over(script, ["eval", *rest])
    evaluate(Path(spare[0]), options["options"], package, spec)
    return 0


def _bench(rest: list[str]) -> int:
    asked = bool(rest) and rest[0] in HELP
    name = rest.pop(0) if rest and not rest[0].startswith("-") else "suite"
    try:
        package = importlib.import_module("benchmarks")
    except ModuleNotFoundError:
        if asked:
            print(BENCH_USAGE + "the benchmarks of a checkout, from its root")
            return 0
        return _fail("bench: no package benchmarks here; run it from the repository's root")
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_")
    if asked:
        print(BENCH_USAGE + ", ".join(names))
        return 0
    if name not in names:
        from envs.suggest import hint  # this late, as `envs` imports JAX

        return _fail(f"unknown benchmark {name!r}: {hint(name, names)}")
    return int(importlib.import_module(f"benchmarks.{name}").main(rest) or 0)


if __name__ == "__main__":
    entry()
