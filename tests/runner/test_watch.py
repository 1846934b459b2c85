"""`jaxrl watch`: the newest checkpoint's agent, in text, with pictures and text games."""

from __future__ import annotations

import io

import imageio.v3 as imageio
import numpy as np
import pytest
from rich.console import Console
from walks import walk

from envs.screen import Screen
from jaxrl_suite.runner import Options, RunError, run, watch
from jaxrl_suite.runner.cli import main
from jaxrl_suite.runner.watch import WatchOptions


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "walk"
    options = Options(seeds=2, seed=3, out=folder, plots=False, tensorboard=False)
    run(walk.EXPERIMENT, walk.Config(total_steps=80), options)
    return folder


def test_episodes_are_played_and_written(out, tmp_path, capsys):
    before = sorted((p, p.stat().st_mtime_ns) for p in out.rglob("*"))
    gif = tmp_path / "walk.gif"
    returns = watch.watch(out, WatchOptions(episodes=2, seed=4, gif=gif), "walks")
    assert returns == [5.0, 5.0]
    assert len(imageio.imread(gif)) == 5 * 2
    printed = capsys.readouterr().out
    assert "Line episode 1: 5 steps, return 5" in printed
    assert sorted((p, p.stat().st_mtime_ns) for p in out.rglob("*")) == before
    assert watch.watch(out, WatchOptions(max_steps=2), "walks") == [2.0]
    assert "return 2 (not over)" in capsys.readouterr().out


def test_the_state_is_the_newest_readable_one_of_the_seed(out):
    states = [watch.load(out, seed, "walks")[1] for seed in (3, 4, None)]
    assert float(states[0].draw) != float(states[1].draw)
    assert float(states[0].draw) == float(states[2].draw)
    assert int(states[0].update) == 10
    newest = max(out.glob("checkpoints/*"), key=lambda p: int(p.name))
    hidden = out / "hidden"
    newest.rename(hidden)
    newest.mkdir()  # as if half of it had been deleted
    try:
        with pytest.raises(RunError, match="holds no checkpoint that can be read"):
            watch.load(out, None, "walks")
    finally:
        newest.rmdir()
        hidden.rename(newest)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "watch: name one run directory"),
        (["nowhere"], "'nowhere' holds no run (no config.yaml)"),
        (["nowhere", "--episodes", "0"], "episodes=0: 1 or more"),
        (["nowhere", "--gif", "film.mp4"], "a file name that ends in .gif"),
        (["nowhere", "--fsp", "3"], "did you mean --fps?"),
    ],
)
def test_errors_are_one_line(arguments, text, capsys):
    assert main(["watch", *arguments], "walks") == 2
    assert text in capsys.readouterr().err


def test_unknown_seed(out):
    with pytest.raises(RunError, match="seed=5: the run has 3 to 4"):
        watch.load(out, 5, "walks")


def drawn(text, **options):
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", **options)
    console.print(text, end="")
    return console.file.getvalue()


def test_text_games_keep_their_colors():
    characters = np.array([list(b"@.d"), list(b"   ")], np.uint8)
    colors = np.array([[15, 7, 1], [0, 0, 0]], np.int8)
    text = watch.from_screen(Screen(characters, colors, np.array([0, 0])))
    assert text.plain == "@.d\n   \n"
    shown = drawn(text)
    assert "\x1b[7;97m@" in shown and "\x1b[37m.\x1b[0m\x1b[31md" in shown


def test_pictures_become_half_blocks():
    picture = np.zeros((4, 3, 3), np.uint8)
    picture[0, 0], picture[1, 0] = (255, 0, 0), (0, 0, 255)
    text = watch.from_picture(picture, 80, 20)
    assert text.plain == "▀▀▀\n▀▀▀\n"
    assert "\x1b[38;2;255;0;0;48;2;0;0;255m▀" in drawn(text)
    assert (
        max(
            map(
                len, watch.from_picture(np.zeros((400, 300, 3), np.uint8), 80, 20).plain.split("\n")
            )
        )
        == 30
    )


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "sweep"
    grid = ["--grid", "learning_rate=0.1,0.3", "--grid", "env=Line,Circle", "--grid", "nan_at=-1,7"]
    options = ["--seeds", "2", "--seed", "3", "--total-steps", "80", "--no-plots"]
    assert main(["sweep", "walk", *grid, *options, "--out", str(out)], "walks") == 1  # nan_at=7
    return out


def test_a_cell_of_a_sweep_is_watched(swept, tmp_path, capsys):
    config = walk.Config(total_steps=80, learning_rate=0.3)
    alone = tmp_path / "alone"
    run(walk.EXPERIMENT, config, Options(seeds=2, seed=3, out=alone, plots=False))
    expected = float(watch.load(alone, 4, "walks")[1].weight)
    label = "learning_rate=0.3,env=Line,nan_at=-1"
    ways = (
        (swept, label),
        (swept, "2"),
        (swept / "programs/0", "2"),
        (swept / "cells" / label, None),
    )
    for place, cell in ways:
        _, state, found = watch.load(place, 4, "walks", cell)
        assert found == config and state.position.shape == (8,)
        np.testing.assert_allclose(float(state.weight), expected, rtol=1e-5)
    capsys.readouterr()
    assert main(["watch", str(swept), "--cell", label, "--seed", "4"], "walks") == 0
    assert "Line episode 0: 5 steps" in capsys.readouterr().out
    moved = swept.rename(tmp_path / "moved")
    assert watch.watch(moved / "cells" / label, WatchOptions(), "walks") == [5.0]
    moved.rename(swept)


@pytest.mark.parametrize(
    ("place", "arguments", "code", "text"),
    [
        (".", [], 2, "choose one by --cell: 0: learning_rate=0.1,env=Line,nan_at=-1; 1: "),
        ("programs/1", [], 2, "3: learning_rate=0.3,env=Circle,nan_at=7"),
        (".", ["--cell", "x"], 2, "cell='x': "),
        (".", ["--cell", "0", "--seed", "5"], 2, "seed=5: the run has 3 to 4"),
        (".", ["--cell", "1"], 1, "seed=3: diverged at update 8"),
    ],
)
def test_cells_that_cannot_be_watched(swept, place, arguments, code, text, capsys):
    assert main(["watch", str(swept / place), *arguments], "walks") == code
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and text in err


def test_a_run_has_no_cells(out):
    with pytest.raises(RunError, match="a run of its own, without cells"):
        watch.load(out, None, "walks", "1")
