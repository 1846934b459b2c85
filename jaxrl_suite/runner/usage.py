"""What `jaxrl` and its commands say of themselves."""

USAGE = """\
usage: jaxrl COMMAND ...

  jaxrl list                     experiments and environments
  jaxrl envs [NAME]              what environment NAME looks like, and its options
  jaxrl run NAME [OPTIONS]       train; `jaxrl run NAME --help` lists NAME's options
                                 (NAME or a script of your own, PATH.py; `sweep` too)
  jaxrl sweep NAME --grid ...    train a grid of settings as few batched programs
  jaxrl report DIR... [OPTIONS]  compare runs and sweeps: curves, table, CSV, JSON
  jaxrl watch DIR [OPTIONS]      play a trained agent in the terminal
  jaxrl eval DIR [OPTIONS]       evaluate a trained agent, in another environment too (--env NAME)
  jaxrl bench [NAME] [OPTIONS]   benchmarks; without NAME the whole suite
  jaxrl --version                the version that is installed
"""
ENVS_USAGE = """\
usage: jaxrl envs [NAME]

Describes environment NAME: spaces, length of an episode, options and their values. Without NAME it
lists those there are. Options go behind the name: --env 'DoorKey-8x8?size=6&view=full'.
"""
LIST_USAGE = "usage: jaxrl list\n\nLists the experiments and the environments there are.\n"
RUN_USAGE = """\
usage: jaxrl run NAME [OPTIONS]

Trains experiment NAME. `jaxrl list` shows the names, `jaxrl run NAME --help` NAME's options.
"""
SWEEP_USAGE = """\
usage: jaxrl sweep NAME --grid FIELD=A,B,C [--grid ...] --out DIR [OPTIONS]

Trains experiment NAME with every combination of the values, `--seeds` seeds each. Settings that
differ in numbers share one program. Each combination gets a run directory under DIR/cells. Other
options are those of `jaxrl run NAME`. `jaxrl sweep NAME --out DIR --resume` goes on.

  jaxrl sweep ppo --env MultiRoom-N4-S5 --grid bonus=e3b,rnd --grid coefficient=0.01,0.1 \\
    --seeds 5 --out runs/sweep
"""
BENCH_USAGE = """\
usage: jaxrl bench [NAME] [OPTIONS]

Runs benchmark NAME, or the whole suite: hours on two cores, minutes with --quick, written to
runs/bench. `jaxrl bench NAME --help` lists NAME's options, `jaxrl bench suite --help` the suite's.
NAME alone writes over the checkout's docs/results, unless --out DIR, or else the environment variable
JAXRL_BENCH_RESULTS, names another folder.

NAME is one of: """
