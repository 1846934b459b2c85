"""What README and guides show works: Python blocks run, commands parse, linked files are there."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pandas as pd
import pytest

import envs
from envs.host.catalogue import on_host
from jaxrl_suite import experiment
from jaxrl_suite.runner import command_line

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    DOCS / "index.md",
    *sorted((DOCS / "guides").glob("*.md")),
    *sorted((DOCS / "tutorials").glob("*.md")),
    *sorted((DOCS / "results").glob("*.md")),
]
TUTORIALS = sorted(page.stem for page in (DOCS / "tutorials").glob("*.md"))
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """`jaxrl run` and `jaxrl sweep` commands: in blocks, and between backticks with all they need."""
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in found if words and words[0].endswith("jaxrl")]


def test_python_in_the_readme_runs(tmp_path, monkeypatch):
    """Each block on its own, as it would be copied."""
    monkeypatch.chdir(tmp_path)
    found = {}
    for code in blocks(ROOT / "README.md", "python"):
        names = {"__name__": "__main__"}
        monkeypatch.setattr(sys, "argv", ["descent", "--out", str(tmp_path / "run"), "--no-plots"])
        try:
            exec(compile(code.replace("256", "4"), "README.md", "exec"), names)
        except SystemExit as stop:
            assert not stop.code
        found |= names
    assert found["bonuses"].shape == (64,) and found["obs"]["glyphs"].shape == (4, 21, 79)
    assert (tmp_path / "run" / "summary.json").exists()


def test_tests_that_the_table_of_faults_names_exist():
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", (DOCS / "guides" / "faults.md").read_text())
    assert len(named) > 10
    for file, test in named:
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {test}(" in path.read_text(), f"{file}::{test}"


def test_the_environment_of_the_guide_trains(tmp_path, monkeypatch):
    code = blocks(DOCS / "guides" / "environments.md", "python")[-1]
    small = "--total-steps 2048 --num-envs 8 --rollout-length 16 --no-plots --out"
    monkeypatch.setattr(
        sys, "argv", ["line", "--env", "Line", *small.split(), str(tmp_path / "run")]
    )
    monkeypatch.setattr(envs.registry, "_registry", dict(envs.registry._registry))
    with pytest.raises(SystemExit) as stop:
        exec(compile(code, "environments.md", "exec"), {"__name__": "__main__"})
    assert not stop.value.code
    assert (tmp_path / "run" / "summary.json").exists()


def of_nethack(says):
    return next(b for b in blocks(DOCS / "guides" / "nethack.md", "python") if says in b)


def test_the_reward_of_the_guide_to_nethack_trains(tmp_path, monkeypatch):
    small = "--total-steps 256 --num-envs 4 --rollout-length 16 --eval-episodes 1 --no-plots"
    command = ["depths", "--env", "Depths?workers=1&keys=blstats", *small.split(), "--no-video"]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(tmp_path / "run")])
    monkeypatch.setattr(envs.registry, "_registry", dict(envs.registry._registry))
    with pytest.raises(SystemExit) as stop:
        exec(compile(of_nethack("# depths.py"), "nethack.md", "exec"), {"__name__": "__main__"})
    assert not stop.value.code
    metrics = pd.read_parquet(tmp_path / "run" / "metrics.parquet")
    assert metrics["env/depth"].min() >= 1
    for option in ("max_steps=9", "num_contexts=2", "auto_reset=exact"):
        with pytest.raises(envs.UnknownOption, match=f"{option[:4]}.*: the games of Depths reset"):
            envs.make(f"Depths?workers=1&{option}")


class Ladder(envs.Environment):
    """A game that resets itself: each observation is one more than the last, 10 more an episode."""

    default_params = envs.EnvParams()

    def reset(self, key, params=None):
        return jnp.zeros(1), jnp.zeros(2)

    def step(self, key, state, action, params=None):
        base, time = state[0], state[1] + 1
        ended = time == 3
        after = jnp.where(ended, jnp.array([base + 10, 0]), jnp.array([base, time]))
        info = {"final_observation": (base + time)[None]}
        return after.sum()[None], after, base, base < 0, ended, info


def test_wrappers_of_the_guide_to_nethack_begin_anew_with_an_episode():
    names: dict = {}
    exec(compile(of_nethack("class Stacked"), "nethack.md", "exec"), names)
    env = names["Stacked"](Ladder(), frames=3)
    stack, state = env.reset(jax.random.key(0))
    seen = [stack[:, 0].tolist()]
    for _ in range(4):
        stack, state, _, _, truncated, info = env.step(jax.random.key(0), state, 0)
        seen.append(stack[:, 0].tolist())
        if truncated:
            assert info["final_observation"][:, 0].tolist() == [1, 2, 3]
    assert seen == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [10, 10, 10], [10, 10, 11]]

    exec(
        compile(of_nethack("# depths.py").partition("def factory")[0], "nethack.md", "exec"), names
    )
    names["depth"] = lambda observation: observation[0]
    env = names["Depths"](Ladder())
    _, state = env.reset(jax.random.key(0))
    rewards = []
    for _ in range(5):
        _, state, reward, *_ = env.step(jax.random.key(0), state, 0)
        rewards.append(float(reward))
    assert rewards == [1, 1, 1, 11, 11]  # Ladder's own 0 and 10, and 1


def test_python_in_the_guide_to_bonuses_runs():
    from jaxrl_suite.agents import ppo

    env, params = envs.make("Empty-5x5")
    config = ppo.PPOConfig(num_envs=4, rollout_length=4, minibatches=2, epochs=1)
    names = {
        "ppo": ppo,
        "env": env,
        "params": params,
        "config": config,
        "observation_space": env.observation_space(params),
        "action_space": env.action_space(params),
    }
    code, _ = blocks(ROOT / "docs" / "guides" / "bonuses.md", "python")
    exec(compile(code, "bonuses.md", "exec"), names)
    made = names["experiment"]
    jax.jit(made.update)(made.init(jax.random.key(0)))


def test_python_in_the_guide_to_locks_runs():
    names: dict = {}
    for code in blocks(DOCS / "guides" / "provable.md", "python"):
        exec(compile(code, "provable.md", "exec"), names)
    assert names["obs"].shape == (14,)


@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorials_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = DOCS / "tutorials" / f"{name}.md"
    names = {"__name__": "tutorial"}
    for code in blocks(page, "python"):
        exec(compile(code, page.name, "exec"), names)
    for value in list(names.values()):
        if hasattr(value, "unwrapped") and hasattr(value.unwrapped, "close"):
            value.unwrapped.close()


@pytest.mark.parametrize("name", NAMES)
def test_commands_have_the_options_they_show(name):
    specs, known = experiment.registered(), set(envs.registered())
    for words in commands(ROOT / name):
        if words[0] not in ("run", "sweep"):
            assert words[0] in ("list", "envs", "report", "bench", "watch"), words
            continue
        arguments = words[2:]
        while "--grid" in arguments:
            at = arguments.index("--grid")
            arguments = arguments[:at] + arguments[at + 2 :]
        arguments = [word for word in arguments if word not in ("--resume", "...")]
        config, _ = command_line.parse_run(specs[words[1]], arguments, "jaxrl run")
        if hasattr(config, "env"):
            env = specs[words[1]].plays(config).partition("?")[0]
            assert env in known or on_host(env), words


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_result_in_the_readme_has_its_command():
    table = (ROOT / "README.md").read_text().partition("| claim | shown here | command |")[2]
    rows = [row for row in table.partition("\n\n")[0].splitlines()[2:] if row]
    assert len(rows) > 15
    for row in rows:
        command = re.findall(r"`([^`]+)`", row.rpartition("|")[0].rpartition("|")[2])[0]
        script = ROOT / "benchmarks" / f"{command}.sh"
        if command.startswith("bench "):
            script = ROOT / "benchmarks" / f"{command.removeprefix('bench ')}.py"
        assert script.exists(), row


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("mkdocs"), reason="needs mkdocs")
def test_the_site_builds_without_a_warning(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "guides" / "nethack" / "index.html").exists()
