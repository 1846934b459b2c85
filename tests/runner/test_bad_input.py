"""Whatever is given for an option: it works, or one line names the option. Files of others are data."""

from __future__ import annotations

import dataclasses
import importlib.util
import pickle
import re

import jax
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import envs
from jaxrl_suite import experiment, runner
from jaxrl_suite.experiment import ConfigError, Experiment
from jaxrl_suite.runner import checkpoint, command_line, folder
from jaxrl_suite.runner.errors import RunError

SPECS = experiment.registered()
FIELDS = [
    (name, field.name)
    for name, spec in SPECS.items()
    for field in dataclasses.fields(spec.config)
    if name != "e3b_minihack" or importlib.util.find_spec("minihack")
]
NUMBERS = st.one_of(
    st.integers(-3, 9),
    st.sampled_from([10**6, -(10**6), 10**30]),
    st.floats(-2.0, 2.0),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e-30, 1e30]),
).map(str)
WORDS = st.one_of(
    st.sampled_from(
        ["none", "None", "true", "false", "", " ", "e3b", "gru", "1,2", "../x", "--seeds"]
    ),
    st.text(max_size=6),
)


def outcome(spec, arguments):
    """What becomes of a command line: an experiment, or the message that refuses it."""
    try:
        config, _ = command_line.parse_run(spec, arguments, "jaxrl run")
        made = spec.build(config)
        assert made.num_updates >= 1 and made.steps_per_update >= 1
        jax.eval_shape(made.init, jax.random.key(0))
        return made
    except (RunError, ConfigError) as error:
        return " ".join(str(error).split())


def check(name, field, value):
    option = f"--{field.replace('_', '-')}"
    result = outcome(SPECS[name], [f"{option}={value}"])
    if not isinstance(result, Experiment):
        words = set(re.findall(r"[\w-]+", result))  # the option itself, as a word of its own
        assert field in words or option in words, (name, field, value, result)


@pytest.fixture(scope="module", autouse=True)
def games():
    """Games of MiniHack that all its examples share."""
    if importlib.util.find_spec("minihack"):
        env, _ = envs.make(SPECS["e3b_minihack"].config().env)
        yield env
        env.unwrapped.close()
    else:
        yield None


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(st.sampled_from(FIELDS), st.one_of(NUMBERS, NUMBERS, WORDS))
def test_any_value_of_any_option(where, value):
    check(*where, value)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FIELDS), st.one_of(NUMBERS, NUMBERS, WORDS))
def test_any_value_of_any_option_at_length(where, value):
    check(*where, value)


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=12).filter(lambda t: not t.startswith("-")))
def test_any_name_of_an_experiment(text):
    try:
        assert experiment.get(text).name == text
    except ConfigError as error:
        assert error.field == "experiment" and repr(text) in str(error)


@settings(max_examples=60, deadline=None)
@given(st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12))
def test_any_name_of_an_option(text):
    fields = [*dataclasses.fields(SPECS["ppo"].config), *dataclasses.fields(runner.Options)]
    known = {f.name.replace("_", "-") for f in fields}
    try:
        command_line.parse_run(SPECS["ppo"], [f"--{text}=3"], "jaxrl run")
    except RunError as error:
        assert "\n" not in str(error).strip()
        assert f"--{text}".rstrip("-") in str(error)
    else:  # no part of a name, and none that was not meant, is let through
        assert text in known or text.removeprefix("no-") in known


@pytest.mark.parametrize("text", ["learning-rat", "discoun", "s", "x", "num-env", "seedss"])
def test_a_part_of_a_name_is_no_option(text):
    with pytest.raises(RunError, match=f"--{text}"):
        command_line.parse_run(SPECS["ppo"], [f"--{text}=3"], "jaxrl run")


class Trap:
    """Runs code where it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code of others was run')",)


def test_files_of_others_are_data(tmp_path):
    trap = "!!python/object/apply:builtins.exec ['raise SystemExit(1)']"
    (tmp_path / "config.yaml").write_text(f"experiment: ppo\nconfig: {trap}\nrunner: {{}}\n")
    with pytest.raises(RunError, match=r"config\.yaml cannot be read"):
        folder.read(tmp_path)
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(trap)

    step = tmp_path / "checkpoints" / "7"
    step.mkdir(parents=True)
    for name in ("run", "state"):
        (step / name).mkdir()
        (step / name / "metadata").write_bytes(pickle.dumps(Trap()))
        (step / name / "checkpoint").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(RunError, match="no checkpoint that can be read"):
        checkpoint.newest(tmp_path / "checkpoints")


def test_tables_of_others_are_data(tmp_path):
    from jaxrl_suite.runner.curves import Curves

    (tmp_path / "config.yaml").write_text("experiment: ppo\nconfig: {}\nrunner: {}\n")
    (tmp_path / "metrics.parquet").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(RunError, match="metrics"):
        Curves.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "option", "words"),
    [
        (
            "pcpg",
            "--total-steps=5",
            "pcpg is as long as --explore-epochs, --exploit-epochs, --loops",
        ),
        ("homer", "--num-updates=5", "homer is as long as --samples says"),
        ("ppo", "--num-updates=5", "ppo is as long as --total-steps says"),
        ("entnet", "--total-steps=5", "entnet is as long as --num-updates says"),
        ("graph_conv", "--channels=0", "channels=.*one or more sizes, each at least 1"),
        ("graph_conv", "--hidden=-1", "hidden=-1: at least 0"),
        ("ppo", "--activation=Dense", "one of tanh, relu"),
        ("ppo", "--num-envs=1e9", "num_envs=1000000000: num_envs \\* rollout_length is at most"),
        ("ppo", "--total-steps=1e30", "total_steps=1.*: at most 9223372036854775807"),
    ],
)
def test_what_is_meant(name, option, words):
    spec = SPECS[name]
    with pytest.raises((RunError, ConfigError), match=words):
        spec.build(command_line.parse_run(spec, [option], "jaxrl run")[0])
