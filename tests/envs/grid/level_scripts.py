"""How a player solves each family of levels, or fails in it: scripts for a `minigrid_play.Player`."""

from __future__ import annotations

from minigrid_play import DONE, DROP, FORWARD, RIGHT, TOGGLE


def reach_goal(p):
    p.face(p.find("goal")[0])
    p.act(FORWARD)


def step_into_lava(p):
    p.face(p.find("lava")[0])
    p.act(FORWARD)


def fetch_key_and_open(p):
    door = p.find("door", is_locked=True)[0]
    p.take(p.find("key", color=p.env.grid.get(*door).color)[0])
    p.face(door)
    p.act(TOGGLE)


def unlock_and_reach_goal(p):
    fetch_key_and_open(p)
    reach_goal(p)


def unlock_and_pick_up(p):
    fetch_key_and_open(p)
    p.put_aside()
    p.take(tuple(p.env.obj.cur_pos))


def clear_unlock_and_pick_up(p):
    p.take(p.find("ball")[0])
    p.put_aside()
    unlock_and_pick_up(p)


def solve_maze(p):
    """Opens one door to the room with the ball, whatever it takes."""
    tx, ty = p.env.obj.cur_pos
    doors = [
        (x, y)
        for x, y in p.find("door", is_locked=True)
        if abs(x - (tx // 5 * 5 + 2.5)) <= 3 and abs(y - (ty // 5 * 5 + 2.5)) <= 3
    ]
    x, y = doors[0]
    color = p.env.grid.get(x, y).color
    keys = p.find("key", color=color)
    if not keys:
        box = next(b for b in p.find("box") if p.env.grid.get(*b).contains.color == color)
        p.face(box)
        p.act(TOGGLE)
        keys = [box]
    for ball in p.find("ball", color="green"):
        if abs(ball[0] - x) + abs(ball[1] - y) == 1:
            p.take(ball)
            p.put_aside()
    p.take(keys[0])
    p.face((x, y))
    p.act(TOGGLE)
    p.put_aside()
    p.take((tx, ty))


def to_match(p):
    p.go(lambda x, y, d: (x, y) == tuple(p.env.success_pos))


def to_other(p):
    p.go(lambda x, y, d: (x, y) == tuple(p.env.failure_pos))


def red_then_blue(p):
    p.face(p.find("door", color="red")[0])
    p.act(TOGGLE)
    p.face(p.find("door", color="blue")[0])
    p.act(TOGGLE)


def blue_first(p):
    p.face(p.find("door", color="blue")[0])
    p.act(TOGGLE)


def done_at_target(p):
    p.face(tuple(map(int, p.env.target_pos)))
    p.act(DONE)


def done_at_once(p):
    p.act(DONE)


def toggle_at_once(p):
    p.act(TOGGLE)


def fetch_right(p):
    p.take(p.find(p.env.targetType, color=p.env.targetColor)[0])


def fetch_wrong(p):
    wanted = p.find(p.env.targetType, color=p.env.targetColor)
    p.take(next(c for c in p.find("key") + p.find("ball") if c not in wanted))


def put_near(p):
    p.take(tuple(map(int, p.env.move_pos)))
    tx, ty = map(int, p.env.target_pos)

    def near(x, y, d):
        fx, fy = x + (d == 0) - (d == 2), y + (d == 1) - (d == 3)
        return max(abs(fx - tx), abs(fy - ty)) <= 1 and p.env.grid.get(fx, fy) is None

    p.go(near)
    p.act(DROP)


def put_far(p):
    p.take(tuple(map(int, p.env.move_pos)))
    tx, ty = map(int, p.env.target_pos)

    def far(x, y, d):
        fx, fy = x + (d == 0) - (d == 2), y + (d == 1) - (d == 3)
        return max(abs(fx - tx), abs(fy - ty)) > 1 and p.env.grid.get(fx, fy) is None

    p.go(far)
    p.act(DROP)


def take_other(p):
    p.take(tuple(map(int, p.env.target_pos)))


def wait_for_the_end(p):
    for _ in range(p.env.max_steps):
        p.act(RIGHT)
