"""Sparse variants of VizDoom's MyWayHome (Pathak et al., 2017, ICM, section 4).

In VizDoom's maze the player starts at one of 17 spots, some of them near the vest that ends the episode
with a reward of 1. `VizdoomMyWayHomeSparse-v1` starts every episode in one far room and
`VizdoomMyWayHomeVerySparse-v1` in the farthest. The maze is the one VizDoom ships: a copy of its file is
written in which all spots lie where that of the room does. The player looks in a random direction as in
the original (the paper's own files fix it).
"""

from __future__ import annotations

import re
import struct
import tempfile
from pathlib import Path

STARTS = {"VizdoomMyWayHomeSparse-v1": 10, "VizdoomMyWayHomeVerySparse-v1": 15}  # ids of spots
_NAME, _SPOT = "my_way_home", "9001"  # of the scenario; the type of a map spot
_ENTRY = struct.Struct("<ii8s")  # of a WAD's directory: position, size, name
_ENTRY_POINT = "vizdoom.gymnasium_wrapper.gymnasium_env_defns:VizdoomScenarioEnv"
_THING, _FIELD = re.compile(r"thing[^{]*\{[^}]*\}"), re.compile(r"(\w+)\s*=\s*([^;]+);")


def register(name: str) -> None:
    """Makes `gymnasium.make(name)` work in this process, for a name of `STARTS`."""
    import gymnasium
    import vizdoom

    if name in gymnasium.registry:
        return
    shipped = Path(vizdoom.scenarios_path)
    folder = Path(tempfile.mkdtemp(prefix="doom-home-"))
    maze = (shipped / f"{_NAME}.wad").read_bytes()
    (folder / f"{_NAME}.wad").write_bytes(starting_at(maze, STARTS[name]))
    (folder / f"{_NAME}.cfg").write_bytes((shipped / f"{_NAME}.cfg").read_bytes())
    options = {"scenario_config_file": str(folder / f"{_NAME}.cfg"), "max_buttons_pressed": 1}
    gymnasium.register(name, _ENTRY_POINT, kwargs=options)


def starting_at(wad: bytes, spot: int) -> bytes:
    """A WAD file with every map spot at the place of the one with the id `spot`.

    Raises:
      ValueError: when there is none.
    """
    kind, count, directory = struct.unpack_from("<4sii", wad)
    body, entries = bytearray(), []
    for index in range(count):
        position, size, name = _ENTRY.unpack_from(wad, directory + _ENTRY.size * index)
        lump = wad[position : position + size]
        if name.rstrip(b"\0") == b"TEXTMAP":
            lump = _moved(lump.decode(), spot).encode()
        entries.append(_ENTRY.pack(12 + len(body), len(lump), name))
        body += lump
    return struct.pack("<4sii", kind, count, 12 + len(body)) + bytes(body) + b"".join(entries)


def _moved(text: str, spot: int) -> str:
    """The map's text (UDMF) with all spots in one place."""
    places = {}
    for thing in _THING.findall(text):
        fields = dict(_FIELD.findall(thing))
        if fields["type"] == _SPOT:
            places[int(fields["id"])] = fields["x"], fields["y"]
    if spot not in places:
        raise ValueError(f"spot={spot}: the map has {sorted(places)}")
    x, y = places[spot]

    def move(match: re.Match[str]) -> str:
        thing = match.group()
        if dict(_FIELD.findall(thing))["type"] != _SPOT:
            return thing
        return re.sub(r"\by = [^;]+", f"y = {y}", re.sub(r"\bx = [^;]+", f"x = {x}", thing))

    return _THING.sub(move, text)
