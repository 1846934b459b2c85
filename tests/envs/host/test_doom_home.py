"""VizDoom's sparse mazes: one room to start in, as the papers that use them have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs.host.games import doom_home
from envs.host.games import gymnasium as games

vizdoom = pytest.importorskip("vizdoom")


@pytest.mark.parametrize(
    ("name", "place"),
    [("VizdoomMyWayHomeSparse-v1", (240, -176)), ("VizdoomMyWayHomeVerySparse-v1", (544, -672))],
)
def test_doom_s_sparse_mazes_start_in_one_room(name, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = games.make(name, {"frame_skip": 4})
    variables = [
        vizdoom.GameVariable.POSITION_X,
        vizdoom.GameVariable.POSITION_Y,
        vizdoom.GameVariable.ANGLE,
    ]
    directions = set()
    for seed in range(3):
        env.reset(seed=seed)
        x, y, direction = map(env.unwrapped.game.get_game_variable, variables)
        assert (round(x), round(y)) == place
        directions.add(direction)
    assert len(directions) == 3
    env.close()
    with pytest.raises(ValueError, match="spot=9: the map has"):
        doom_home.starting_at(Path(vizdoom.scenarios_path, "my_way_home.wad").read_bytes(), 9)


def test_doom_s_mazes_keep_their_spots_when_nothing_moves():
    wad = Path(vizdoom.scenarios_path, "my_way_home.wad").read_bytes()
    moved = doom_home.starting_at(wad, 15)
    assert moved.count(b"x = 543.986") == 17 and moved.count(b"y = -672.089") == 17
    assert b"x = 1040.000;\ny = -352.000" in moved  # the vest stays
    assert doom_home.starting_at(moved, 15) == moved
