"""The carriageway: asphalt along the lanes, filled junctions, gutters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy
from numpy.typing import NDArray

from simulator.scenery.drivable import CELL_M, RoadField
from simulator.scenery.lanes import LaneStrip, carriageways
from simulator.scenery.meshes import Look, MeshBuilder
from simulator.types import F64, Material, Tag

ASPHALT = Look(Material.ASPHALT, Tag.ROADS, (88, 89, 92))
GUTTER = Look(Material.KERB, Tag.ROADS, (128, 127, 124))
_GUTTER_LIFT_M = 0.01
_LONGEST_M = 8.0
_GUTTER_REACH_M = 1.5
_RUN = 8
_END_OVERLAP_M = 0.05
_OVERLAP_M = 0.2  # hides slits between curves that were sampled at other places


def pave(field: RoadField) -> MeshBuilder:
    """All asphalt."""
    builder = MeshBuilder()
    for left, right, _ in carriageways(field.strips):
        _strip(builder, field, left, right, ASPHALT, overlap_m=_OVERLAP_M)
    for strip in field.strips:
        if strip.is_gutter:
            for left, right in _along_kerb(field, strip):
                _strip(builder, field, left, right, GUTTER, _GUTTER_LIFT_M)
    _fill(builder, field)
    return builder


def _along_kerb(field: RoadField, strip: LaneStrip) -> Iterator[tuple[F64, F64]]:
    """Parts of a gutter that no other road crosses."""
    middle = (strip.left + strip.right) / 2.0
    wanted = field.at(field.road, middle[:, :2]) > -_GUTTER_REACH_M
    starts = np.flatnonzero(wanted & ~np.roll(wanted, 1) | (wanted & (np.arange(len(wanted)) == 0)))
    for start in starts:
        stops = np.flatnonzero(~wanted[start:])
        stop = start + int(stops[0]) if len(stops) else len(wanted)
        if stop - start > 1:
            yield strip.left[start:stop], strip.right[start:stop]


def _strip(
    builder: MeshBuilder,
    field: RoadField,
    left: F64,
    right: F64,
    look: Look,
    lift_m: float = 0.0,
    overlap_m: float = 0.0,
) -> None:
    across = left - right
    across *= overlap_m / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    left = field.drape(_longer(left + across), lift_m)
    right = field.drape(_longer(right - across), lift_m)
    keep = _corners(left, right)
    builder.ribbon(left[keep], right[keep], look, _world_uvs(left[keep], right[keep]))


def _longer(line: F64) -> F64:
    """The line with its ends moved outward, so that it overlaps with the next road's."""
    moved = line.copy()
    for end, inner in ((0, 1), (-1, -2)):
        way = line[end] - line[inner]
        moved[end] += way * (_END_OVERLAP_M / max(float(np.linalg.norm(way)), 1e-6))
    return moved


def _world_uvs(left: F64, right: F64) -> F64:
    corners = np.stack([left[:-1], right[:-1], right[1:], left[1:]], 1)
    return np.asarray(corners[..., :2])


def _corners(left: F64, right: F64) -> list[int]:
    """Stations that cannot be left out without moving an edge by a centimetre."""
    kept = [0]
    edges = np.concatenate([left, right], 1)
    for k in range(2, len(edges)):
        start = edges[kept[-1]]
        run = np.linalg.norm(edges[k, :2] - start[:2])
        between = edges[kept[-1] + 1 : k]
        t = (np.arange(1, k - kept[-1]) / (k - kept[-1]))[:, None]
        error = np.abs(start + (edges[k] - start) * t - between).max()
        if error > 0.01 or run > _LONGEST_M:
            kept.append(k - 1)
    kept.append(len(edges) - 1)
    return kept


def _fill(builder: MeshBuilder, field: RoadField) -> None:
    """Asphalt between the lanes of junctions: half-metre cells joined along rows.

    Cells reach a little below the sidewalk, so that no slit opens at the kerb.
    """
    inside = field.road < 0.0
    filled = inside & (field.bare > -0.05) & (field.bare > field.road + 0.02)
    filled |= (field.road < -0.3) & (field.bare > -0.25) & (field.junction < 2.0)
    cells = _any_corner(inside) & _any_corner(scipy.ndimage.binary_dilation(filled))
    rows, width = cells.shape
    blocks = np.zeros((rows, -(-width // _RUN), _RUN + 2), np.int8)
    padded = np.pad(cells, ((0, 0), (0, -width % _RUN)))
    blocks[:, :, 1:-1] = padded.reshape(rows, -1, _RUN)
    change = np.diff(blocks, axis=2)
    starts, ends = np.argwhere(change == 1), np.argwhere(change == -1)
    first, last = starts[:, 1] * _RUN + starts[:, 2], ends[:, 1] * _RUN + ends[:, 2]
    low_x, high_x = field.x0 + first * CELL_M, field.x0 + last * CELL_M
    low_y = field.y0 + starts[:, 0] * CELL_M
    high_y = low_y + CELL_M
    rim = [(low_x, low_y), (high_x, low_y), (high_x, high_y), (low_x, high_y)]
    corners = np.stack([np.column_stack([x, y, np.zeros(len(x))]) for x, y in rim], 1)
    draped = field.drape(corners.reshape(-1, 3)).reshape(-1, 4, 3)
    builder.quads(draped, ASPHALT, draped[..., :2])


def _any_corner(grid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(grid[:-1, :-1] | grid[1:, :-1] | grid[:-1, 1:] | grid[1:, 1:])
