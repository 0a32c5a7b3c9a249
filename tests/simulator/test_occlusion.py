"""Faces that are left out because nearer ones hide them change no sample."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from simulator.render.occlusion import TILE, find_farthest, is_hidden
from simulator.render.raster import I32, RECORD_FLOATS, View, bin_records, draw_band, set_up
from simulator.render.view import view_of
from simulator.types import F32, Camera, Pose

SLICES = 16
ROWS = 16
VIEW = view_of(Camera(100, 60, 90.0, Pose(0.0, 0.0, 0.0)))


def scattered(seed: int, count: int = 1600) -> F32:
    """Corners of faces of all sizes before a camera at the origin, nearest first, (F, 9)."""
    rng = np.random.default_rng(seed)
    ahead = np.sort(rng.uniform(2.0, 80.0, count))
    middle = np.stack([ahead, *rng.uniform(-1.0, 1.0, (2, count)) * ahead], 1)
    spread = rng.uniform(0.05, 0.6, (count, 1, 1)) * ahead[:, None, None]
    corners = middle[:, None] + spread * rng.uniform(-1.0, 1.0, (count, 3, 3))
    return np.ascontiguousarray(corners.reshape(count, 9), np.float32)


def drawn(corners: F32, slices: int, view: View = VIEW) -> tuple[F32, I32]:
    """What the samples see: inverse depths and faces, both (4, H, W)."""
    count, bands = len(corners), -(-view.height // ROWS)
    records = np.empty((2 * count, RECORD_FLOATS), np.float32)
    owners, polygon = np.empty(2 * count, np.int32), np.empty((4, 3), np.float32)
    all_of_them = np.array([0], np.int32), np.array([count], np.int32)
    begin, items = np.empty((slices, bands + 1), np.int32), np.empty((slices, 8 * count), np.int32)
    bounds = [n * count // slices for n in range(slices + 1)]
    for n, (first, last) in enumerate(pairwise(bounds)):
        mine = records[2 * first : 2 * last]
        found = set_up(
            corners, *all_of_them, first, last, view, mine, owners[2 * first : 2 * last], polygon
        )
        place = np.empty(bands + 1, np.int32)
        bin_records(mine, found, ROWS, view.height, begin[n], place, items[n])
    starts = np.array([2 * first for first in bounds[:-1]], np.int32)
    depths = np.empty((4, bands * ROWS, view.width), np.float32)
    faces = np.empty(depths.shape, np.int32)
    tiles = np.empty(-(-view.width // TILE), np.float32)
    for band in range(bands):
        a, b = (
            np.empty((4, ROWS, view.width), np.float32),
            np.empty((4, ROWS, view.width), np.int32),
        )
        row, last = band * ROWS, min(band * ROWS + ROWS, view.height)
        lowest = np.empty(view.width, np.float32)
        draw_band(records, owners, starts, begin, items, band, row, last, a, b, lowest, tiles)
        depths[:, row : row + ROWS], faces[:, row : row + ROWS] = a, b
    return depths[:, : view.height], faces[:, : view.height]


@pytest.mark.parametrize("seed", range(8))
def test_pictures_are_the_same_as_where_every_face_is_drawn(seed: int) -> None:
    corners = scattered(seed)
    plain, fast = drawn(corners, 1), drawn(corners, SLICES)  # one slice is never looked behind
    np.testing.assert_array_equal(plain[0], fast[0])
    np.testing.assert_array_equal(plain[1], fast[1])


def wall(distance_m: float) -> tuple[F32, F32]:
    """A record of a face as wide as the picture, and the tiles when it alone is drawn."""
    places = ((1.0, -9.0, -9.0), (1.0, 9.0, -9.0), (1.0, 0.0, 30.0))
    corners = (distance_m * np.array(places, np.float32)).reshape(1, 9)
    records, owners = np.empty((2, RECORD_FLOATS), np.float32), np.empty(2, np.int32)
    one = np.array([0], np.int32), np.array([1], np.int32)
    assert set_up(corners, *one, 0, 1, VIEW, records, owners, np.empty((4, 3), np.float32)) == 1
    tiles = np.empty(-(-VIEW.width // TILE), np.float32)
    seen = np.ascontiguousarray(drawn(corners, 1)[0][:, :ROWS])
    find_farthest(seen, ROWS, np.empty(VIEW.width, np.float32), tiles)
    return records, tiles


def test_a_wall_hides_what_is_behind_it_and_not_what_is_before_it() -> None:
    far, _ = wall(20.0)
    near, tiles = wall(10.0)
    np.testing.assert_allclose(tiles, 0.1, rtol=1e-5)
    assert is_hidden(far, 0, VIEW.width, tiles)
    assert not is_hidden(near, 0, VIEW.width, wall(20.0)[1])


def test_nothing_is_hidden_where_one_sample_sees_the_sky() -> None:
    far, tiles = wall(20.0)[0], wall(10.0)[1]
    tiles[3] = 0.0
    assert not is_hidden(far, 0, VIEW.width, tiles)
