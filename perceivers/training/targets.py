"""What the network should say of a picture, as TTFNet has it: a bell around each centre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perceivers.decoding import STRIDE
from perceivers.kinds import KIND_TAGS, KINDS
from perceivers.labelled_frame import RoadUser

F32 = NDArray[np.float32]

SPREAD = 0.54  # TTFNet's alpha: the bell covers this share of the box
PARTLY = 0.4  # bells are learnt as boxes above this height


class Targets(NamedTuple):
    """Maps at a quarter of the picture's size, (h, w)."""

    centres: F32  # (kinds, h, w) 0 to 1
    asked: F32  # (kinds, h, w) 0 where the detector may say what it likes
    sides: F32  # (4, h, w) px
    distance: F32  # (1, h, w) logarithm of metres over focal length
    weight: F32  # (1, h, w) of sides and distance


def make_targets(objects: Sequence[RoadUser], tags: NDArray[np.uint8], focal_px: float) -> Targets:
    """Make the maps.

    Args:
        objects: with rectangles within the picture.
        tags: CARLA's class ids, (H, W).
        focal_px: of the camera.
    """
    rows, columns = tags.shape[0] // STRIDE, tags.shape[1] // STRIDE
    centres = np.zeros((len(KINDS), rows, columns), np.float32)
    asked = np.ones_like(centres)
    sides = np.zeros((4, rows, columns), np.float32)
    distance = np.zeros((1, rows, columns), np.float32)
    weight = np.zeros((1, rows, columns), np.float32)
    _leave_out_strangers(asked, objects, tags)
    # Larger ones first, so that the small keep the cells where both are.
    for item in sorted(objects, key=lambda one: -_area(one)):
        kind = KINDS.index(item.kind)
        if not item.is_asked_for:
            asked[(kind, *_cells(item))] = 0.0
            continue
        bell = _bell(item, rows, columns)
        np.maximum(centres[kind], bell, out=centres[kind])
        inside = bell > PARTLY
        ys, xs = np.nonzero(inside)
        at_x, at_y = (xs + 0.5) * STRIDE, (ys + 0.5) * STRIDE
        sides[:, ys, xs] = np.maximum(
            (at_x - item.left, at_y - item.top, item.right - at_x, item.bottom - at_y), 0.5
        )
        distance[0, ys, xs] = np.log(item.distance_m / focal_px)
        # Every object counts alike, whatever its size.
        weight[0, ys, xs] = bell[ys, xs] / bell[ys, xs].sum()
    asked = np.maximum(asked, centres)
    return Targets(centres, asked, sides, distance, weight)


def _bell(item: RoadUser, rows: int, columns: int) -> F32:
    """A Gaussian around the cell of the centre, which is exactly 1."""
    x, y = 0.5 * (item.left + item.right) / STRIDE, 0.5 * (item.top + item.bottom) / STRIDE
    at_x, at_y = min(int(x), columns - 1), min(int(y), rows - 1)
    wide = max(SPREAD * (item.right - item.left) / (6.0 * STRIDE), 0.35)
    high = max(SPREAD * (item.bottom - item.top) / (6.0 * STRIDE), 0.35)
    across = np.exp(-0.5 * ((np.arange(columns) - at_x) / wide) ** 2)
    down = np.exp(-0.5 * ((np.arange(rows) - at_y) / high) ** 2)
    bell = np.asarray(down[:, None] * across[None, :], np.float32)
    return np.where(bell < 1e-3, np.float32(0.0), bell)


def _leave_out_strangers(asked: F32, objects: Sequence[RoadUser], tags: NDArray[np.uint8]) -> None:
    """Ask nothing where pixels are of a kind but nobody who is labelled is there."""
    for number, kind in enumerate(KINDS):
        strange = np.isin(tags, KIND_TAGS[kind])
        for item in objects:
            if item.kind == kind:
                rows = slice(int(item.top), int(item.bottom) + 1)
                strange[rows, int(item.left) : int(item.right) + 1] = False
        small = strange[: STRIDE * asked.shape[1], : STRIDE * asked.shape[2]]
        cells = small.reshape(asked.shape[1], STRIDE, asked.shape[2], STRIDE).any(axis=(1, 3))
        asked[number][cells] = 0.0


def _cells(item: RoadUser) -> tuple[slice, slice]:
    return (
        slice(int(item.top) // STRIDE, int(item.bottom) // STRIDE + 1),
        slice(int(item.left) // STRIDE, int(item.right) // STRIDE + 1),
    )


def _area(item: RoadUser) -> float:
    return (item.right - item.left) * item.height_px
