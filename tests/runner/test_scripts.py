"""A user's own script: trained, swept, watched and reported, by itself and through `jaxrl`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jaxrl_suite.experiment import Script
from jaxrl_suite.runner import RunError, cli, scripts

SCRIPT = """\
import dataclasses
from walks import walk
from jaxrl_suite.runner.cli import run_script

if __name__ == "__main__":
    run_script(dataclasses.replace(walk.EXPERIMENT, name="stroll"))
"""
SHORT = ["--total-steps", "80", "--seeds", "2", "--no-plots", "--no-video"]


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("own") / "stroll.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def call(script, child_environment):
    """Runs `python ARGUMENTS` beside the script: code, and all that was printed."""

    def start(*arguments: object) -> tuple[int, str]:
        words = [sys.executable, *map(str, arguments)]
        done = subprocess.run(
            words,
            cwd=script.parent,
            env=child_environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return start


JAXRL = ("-m", "jaxrl_suite.runner.cli")


def test_trained_by_itself_watched_by_the_command(call, script):
    code, shown = call("stroll.py", *SHORT, "--out", "run")
    assert code == 0, shown
    stored = yaml.safe_load((script.parent / "run/config.yaml").read_text())
    assert stored["script"] == {"path": str(script), "module": ""}
    for words in (("stroll.py",), JAXRL):
        code, shown = call(*words, "watch", "run", "--seed", "1")
        assert code == 0 and "Line episode 0: 5 steps, return 5" in shown
    code, shown = call(*JAXRL, "report", "run", "--out", "report")
    assert code == 0 and (script.parent / "report/report.csv").exists()
    code, shown = call(*JAXRL, "run", "stroll.py", "--out", "run", "--resume", "--seed", "9")
    assert code == 2 and "cannot resume" in shown


def test_swept_and_its_cells_watched(call, script):
    grid = ["--grid", "learning_rate=0.1,0.3", *SHORT, "--out", "sweep"]
    code, shown = call(*JAXRL, "sweep", "stroll.py", *grid)
    assert code == 0 and "2 run directories" in shown, shown
    code, shown = call("stroll.py", "sweep", "--out", "sweep", "--resume")
    assert code == 0 and "2 run directories" in shown
    code, shown = call(*JAXRL, "watch", "sweep", "--cell", "1")
    assert code == 0 and "return 5" in shown
    code, shown = call(*JAXRL, "watch", "sweep/cells/learning_rate=0.3")
    assert code == 0 and "return 5" in shown


def test_only_scripts_of_the_user_are_started(tmp_path, monkeypatch, capsys):
    """A config from somebody else does not choose what is executed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(scripts.os, "execve", lambda *_: pytest.fail("a script was started"))
    path = tmp_path / "theirs.py"
    stored = {"experiment": "stroll", "config": {}, "runner": {}, "script": {"path": str(path)}}
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(stored))
    for text, words in (
        (None, "there is no such file; if it has moved: python SCRIPT watch"),
        ("print('hello')\n", "it does not end in run_script(EXPERIMENT)"),
        (SCRIPT, f"if you trust it: python {path} watch {run}"),
    ):
        if text:
            path.write_text(text)
        assert cli.main(["watch", str(run)]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and words in err
    assert cli.main(["run", str(tmp_path / "none.py")]) == 2
    assert "there is no such file" in capsys.readouterr().err
    scripts.trust(Script(str(path)))
    with pytest.raises(pytest.fail.Exception, match="was started"):
        scripts.hand_over(Script(str(path)), ["watch", str(run)])
    with pytest.raises(RunError, match="a path and a module"):
        scripts.stored({"script": ["x"]})


def test_modules_are_started_as_modules(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(scripts.os, "execve", lambda *given: started.append(given))
    path = tmp_path / "own" / "walks.py"
    path.parent.mkdir()
    path.write_text(SCRIPT)
    scripts.hand_over(Script(str(path), "own.walks"), ["watch", "run"], asked=True)
    assert started[0][1][1:] == ["-P", "-m", "own.walks", "watch", "run"]
    assert started[0][2]["PYTHONPATH"].split(":")[0] == str(tmp_path)


def test_a_config_cannot_start_another_module_than_its_script(tmp_path, monkeypatch):
    monkeypatch.setattr(scripts.os, "execve", lambda *given: pytest.fail("started"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "own" / "walks.py"
    path.parent.mkdir()
    path.write_text(SCRIPT)
    scripts.trust(Script(str(path)))
    for module in ("evil", "timeit", "other.walks"):
        with pytest.raises(RunError, match="is not the file of its module") as error:
            scripts.hand_over(Script(str(path), module), ["watch", "run"])
        assert "-m" not in str(error.value)


def test_a_run_on_an_environment_of_a_script_is_resumed_by_the_script(tmp_path, child_environment):
    (tmp_path / "own.py").write_text(
        "import envs\n"
        "from jaxrl_suite import experiment\n"
        "from jaxrl_suite.runner.cli import run_script\n"
        "def own(**options):\n"
        "    return envs.make('CartPole-v1', auto_reset='none')[0], 'exact'\n"
        "envs.register('Own', own)\n"
        "if __name__ == '__main__':\n"
        "    run_script(experiment.get('ppo'))\n"
    )
    small = "--total-steps 64 --num-envs 2 --rollout-length 8 --minibatches 2 --widths 4 --no-video"
    given = ["--env", "Own", "--out", "run", "--no-plots", "--eval-episodes", "1", *small.split()]

    def start(*words):
        return subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=child_environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    trained = start("own.py", *given)
    assert trained.returncode == 0, trained.stderr
    other = start("-m", "jaxrl_suite", "run", "ppo", "--out", "run", "--resume")
    assert other.returncode == 2
    assert f"go on with python {tmp_path}/own.py --out run --resume" in other.stderr
    again = start("own.py", "--out", "run", "--resume")
    assert again.returncode == 0, again.stderr
