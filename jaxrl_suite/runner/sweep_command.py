"""`jaxrl sweep`: from the command line to the programs, the report and the exit code."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from jaxrl_suite.runner.command_line import as_option, parse_run, take_grid, without
from jaxrl_suite.runner.errors import RunError

if TYPE_CHECKING:
    from jaxrl_suite.experiment import Spec


def sweep_spec(spec: Spec, given: list[str], start: str) -> int:
    """Trains what the command line `given` asks for, or goes on with it; returns the exit code.

    Raises:
      RunError: for options that cannot be used, and at the end where a cell has diverged.
    """
    from jaxrl_suite.runner import compile_cache, cpu_devices, hosts, sweep, sweep_file

    arguments, fields = take_grid(spec, given)
    options = parse_run(spec, arguments, start)[1]
    if options.resume and not fields:
        options.check()
        stored = sweep_file.arguments_of(options.out, spec)
        if stored is None:
            raise RunError(f"out={str(options.out)!r}: the folder holds no sweep to resume")
        # where the processes are is said anew each time
        stored = without(stored, {"out", *sweep.PROCESSES})
        arguments, fields = take_grid(spec, [*stored, *given])
        options = parse_run(spec, arguments, start)[1]
    if not fields:
        raise RunError("sweep: nothing to sweep; add --grid FIELD=A,B,C")
    options.check()
    if options.out is None:
        raise RunError("out=None: a sweep needs a folder; give --out DIR")
    configs = {}
    for values in sweep.grid(fields):
        more = [part for name, value in values.items() for part in as_option(spec, name, value)]
        config = parse_run(spec, [*arguments, *more], start)[0]
        # by the values as the config has them, which is how reports write them: 1e30 is 1e+30
        label = ",".join(f"{name}={getattr(config, name)}" for name in values)
        if label in configs:
            raise RunError(f"{label} stands twice in the grid: give every value once")
        configs[label] = config
    compile_cache.configure(options.compile_cache)
    rows = len(configs) * options.seeds // (options.processes or 1)
    cpu_devices.configure(rows, [spec.plays(config) for config in configs.values()])
    hosts.connect(options)
    command = f"{start} {shlex.join(given)}"
    places = sweep.sweep(spec, configs, options, command, given)
    host = hosts.current(options)
    gone = host.together(lambda: sweep.diverged(places))
    if host.writes:
        print(f"{len(places)} run directories in {options.out / 'cells'}")
        if options.plots:
            from jaxrl_suite.runner.report import ReportOptions, report

            report(list(places.values()), ReportOptions(options.out, aggregate=options.aggregate))
        if gone:
            told = "; ".join(f"{label}: {text}" for label, text in gone.items())
            what = f"{len(gone)} of {len(places)} cells diverged, the rest of the sweep is trained"
            raise RunError(f"{what}; {told}", exit_code=1)
    return 1 if gone else 0
