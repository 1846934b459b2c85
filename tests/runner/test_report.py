"""What a run leaves behind, and several runs side by side."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console
from walks import walk

from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.runner import Options, RunError, cli, finish, plots, run
from jaxrl_suite.runner.curves import Curves
from jaxrl_suite.runner.report import ReportOptions, labels, report
from jaxrl_suite.runner.video import write_gif


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    root, made = tmp_path_factory.mktemp("report"), []
    for name, config in (("a", walk.Config()), ("b", walk.Config(learning_rate=0.3))):
        run(
            walk.EXPERIMENT,
            config,
            Options(seeds=3, out=root / name, plots=name == "a"),
            "typed this",
        )
        made.append(root / name)
    return made


def test_a_run_directory(runs):
    out = runs[0]
    visible = {p.name for p in out.iterdir() if not p.name.startswith(".")}
    assert visible == {
        "config.yaml",
        "metrics.parquet",
        "checkpoints",
        "plots",
        "video",
        "summary.json",
        "tensorboard",
    }
    plots = {p.name for p in (out / "plots").iterdir()}
    assert plots == {"all.png", "episode_return.png", "eval_return.png"}
    for plot in (out / "plots").iterdir():
        assert imageio.imread(plot).std() > 5  # something is drawn
    frames = imageio.imread(out / "video" / "episode.gif", index=None)
    assert frames.shape[:3] == (5, 8, 12)
    assert [int(frame.mean()) for frame in frames] == [0, 20, 40, 60, 80]
    assert yaml.safe_load((out / "config.yaml").read_text())["config"]["learning_rate"] == 0.1
    assert len(list((out / "tensorboard").rglob("events*"))) == 3


def test_summary(runs):
    summary = json.loads((runs[0] / "summary.json").read_text())
    stored = pq.read_table(runs[0] / "metrics.parquet").to_pandas()
    lines = stored["env_steps"].nunique()
    for metric in ("loss", "weight"):
        for seed in range(3):
            values = stored[stored["seed"] == seed][metric].to_numpy(np.float64)
            expected = values[-round(0.1 * lines) :].mean()
            found = summary["final"][metric]["seeds"][str(seed)]
            assert math.isclose(found, expected, rel_tol=1e-6)
    assert summary["final"]["never"]["mean"] is None
    assert set(summary["evaluation"]) == {"eval/return", "eval/length"}
    last = stored[stored["env_steps"] == stored["env_steps"].max()]
    mean = summary["evaluation"]["eval/return"]["mean"]
    assert math.isclose(mean, last["eval/return"].mean(), rel_tol=1e-6)
    assert stored["eval/return"].notna().sum() == 3
    assert summary["command"] == "typed this" and summary["config"]["hidden"] == [3, 2]
    assert summary["env_steps"] == 800 and summary["updates"] == 100
    for name in ("wall_s", "compile_s", "train_s", "steps_per_second"):
        assert summary[name] > 0
    assert summary["versions"]["jax"] and summary["machine"]["cores"] >= 1
    assert summary["machine"]["cpu"] and summary["machine"]["device_kind"]


def test_tensorboard_holds_the_same_numbers(runs):
    from tensorboardX.proto.event_pb2 import Event

    table = pq.read_table(runs[0] / "metrics.parquet").to_pandas()
    (path,) = (runs[0] / "tensorboard" / "seed-1").iterdir()
    found, data = {}, path.read_bytes()
    while data:  # records: length, its checksum, the event, its checksum
        length = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]
        for value in event.summary.value:
            found[value.tag, event.step] = value.simple_value
    rows = table[table["seed"] == 1]
    for metric in ("loss", "episode_return", "eval/return"):
        expected = {(metric, s): v for s, v in zip(rows["env_steps"], rows[metric], strict=True)}
        expected = {k: np.float32(v) for k, v in expected.items() if not np.isnan(v)}
        assert expected == {k: np.float32(v) for k, v in found.items() if k[0] == metric}


def test_report_over_two_runs(runs, tmp_path, capsys):
    first, *others = map(str, runs)
    command = ["report", first, "--out", str(tmp_path), *others]
    assert cli.main([*command, "--metric", "loss", "weight", "--aggregate", "iqm"]) == 0
    shown = capsys.readouterr().out
    assert "learning_rate=0.1" in shown and "learning_rate=0.3" in shown
    assert imageio.imread(tmp_path / "report.png").std() > 5
    stored = json.loads((tmp_path / "report.json").read_text())
    assert [row["label"] for row in stored] == [
        "walk Line learning_rate=0.1",
        "walk Line learning_rate=0.3",
    ]
    for row, folder in zip(stored, runs, strict=False):
        summary = json.loads((folder / "summary.json").read_text())
        assert {n: row[n] for n in ("command", "commit", "machine")} == {
            n: summary[n] for n in ("command", "commit", "machine")
        }
    rows = list(csv.DictReader((tmp_path / "report.csv").open()))
    summary = json.loads((runs[1] / "summary.json").read_text())
    loss = next(r for r in rows if r["run"] == str(runs[1]) and r["metric"] == "loss")
    assert math.isclose(float(loss["mean"]), summary["final"]["loss"]["mean"])
    assert loss["seeds"] == "3" and float(loss["ci_low"]) <= float(loss["mean"])


def test_report_chooses_headline_metrics(runs, tmp_path):
    report(runs[:1], ReportOptions(out=tmp_path))
    with pytest.raises(ConfigError, match="metric='los': did you mean loss"):
        report(runs, ReportOptions(out=tmp_path, metric=("los",)))
    with pytest.raises(RunError, match="is not the directory of a run"):
        report([tmp_path / "nothing"], ReportOptions(out=tmp_path))
    with pytest.raises(RunError, match="one run directory or more"):
        report([], ReportOptions())


def curves(values, config=None, steps=None, name="x"):
    values = np.asarray(values, np.float64)
    steps = np.arange(values.shape[1]) if steps is None else steps
    return Curves(name, config or {}, np.arange(len(values)), steps, {"m": values})


def test_labels_are_unique_and_name_the_differences():
    made = [
        curves([[0.0]], {"env": "A", "lr": 1, "net": {"width": 2}}),
        curves([[0.0]], {"env": "B", "lr": 1, "net": {"width": 2}}),
        curves([[0.0]], {"env": "A", "lr": 1, "net": {"width": 4}}),
        curves([[0.0]], {"env": "A", "lr": 1, "net": {"width": 4}}),
        curves([[0.0]], {"env": "A", "other": 9}, name="y"),
    ]
    assert labels(made) == [
        "x A net.width=2",
        "x B net.width=2",
        "x A net.width=4 (1)",
        "x A net.width=4 (2)",
        "y A",
    ]


def test_gaps_in_curves():
    nan = np.nan
    steps, values = curves([[nan, 1, nan, 3, nan], [nan] * 5, [0, 0, 5, nan, nan]]).filled("m")
    np.testing.assert_array_equal(steps, [1, 2, 3, 4])
    np.testing.assert_array_equal(values, [[1, 2, 3, 3], [0, 5, 5, 5]])
    steps, values = curves([[nan, nan]]).filled("m")
    assert len(steps) == 0


def test_long_curves_are_averaged_in_bins():
    values = np.random.default_rng(0).normal(size=(2, 1001))
    steps, binned = curves(values).filled("m", points=10)
    assert binned.shape == (2, 10)
    edges = [int(x) for x in np.linspace(0, 1001, 11)]
    for i in range(10):
        np.testing.assert_allclose(binned[:, i], values[:, edges[i] : edges[i + 1]].mean(axis=1))
    np.testing.assert_allclose(steps[0], np.arange(edges[1]).mean())


def test_final_values():
    values = np.full((2, 30), 5.0)
    values[0, -3:] = [1.0, np.nan, 3.0]
    values[1, -3:] = np.nan
    final = curves(values).final("m")
    assert final[0] == 2.0 and np.isnan(final[1])


def test_gif_refuses_what_is_not_a_picture(tmp_path):
    with pytest.raises(ValueError, match="without frames"):
        write_gif(tmp_path / "a.gif", [])
    with pytest.raises(ValueError, match=r"float64\[4, 4, 3\]"):
        write_gif(tmp_path / "a.gif", [np.zeros((4, 4, 3))])
    assert not list(tmp_path.iterdir())


def test_an_empty_metrics_file(tmp_path):
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump({"experiment": "x", "config": {}, "runner": {}})
    )
    pq.write_table(pa.table({"seed": [], "env_steps": []}), tmp_path / "metrics.parquet")
    with pytest.raises(RunError, match="no rows yet"):
        Curves.read(tmp_path)


def test_a_picture_of_many_runs_keeps_room_for_its_curves(runs):
    curves = Curves.read(runs[0])
    many = {f"walk of some length alpha={i} beta=0.25": curves for i in range(25)}
    chart = plots.figure(["loss"], many)
    chart.draw_without_rendering()
    box = chart.axes[0].get_window_extent().transformed(chart.dpi_scale_trans.inverted())
    legend = chart.legends[0].get_window_extent()
    assert box.height > 2 and box.width > 3  # inches
    assert legend.x0 >= 0 and legend.x1 <= chart.bbox.x1 and legend.y0 >= 0
    assert {text.get_text() for text in chart.legends[0].texts} == {f"alpha={i}" for i in range(25)}
    looks = {(line.get_color(), line.get_linestyle()) for line in chart.axes[0].get_lines()}
    assert len(looks) == 25


def test_what_all_labels_share_is_left_out_where_the_rest_tells_them_apart():
    assert plots.without_shared({"e3b A x=1": 1, "e3b A x=2": 2}) == ("e3b A", {"x=1": 1, "x=2": 2})
    for same in ({"e3b A": 1}, {"e3b A": 1, "e3b A (2)": 2}, {"a b": 1, "b a": 2}):
        assert plots.without_shared(same) == ("", same)


def test_directories_behind_a_metric(runs, tmp_path):
    for given in (["--metric", "loss", str(runs[0])], [str(runs[0]), "--metric", "loss"]):
        assert cli.main(["report", *given, str(runs[1]), "--out", str(tmp_path)]) == 0
        written = json.loads((tmp_path / "report.json").read_text())
        assert [row["run"] for row in written] == [str(runs[0]), str(runs[1])]


def test_a_report_goes_into_a_folder(runs, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for out in ("file", "new.png", "report.csv", "file/below"):
        assert cli.main(["report", str(runs[0]), "--out", str(tmp_path / out)]) == 2
        shown = capsys.readouterr().err
        assert shown.count("\n") == 1 and f"out='{tmp_path / out}'" in shown
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert cli.main(["report", str(runs[0]), "--out", str(tmp_path / "v1.2")]) == 0


def test_why_a_final_value_is_missing_is_said():
    def final(mean):
        return {"mean": mean, "iqm": mean, "ci_low": None, "ci_high": None, "seeds": {"0": mean}}

    def printed(finals):
        console = Console(file=io.StringIO(), width=120)
        finish.print_finals(console, {"ppo": finals}, list(finals))
        return console.file.getvalue()

    shown = printed({"episode_return": final(None), "entropy": final(1.0)})
    assert (
        "episode_return: nothing to average in the last tenth" in shown and "entropy:" not in shown
    )
    assert "nothing" not in printed({"entropy": final(1.0)})
