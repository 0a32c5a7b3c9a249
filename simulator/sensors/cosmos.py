"""The picture of the Cosmos camera: edges of classes in colour over depth in grey.

CARLA's `CosmosControlSensor` draws boxes of vehicles and walkers, lights, signs, poles, lane lines
and crossings as coloured lines on black. Here the outlines of what is seen have these colours, and
depth is where CARLA is black, so that the picture holds both controls that such models take.
"""

from __future__ import annotations

from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

from simulator.types import F32, Frame, Tag

U32 = NDArray[np.uint32]

_OPAQUE = np.uint32(0xFF000000)
_FAR_M = 1000.0
_BRIGHTEST = 160.0  # of the grey, so that all edges stand out
_VEHICLE, _WALKER = (255, 0, 0), (0, 255, 0)
# Of the first rows `Carla/Sensor/CosmosControlSensor.cpp`, 0.9.16; of the others the client's
# CityScapes palette, for CARLA draws none of them.
_COLORS = {
    Tag.CAR: _VEHICLE, Tag.TRUCK: _VEHICLE, Tag.BUS: _VEHICLE, Tag.TRAIN: _VEHICLE,
    Tag.MOTORCYCLE: _VEHICLE, Tag.BICYCLE: _VEHICLE, Tag.RIDER: _VEHICLE,
    Tag.PEDESTRIANS: _WALKER, Tag.TRAFFIC_LIGHT: (109, 144, 136),
    Tag.TRAFFIC_SIGNS: (214, 144, 137), Tag.POLES: (58, 4, 124), Tag.ROAD_LINES: (71, 134, 183),
    Tag.ROADS: (128, 64, 128), Tag.SIDEWALKS: (244, 35, 232), Tag.BUILDINGS: (70, 70, 70),
    Tag.WALLS: (102, 102, 156), Tag.FENCES: (190, 153, 153), Tag.VEGETATION: (107, 142, 35),
    Tag.TERRAIN: (152, 251, 152), Tag.SKY: (70, 130, 180), Tag.STATIC: (110, 190, 160),
    Tag.DYNAMIC: (170, 120, 50), Tag.OTHER: (55, 90, 80), Tag.WATER: (45, 60, 150),
    Tag.GROUND: (81, 0, 81), Tag.BRIDGE: (150, 100, 100), Tag.RAIL_TRACK: (230, 150, 140),
    Tag.GUARD_RAIL: (180, 165, 180), Tag.NONE: (0, 0, 0),
}  # fmt: skip
_PALETTE = np.array(
    [_OPAQUE | r << 16 | g << 8 | b for r, g, b in (_COLORS[tag] for tag in Tag)], np.uint32
)


def control_words(frame: Frame) -> U32:
    """Little-endian words: alpha, red, green, blue from the highest byte down, (H, W)."""
    return cast(U32, _words(frame.tags, frame.instances, frame.depth_m, _PALETTE))


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _words(tags: Any, instances: Any, depth_m: F32, palette: U32) -> U32:
    """Outlines in colour over grey that falls with the logarithm of the distance."""
    rows, columns = depth_m.shape
    words = np.empty((rows, columns), np.uint32)
    whole = np.log1p(_FAR_M)
    for i in range(rows):
        for j in range(columns):
            if _is_outline(tags, instances, depth_m, i, j):
                words[i, j] = palette[tags[i, j]]
            else:
                metres = min(max(depth_m[i, j], 0.0), _FAR_M)
                grey = np.uint32(_BRIGHTEST * (1.0 - np.log1p(metres) / whole) + 0.5)
                words[i, j] = _OPAQUE | (grey << 16) | (grey << 8) | grey
    return words


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _is_outline(tags: Any, instances: Any, depth_m: F32, i: int, j: int) -> bool:
    """Whether another class or another thing is beside or above a pixel, and farther away."""
    rows, columns = depth_m.shape
    for y, x in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
        if not (0 <= y < rows and 0 <= x < columns):
            continue
        if tags[y, x] == tags[i, j] and instances[y, x] == instances[i, j]:
            continue
        is_later = y > i or x > j  # of two that are equally far the first is marked
        if depth_m[y, x] > depth_m[i, j] or (is_later and depth_m[y, x] == depth_m[i, j]):
            return True
    return False
