"""Polygons of the navigation mesh, by themselves."""

import struct

import numpy as np
import pytest

from simulator.scenery.detour import NavPolygons, encode
from simulator.scenery.polygons import MAX_CORNERS, PolygonSet, polygons_of


@pytest.fixture(scope="module")
def areas() -> np.ndarray:
    """Two pavements, a road between, a crossing, a pole; and a pavement that bends."""
    grid = np.zeros((60, 80), np.uint8)
    grid[10:40, 5:75] = 1
    grid[16:34, 5:75] = 3
    grid[16:34, 30:36] = 2
    grid[12:14, 50:52] = 0
    y, x = np.mgrid[:60, :80]
    radius = np.hypot(x - 40, y - 40)
    grid[(radius > 12) & (radius < 17) & (y > 42)] = 1
    return grid


@pytest.fixture(scope="module")
def found(areas) -> PolygonSet:
    return polygons_of(areas)


def area_of(ring: np.ndarray) -> float:
    x, y = ring.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2.0


def test_polygons_are_convex_and_small_and_turn_one_way(found):
    for ring in found.rings:
        assert 3 <= len(ring) <= MAX_CORNERS
        corners = found.corners[list(ring)]
        ahead = np.roll(corners, -1, 0) - corners
        after = np.roll(ahead, -1, 0)
        assert (ahead[:, 0] * after[:, 1] - ahead[:, 1] * after[:, 0] <= 1e-9).all()
        assert area_of(corners) < 0.0


def test_each_area_keeps_its_size(found, areas):
    for area in (1, 2, 3):
        mine = [ring for ring, kind in zip(found.rings, found.areas, strict=True) if kind == area]
        total = -sum(area_of(found.corners[list(ring)]) for ring in mine)
        assert total == pytest.approx((areas == area).sum(), rel=0.06)


def test_pavement_crossing_and_road_are_neighbours(found):
    sides = {side: kind for ring, kind in zip(found.rings, found.areas, strict=True)
             for side in zip(ring, ring[1:] + ring[:1], strict=True)}  # fmt: skip
    meetings = {frozenset((kind, sides.get((b, a), 0))) for (a, b), kind in sides.items()}
    assert {frozenset(pair) for pair in ((1, 2), (1, 3), (2, 3))} <= meetings


def test_an_empty_raster_has_no_polygons():
    assert polygons_of(np.zeros((20, 20), np.uint8)).rings == ()


def test_the_file_has_the_sizes_that_its_header_tells(found):
    corners = np.insert(found.corners, 1, 0.0, axis=1).astype(np.float32)
    content = encode(NavPolygons(corners, found.rings, found.areas, found.areas))
    magic, version, tiles = struct.unpack_from("<3i", content)
    assert (magic.to_bytes(4, "big"), version, tiles) == (b"MSET", 1, 1)
    reference, size = struct.unpack_from("<Ii", content, 40)
    assert reference > 0
    assert size == len(content) - 48
    polygons, points, links, details, _, triangles, nodes = struct.unpack_from("<7i", content, 72)
    sizes = (100, 12 * points, 32 * polygons, 12 * links, 12 * details, 4 * triangles, 16 * nodes)
    assert sum(sizes) == size


def test_too_many_polygons_are_refused():
    corners = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0]], np.float32)
    with pytest.raises(ValueError, match="40000 polygons"):
        encode(NavPolygons(corners, [(0, 1, 2)] * 40000, [1] * 40000, [2] * 40000))
