"""What host games are and what their options mean, in a line each, for people.

Kept apart from the games so that nothing has to be imported, or started, to tell about them.
"""

from __future__ import annotations

_NETHACK = {
    "Score": "play for the in-game score; every step in which no time passes costs 0.01",
    "Staircase": "reach the stairs down of the first level",
    "StaircasePet": "reach the stairs down of the first level with the pet beside",
    "Oracle": "find the Oracle, some levels down, and stand beside her",
    "Gold": "collect gold",
    "Eat": "eat: what a step adds to the nutrition is paid",
    "Scout": "see as much of the dungeon as possible: map squares seen for the first time are paid",
    "Challenge": "the NeurIPS 2021 challenge: any character, all actions, the in-game score",
}
# the longest beginning of a name that fits counts
_MINIHACK = {
    "Boxoban": "push four boulders onto their places (Boxoban's levels)",
    "ClosedDoor": "open the door, reach the stairs down",
    "Corridor-": "find the stairs down through rooms and corridors",
    "CorridorBattle": "fight six rats, best one by one in the corridor, and reach the stairs down",
    "Eat": "eat the apple",
    "ExploreMaze": "explore a maze: every apple eaten pays 0.5, so do the stairs down, 1 a step",
    "Freeze": "freeze: zap the wand or blow the horn of cold",
    "HideNSeek": "reach the stairs down past a strong monster, hidden by trees and clouds",
    "KeyRoom": "find the key, unlock the door of the inner room, reach the stairs down in it",
    "Labyrinth": "walk through a labyrinth to the stairs down",
    "LavaCross-": "cross the lava by levitation or cold, reach the stairs down",
    "LavaCrossing": "reach the stairs down through gaps in rivers of lava (MiniGrid's maps)",
    "Levitate": "levitate: put the boots or the ring on, or drink the potion",
    "LockedDoor": "kick the locked door open, reach the stairs down",
    "MazeWalk": "walk through a random maze to the stairs down",
    "Memento": "remember a cue from the start and take the corridor it stands for",
    "MultiRoom": "reach the stairs down in the last of a chain of rooms (MiniGrid's maps)",
    "Pray": "pray on the altar",
    "PutOn": "put the amulet on",
    "Quest": "several skills in a row: obstacles, items and monsters on the way to the stairs down",
    "Read": "read the scroll",
    "River": "push boulders into the river to cross it, reach the stairs down",
    "Room": "reach the stairs down in one room",
    "SimpleCrossing": "reach the stairs down through gaps in walls (MiniGrid's maps)",
    "Sink": "drink from the sink",
    "Sokoban": "push the boulders into the holes (NetHack's Sokoban levels)",
    "Wear": "wear the robe",
    "Wield": "wield the dagger",
    "WoD": "kill a minotaur with the wand of death",
    "Zap": "zap the wand",
}
_BOTH = {
    "keys": "NLE's observations: glyphs, blstats, message, chars, inv_glyphs, ...",
    "character": "role-race-alignment-gender; '@' draws one.",
    "allow_all_modes": "show menus and prompts, in the place of passing them by.",
    "allow_all_yn_questions": "let the agent answer every yes-or-no question.",
    "spawn_monsters": "let NetHack make monsters as the game goes on.",
    "penalty_mode": "constant, exp, square, linear or always: of the penalty for steps without time.",
    "penalty_step": "paid for a step in which no game time passes.",
    "penalty_time": "paid for every turn that passes.",
}
_OPTIONS = {
    "nethack": {
        **_BOTH,
        "actions": "'task' (NLE's 23), 'full' (all of them) or a list of key codes.",
        "no_progress_timeout": "steps without game time after which an episode is cut; 0: never.",
        "options": "NetHack's own options, as in its configuration file.",
    },
    "minihack": {
        **_BOTH,
        "keys": "NLE's observations, also with _crop: glyphs, glyphs_crop, blstats, message, ...",
        "actions": "a list of key codes; None: the task's own.",
        "autopickup": "pick up what the agent walks over.",
        "bank": "different maps of a task that draws them; None draws a new one every episode.",
        "crop": "side of the _crop observations around the agent, an odd number.",
        "pet": "begin with a pet.",
        "reward_win": "paid for reaching the goal.",
        "reward_lose": "paid at the end of an episode without.",
    },
    "gymnasium": {
        "preprocess": "make Atari's and VizDoom's pictures ready for learning.",
        "picture_size": "height and width that pictures are scaled to.",
        "frame_stack": "newest observations that are stacked.",
    },
}


def about(kind: str, name: str) -> str:
    """What an environment is: `kind` plays it (a module of `games`), `name` without options."""
    if kind == "gymnasium":
        return "Gymnasium's, played in worker processes."
    task = name.removeprefix("NetHack").removesuffix("-v0").removeprefix("MiniHack-")
    player, tasks = ("NLE", _NETHACK) if kind == "nethack" else ("MiniHack", _MINIHACK)
    fitting = [start for start in tasks if task.startswith(start)]
    text = f"{tasks[max(fitting, key=len)]}. " if fitting else ""
    return f"{text[:1].upper()}{text[1:]}{player}'s, played in worker processes."


def options(kind: str) -> dict[str, str]:
    """What the options of a `kind` of games mean, by name, less those of the pool."""
    return _OPTIONS[kind]
