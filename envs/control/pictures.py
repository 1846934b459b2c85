"""Pictures of the control tasks for people: NumPy arrays in, `[HEIGHT, WIDTH, 3]` uint8 out.

Lengths are those of the task's own world, up is up. Shapes are drawn `FINER` times as large and averaged
down, which smooths their edges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT, FINER = 300, 200, 3
PAPER, INK, GREY = (255, 255, 255), (44, 42, 60), (190, 188, 200)
WOOD, BLUE, GREEN, RED = (202, 152, 101), (52, 152, 219), (91, 220, 123), (200, 40, 40)
Point = tuple[float, float]


class Sheet:
    """White paper that shows `across` of the world from left to right, `middle` in its middle."""

    def __init__(self, across: float, middle: Point = (0.0, 0.0)):
        self.scale, self.middle = WIDTH * FINER / across, middle
        self.image = Image.new("RGB", (WIDTH * FINER, HEIGHT * FINER), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def at(self, point: Point) -> Point:
        """A place in the world in pixels."""
        x, y = (float(p) - m for p, m in zip(point, self.middle, strict=True))
        return WIDTH * FINER / 2 + self.scale * x, HEIGHT * FINER / 2 - self.scale * y

    def line(self, points: Any, thick: float, color: Any) -> None:
        """Through `points`, `thick` in the world, with round corners."""
        places = [self.at(p) for p in points]
        pixels = max(1, round(thick * self.scale))
        self.draw.line(places, fill=color, width=pixels, joint="curve")

    def rod(self, start: Point, end: Point, thick: float, color: Any) -> None:
        """A line with round ends."""
        self.line([start, end], thick, color)
        for point in (start, end):
            self.disc(point, thick / 2, color)

    def disc(self, point: Point, radius: float, color: Any) -> None:
        (x, y), r = self.at(point), radius * self.scale
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=color)

    def shape(self, points: Any, color: Any) -> None:
        self.draw.polygon([self.at(p) for p in points], fill=color)

    def pixels(self) -> np.ndarray:
        """`[HEIGHT, WIDTH, 3]` uint8."""
        return np.asarray(self.image.reduce(FINER))


def cart_pole(state: Any, params: Any) -> np.ndarray:
    """The cart on its track, whose ends are those of the task."""
    end, x = float(params.x_threshold), float(state.x)
    sheet = Sheet(2.4 * end, (0.0, 1.0))
    sheet.line([(-end, 0.0), (end, 0.0)], 0.03, INK)
    for side in (-end, end):
        sheet.line([(side, -0.1), (side, 0.1)], 0.03, RED)
    sheet.shape([(x + a, b) for a, b in ((-0.3, -0.1), (0.3, -0.1), (0.3, 0.2), (-0.3, 0.2))], INK)
    angle, length = float(state.theta), 2 * float(params.length)
    tip = (x + length * np.sin(angle), 0.15 + length * np.cos(angle))
    sheet.rod((x, 0.15), tip, 0.1, WOOD)
    sheet.disc((x, 0.15), 0.05, BLUE)
    return sheet.pixels()


def acrobot(state: Any, params: Any) -> np.ndarray:
    """Two links that hang from a pin, and the height the tip must reach."""
    first, second = float(params.link_length_1), float(params.link_length_2)
    whole = first + second
    sheet = Sheet(3.4 * whole)
    sheet.line([(-1.6 * whole, first), (1.6 * whole, first)], 0.03 * whole, GREEN)
    one = float(state.joint_angle1)
    two = one + float(state.joint_angle2)
    elbow = (first * np.sin(one), -first * np.cos(one))
    tip = (elbow[0] + second * np.sin(two), elbow[1] - second * np.cos(two))
    sheet.rod((0.0, 0.0), elbow, 0.08 * whole, BLUE)
    sheet.rod(elbow, tip, 0.08 * whole, WOOD)
    for joint in ((0.0, 0.0), elbow):
        sheet.disc(joint, 0.04 * whole, INK)
    return sheet.pixels()


def pendulum(state: Any, params: Any) -> np.ndarray:
    """The rod, upright at angle 0, and below it a bar as long as the last torque is strong."""
    length, angle = float(params.l), float(state.theta)
    sheet = Sheet(4.2 * length)
    tip = (-length * np.sin(angle), length * np.cos(angle))
    sheet.rod((0.0, 0.0), tip, 0.2 * length, RED)
    sheet.disc((0.0, 0.0), 0.05 * length, INK)
    force = -length * float(state.last_u) / float(params.max_torque)
    sheet.line([(0.0, -1.25 * length), (force, -1.25 * length)], 0.08 * length, BLUE)
    sheet.line([(0.0, -1.32 * length), (0.0, -1.18 * length)], 0.03 * length, INK)
    return sheet.pixels()


def mountain_car(state: Any, params: Any) -> np.ndarray:
    """The car in its valley, and the flag."""
    low, high = float(params.min_position), float(params.max_position)
    sheet = Sheet(1.05 * (high - low), ((low + high) / 2, 0.57))

    def ground(x: Any) -> Any:
        return 0.45 * np.sin(3 * x) + 0.55

    across = np.linspace(low, high, 100)
    hill = list(zip(across, ground(across), strict=True))
    sheet.shape([*hill, (high, -1.0), (low, -1.0)], GREY)
    sheet.line(hill, 0.012, INK)
    goal = float(params.goal_position)
    top = ground(goal) + 0.2
    sheet.line([(goal, ground(goal)), (goal, top)], 0.012, INK)
    sheet.shape([(goal, top), (goal, top - 0.08), (goal + 0.1, top - 0.04)], GREEN)
    x = float(state.position)
    along = np.array([1.0, 1.35 * np.cos(3 * x)])
    along = along / np.linalg.norm(along)
    up = np.array([-along[1], along[0]])
    base = np.array([x, ground(x)])
    body = [
        base + a * along + b * up
        for a, b in ((-0.09, 0.03), (0.09, 0.03), (0.06, 0.1), (-0.06, 0.1))
    ]
    sheet.shape(body, RED)
    for a in (-0.05, 0.05):
        sheet.disc(tuple(base + a * along + 0.03 * up), 0.028, INK)
    return sheet.pixels()


DRAWN: dict[str, Callable[[Any, Any], np.ndarray]] = {
    "CartPole-v1": cart_pole,
    "Acrobot-v1": acrobot,
    "Pendulum-v1": pendulum,
    "MountainCar-v0": mountain_car,
    "MountainCarContinuous-v0": mountain_car,
}
