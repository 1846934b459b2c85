"""Occlusion of the egocentric view against MiniGrid's `Grid.process_vis` on random grids."""

from __future__ import annotations

import functools

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from minigrid.core.grid import Grid

from envs.grid import cells, view

THINGS = np.array(
    [
        cells.code(kind, color)
        for kind, color in (
            (cells.WALL, cells.GREY),
            (cells.CLOSED_DOOR, cells.RED),
            (cells.LOCKED_DOOR, cells.BLUE),
            (cells.OPEN_DOOR, cells.YELLOW),
            (cells.KEY, cells.GREEN),
            (cells.BALL, cells.PURPLE),
            (cells.BOX, cells.GREY),
            (cells.GOAL, cells.GREEN),
            (cells.LAVA, cells.RED),
            (cells.FLOOR, cells.BLUE),
        )
    ],
    np.uint8,
)
BATCH = 12


@functools.cache
def ours(size):
    return jax.jit(jax.vmap(view.visible))


@functools.cache
def encode():
    return jax.jit(cells.triples)


@pytest.mark.parametrize("size", [3, 5, 7, 9, 11, 13, 15])
@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**31), filled=st.floats(0, 1), opaque=st.floats(0, 1))
def test_equals_process_vis(size, seed, filled, opaque):
    rng = np.random.default_rng(seed)
    solid = rng.choice(THINGS[:3], (BATCH, size, size))
    clear = rng.choice(THINGS[3:], (BATCH, size, size))
    thing = np.where(rng.random(solid.shape) < opaque, solid, clear)
    views = np.where(rng.random(solid.shape) < filled, thing, cells.EMPTY_CELL).astype(np.uint8)
    masks = np.asarray(ours(size)(views))
    for one, mask in zip(views, masks, strict=True):
        grid, _ = Grid.decode(np.asarray(encode()(one)))
        np.testing.assert_array_equal(mask, grid.process_vis((size // 2, size - 1)))


def test_triples_and_back():
    every = np.array([cells.EMPTY_CELL, *THINGS])
    np.testing.assert_array_equal(cells.from_triples(np.asarray(cells.triples(every))), every)


def test_a_hidden_key_looks_like_a_grey_box():
    hidden = np.uint8(cells.code(cells.KEY_BOX, cells.RED))
    np.testing.assert_array_equal(cells.triples(hidden), [cells.BOX, cells.GREY, 0])
