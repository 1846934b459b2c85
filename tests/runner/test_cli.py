"""The command line: options from dataclasses, errors of one line."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml
from walks import walk

from jaxrl_suite.runner import Options, RunError, cli, command_line, quiet
from jaxrl_suite.runner.folder import differences, plain, with_values


def fails(capsys, *arguments: str, code: int = 2) -> str:
    assert cli.main(list(arguments), package="walks") == code
    shown = capsys.readouterr()
    assert shown.err.startswith("jaxrl: ") and shown.err.count("\n") == 1, shown.err
    return shown.err


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["rnu"], ["unknown command 'rnu'", "did you mean run?"]),
        (["run"], ["name the experiment first"]),
        (["run", "--seeds", "2"], ["name the experiment first"]),
        (["run", "wlak"], ["experiment='wlak'", "did you mean walk?"]),
        (["run", "walk", "--lerning-rate", "1"], ["--lerning-rate", "mean --learning-rate?"]),
        (["run", "walk", "--lerning_rate=1"], ["--lerning-rate", "mean --learning-rate?"]),
        (["run", "walk", "--lr", "1"], ["unknown option --lr", "did you mean --learning-rate?"]),
        (["run", "walk", "--xyzzy"], ["unknown option --xyzzy", "--help lists them"]),
        (["run", "walk", "--seeds", "two"], ["--seeds", "'two'"]),
        (["run", "walk", "--seeds", "0"], ["seeds=0", "1 or more"]),
        (["run", "walk", "--learning-rate"], ["--learning-rate"]),
        (["run", "walk", "--env", "Lime"], ["env='Lime'", "Line, Circle"]),
        (["run", "walk", "spare"], ["unexpected argument 'spare'"]),
        (["run", "walk", "--resume"], ["--out DIR"]),
        (["run", "walk", "--aggregate", "median"], ["--aggregate", "median"]),
        (["report"], ["name one run directory or more"]),
        (["report", "no-such-run"], ["no-such-run", "no config.yaml"]),
        (["report", "x", "--metrics", "loss"], ["--metrics", "did you mean --metric?"]),
        (["list", "more"], ["'more'"]),
        (["envs", "DorKey-8x8"], ["env='DorKey-8x8'", "did you mean DoorKey-8x8"]),
        (["envs", "a", "b"], ["'b'", "one name"]),
        (["run", "walk", "--total-steps", "1e-3"], ["--total-steps='1e-3': a whole number"]),
        (["run", "walk", "--total-steps=2.5"], ["--total-steps='2.5': a whole number"]),
        (["run", "walk", "--num-updates", "5"], ["walk is as long as --total-steps says"]),
        (["run", "walk", "--seeds", "1e30"], ["seeds=1000", "at most 1048576"]),
        (["run", "walk", "--total-steps", "1e15"], ["total_steps=1000", "more than 2147483647"]),
        (["sweep", "walk", "--grid", "seed=0,1"], ["grid='seed=0,1'", "--seeds N"]),
        (["bench", "no-such-benchmark"], ["bench"]),
    ],
)
def test_errors_are_one_line(capsys, arguments, texts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = fails(capsys, *arguments)
    for text in texts:
        assert text in message
    assert not list(tmp_path.iterdir())


def test_hyphens_and_underscores_and_tuples():
    for spelling in ("--learning-rate", "--learning_rate"):
        config, options = command_line.parse_run(
            walk.EXPERIMENT,
            [spelling, "0.5", "--hidden", "4", "5", "6", "--log_every", "3", "--no-video"],
            "jaxrl run walk",
        )
        assert config == walk.Config(learning_rate=0.5, hidden=(4, 5, 6))
        assert options == Options(log_every=3, video=False)


def test_whole_numbers_in_powers_of_ten():
    given = ["--total-steps", "1e6", "--seeds=2e0", "--learning-rate", "1e-3"]
    config, options = command_line.parse_run(walk.EXPERIMENT, given, "jaxrl run walk")
    assert (config.total_steps, options.seeds, config.learning_rate) == (1_000_000, 2, 1e-3)
    with pytest.raises(RunError, match=r"--total-steps.*1\.5e0|'1\.5e0'"):
        command_line.parse_run(walk.EXPERIMENT, ["--total-steps", "1.5e0"], "jaxrl run walk")


@pytest.mark.parametrize(
    "given, plots, scaled",
    [
        (["--plots", "--scaled"], True, True),
        (["--no-plots", "--no-scaled"], False, False),
        (["--plots", "False", "--scaled", "true"], False, True),
        (["--plots=true", "--scaled=False"], True, False),
        (["--no-plots", "False", "--scaled", "None"], True, None),
        (["--scaled", "--seeds", "3", "--no-plots"], False, True),
    ],
)
def test_switches_go_bare_negated_or_with_a_value(given, plots, scaled):
    @dataclasses.dataclass(frozen=True)
    class Config:
        scaled: bool | None = None

    spec = dataclasses.replace(walk.EXPERIMENT, config=Config)
    config, options = command_line.parse_run(spec, given, "jaxrl run walk")
    assert (options.plots, config.scaled) == (plots, scaled)


def test_switches_refuse_other_values():
    with pytest.raises(RunError, match="--plots='maybe': True or False"):
        command_line.parse_run(walk.EXPERIMENT, ["--plots=maybe"], "jaxrl run walk")


def test_config_fields_may_not_hide_the_runner_s():
    @dataclasses.dataclass(frozen=True)
    class Config:
        seeds: int = 1

    spec = dataclasses.replace(walk.EXPERIMENT, config=Config)
    with pytest.raises(RunError, match="seeds"):
        command_line.parse_run(spec, [], "jaxrl run walk")


def test_help_is_quick_and_imports_no_jax():
    code = """
import sys
from jaxrl_suite.runner import cli
for arguments in (["--help"], ["list", "--help"], ["run", "--help"], ["bench", "--help"]):
    assert cli.main(arguments) == 0
assert not {"jax", "orbax", "scipy", "matplotlib", "tyro"} & set(sys.modules)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "jaxrl run NAME" in done.stdout


def test_help_of_an_experiment(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", "walk", "--help"], package="walks")
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for text in ("--learning-rate FLOAT", "step size of the learned scalar", "--seeds INT"):
        assert text in shown
    assert "config." not in shown


def test_list(capsys, monkeypatch):
    import envs

    monkeypatch.setattr(envs, "registered", lambda: ["Corner-8x8", "Corner-16x16"], raising=False)
    assert cli.main(["list"], package="walks") == 0
    shown = capsys.readouterr().out
    assert "walk" in shown and "A random walk with a learned scalar." in shown
    assert "Corner-8x8" in shown and "Corner-16x16" in shown


def test_bench_passes_its_options_on(tmp_path, monkeypatch, capsys):
    package = tmp_path / "benchmarks"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "suite.py").write_text("def main(argv):\n    print('suite', argv)\n")
    (package / "speed.py").write_text("def main(argv):\n    print('speed', argv)\n    return 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    names = [name for name in sys.modules if name.split(".")[0] == "benchmarks"]
    loaded = {name: sys.modules.pop(name) for name in names}
    assert cli.main(["bench", "speed", "--fast", "1"]) == 3
    assert cli.main(["bench", "--fast"]) == 0
    assert capsys.readouterr().out == "speed ['--fast', '1']\nsuite ['--fast']\n"
    assert "did you mean speed?" in fails(capsys, "bench", "sped")
    for name in [n for n in sys.modules if n.split(".")[0] == "benchmarks"]:
        del sys.modules[name]
    sys.modules.update(loaded)


def test_default_output_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = ["--total-steps", "16", "--no-plots", "--no-video", "--no-tensorboard"]
    for _ in range(2):  # within one second, too
        assert cli.main(["run", "walk", *quick], package="walks") == 0
    made = sorted(p.name for p in (tmp_path / "runs").iterdir())
    assert len(made) == 2 and all(name.startswith("walk-Line-2") for name in made)


def test_wandb_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    out = ["--out", str(tmp_path / "run"), "--total-steps", "16"]
    message = fails(capsys, "run", "walk", "--wandb", *out)
    assert "pip install 'jaxrl-suite[wandb]'" in message


def test_wandb_without_a_login(capsys, monkeypatch, tmp_path):
    """Is told before anything is trained or written."""

    class Error(Exception):
        pass

    def login():
        raise Error("No API key configured.")

    fake = types.SimpleNamespace(errors=types.SimpleNamespace(Error=Error), login=login)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    arguments = ["run", "walk", "--wandb", "--out", str(tmp_path / "run")]
    assert "--wandb: No API key configured. (a key in WANDB_API_KEY" in fails(capsys, *arguments)
    fake.login = lambda: False
    assert "--wandb: not logged in" in fails(capsys, *arguments)
    assert not (tmp_path / "run").exists()


def test_config_survives_yaml():
    @dataclasses.dataclass(frozen=True)
    class Inner:
        width: int = 1
        sizes: tuple[int, ...] = (1, 2)

    @dataclasses.dataclass(frozen=True)
    class Config:
        inner: Inner = Inner()
        rate: float = 1e-5
        path: Path = Path("a")
        none: float | None = None

    config = Config(Inner(3, (4,)), 1e-7, Path("b/c"), 2.0)
    stored = yaml.safe_load(yaml.safe_dump(plain(config)))
    assert with_values(Config(), stored) == config
    assert differences(stored, plain(config)) == {}
    changed = dataclasses.replace(config, inner=Inner(5, (4,)))
    assert differences(stored, plain(changed)) == {"inner.width": "3 there, 5 now"}


def test_only_tensorstore_s_noise_is_left_out(capfd, monkeypatch):
    """It raises in threads of its own, which reaches either hook."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    quiet.tensorstore()
    for text in ("Event loop is closed", "something else"):
        sys.excepthook(RuntimeError, RuntimeError(text), None)
        Raises(text)  # deleted at once
    shown = capfd.readouterr().err
    assert "Event loop" not in shown and shown.count("RuntimeError: something else") == 2


class Raises:
    """Raises where nobody can catch it."""

    def __init__(self, text):
        self.text = text

    def __del__(self):
        raise RuntimeError(self.text)


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("jaxrl 0.")


def test_an_environment_is_described(capsys, monkeypatch):
    import envs

    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["envs", "DiabolicalLock-H10?bits=3"]) == 0
    shown = capsys.readouterr().out
    for text in (
        "Two good states a step",
        "observation  float32[16] from -inf to inf",
        "action       one of 10",
        "episode      at most 10 steps",
        "--env 'DiabolicalLock-H10?bits=3&",
    ):
        assert text in shown
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert " 3 " in lines["bits"] and "of Gaussian noise" in lines["deviation"]
    assert "max_steps" in lines and "distractors" not in lines
    assert cli.main(["envs"]) == 0
    *names, more, _ = capsys.readouterr().out.splitlines()
    assert [name.strip() for name in names] == envs.registered() and "gym:NAME" in more


def test_every_environment_says_what_it_is_and_what_its_options_mean():
    import envs
    from envs import registry
    from envs.host import catalogue, texts
    from jaxrl_suite.runner import about

    kinds = {"NetHackScore-v0", "MiniHack-Room-5x5-v0", "gym:CartPole-v1"}
    for name in {*envs.registered(), *kinds}:
        kind = catalogue.kind(name)
        if kind is not None:
            assert kind == "gymnasium" or not texts.about(kind, name).startswith(
                ("NLE", "MiniHack")
            )
            pools = {*catalogue.POOL_OPTIONS, "max_steps"}
            assert set(registry.options_of(name)) - pools <= set(texts.options(kind))
            continue
        inner = getattr(envs.make(name)[0], "unwrapped", None)
        text = about._about(name, inner)
        assert len(text) > 20 and "auto-reset" not in text and "JAX" not in text
        told = about._told(name, inner)
        assert not set(registry.options_of(name)) - set(told), name


@pytest.mark.parametrize("name", ["DoorKey-8x8", "Maze-5", "RaycastMaze-7x7", "MountainCar-v0"])
def test_every_option_that_is_told_can_be_given(name):
    import envs
    from envs.registry import options_of

    options = options_of(name)
    assert options
    env, params = envs.make(name, auto_reset="none", log=False, **options)
    plain, _ = envs.make(name, auto_reset="none", log=False)
    assert env.observation_space(params) == plain.observation_space(params)


@pytest.mark.parametrize(
    ("asked", "told"), [(20, "(total_steps=20 in whole updates of 8)"), (16, "")]
)
def test_a_run_says_that_its_steps_come_in_whole_updates(asked, told, capsys, tmp_path):
    quick = ["--no-plots", "--no-video", "--no-tensorboard", "--out", str(tmp_path / "run")]
    assert cli.main(["run", "walk", "--total-steps", str(asked), *quick], package="walks") == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(
        "1 seed of 2 updates, 16 env steps each" + (told and f" {told}") + ", in "
    )
