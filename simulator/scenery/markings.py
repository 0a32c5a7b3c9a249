"""Paint on the road: lane lines, stop lines and zebra crossings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import carla
import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.scenery.drivable import CELL_M, RoadField
from simulator.scenery.lanes import LaneStrip
from simulator.scenery.meshes import Look, MeshBuilder
from simulator.types import F32, F64, Material, Pose, Tag

WHITE = Look(Material.PAINT, Tag.ROAD_LINES, (226, 226, 222))
YELLOW = Look(Material.PAINT, Tag.ROAD_LINES, (226, 178, 52))
_COLORS = {
    carla.LaneMarkingColor.Yellow: YELLOW,
    carla.LaneMarkingColor.Blue: Look(Material.PAINT, Tag.ROAD_LINES, (70, 110, 200)),
    carla.LaneMarkingColor.Red: Look(Material.PAINT, Tag.ROAD_LINES, (200, 60, 50)),
}
LIFT_M = 0.02
DASH_M, GAP_M = 3.0, 4.5
_LINE_M = 0.13
_APART_M = 0.13  # of the two lines of a double marking, from the middle
STOP_M = 0.4
_BAR_M, _BAR_GAP_M = 0.5, 0.5
_FALLBACK_WIDTH_M = 3.5
_CLEAR_M = 0.9  # lane lines end this far from a crossing

_Type = carla.LaneMarkingType
# For each type the lines from left to right: offset from the middle in m, and whether dashed.
_LINES: dict[carla.LaneMarkingType, tuple[tuple[float, bool], ...]] = {
    _Type.Broken: ((0.0, True),),
    _Type.Solid: ((0.0, False),),
    _Type.SolidSolid: ((-_APART_M, False), (_APART_M, False)),
    _Type.SolidBroken: ((-_APART_M, False), (_APART_M, True)),
    _Type.BrokenSolid: ((-_APART_M, True), (_APART_M, False)),
    _Type.BrokenBroken: ((-_APART_M, True), (_APART_M, True)),
}


def paint(
    field: RoadField, carla_map: carla.Map, stop_lines: Sequence[Pose], crossings: Sequence[F64]
) -> MeshBuilder:
    """All markings.

    Args:
        field: rasters of the town.
        carla_map: tells the markings of each lane.
        stop_lines: lane centre and driving direction of each.
        crossings: (4, 2) corners of each zebra crossing.
    """
    canvas = _Canvas(MeshBuilder(), field, carla_map, _kept_clear(field, crossings))
    roads_with_right_lanes = {strip.road for strip in field.strips if strip.lane == -1}
    for strip in field.strips:
        if strip.junction or not strip.is_driving:
            continue
        _edge(canvas, strip, outer=True)
        if strip.lane == -1 or (strip.lane == 1 and strip.road not in roads_with_right_lanes):
            _edge(canvas, strip, outer=False)
    for pose in stop_lines:
        _stop_line(canvas, pose)
    for corners in crossings:
        _zebra(canvas, corners)
    return canvas.builder


class _Canvas(NamedTuple):
    builder: MeshBuilder
    field: RoadField
    carla_map: carla.Map
    clear: F32  # one where no lane line may be painted


def _kept_clear(field: RoadField, crossings: Sequence[F64]) -> F32:
    clear = np.zeros(field.road.shape, np.uint8)
    for corners in crossings:
        middle = corners.mean(0)
        away = corners - middle
        reach = np.linalg.norm(away, axis=1, keepdims=True)
        grown = middle + away * (1.0 + _CLEAR_M / np.maximum(reach, 1e-6) * 1.4)
        pixels = np.round((grown - (field.x0, field.y0)) / CELL_M).astype(np.int32)
        cv2.fillConvexPoly(clear, pixels, 1)
    return clear.astype(np.float32)


def _edge(canvas: _Canvas, strip: LaneStrip, *, outer: bool) -> None:
    """The line on one side of a lane, split where its type changes."""
    marks = [_mark(canvas.carla_map, strip, float(s), outer=outer) for s in strip.s]
    on_right = (strip.lane < 0) == outer
    rim = strip.right if on_right else strip.left
    start = 0
    for k in range(1, len(marks)):
        if k == len(marks) - 1 or marks[k] != marks[start]:
            if marks[start] is not None:
                _line(canvas, rim[start : k + 1], strip.s[start : k + 1], marks[start])
            start = k


_Mark = tuple[carla.LaneMarkingType, carla.LaneMarkingColor, float]


def _mark(carla_map: carla.Map, strip: LaneStrip, s: float, *, outer: bool) -> _Mark | None:
    waypoint = carla_map.get_waypoint_xodr(strip.road, strip.lane, s)
    if waypoint is None:
        return None
    # LibCarla takes left and right as the driver does, so the outer line is the right one
    mark = waypoint.right_lane_marking if outer else waypoint.left_lane_marking
    if mark is None or mark.type not in _LINES:
        return None
    return mark.type, mark.color, max(float(mark.width), _LINE_M)


def _line(canvas: _Canvas, rim: F64, s: F64, mark: _Mark | None) -> None:
    if mark is None or s[-1] - s[0] < 0.2:
        return
    kind, color, width = mark
    for offset, dashed in _LINES[kind]:
        for piece in _pieces(s, dashed=dashed):
            for part in _outside_crossings(canvas, rim, s, piece):
                center = np.stack([np.interp(part, s, axis) for axis in rim.T], 1)
                _band(canvas, center, offset, width, _COLORS.get(color, WHITE))


def _outside_crossings(canvas: _Canvas, rim: F64, s: F64, piece: F64) -> list[F64]:
    """Parts of a painted piece that lie on no crossing."""
    fine = np.arange(piece[0], piece[-1] + CELL_M / 2.0, CELL_M / 2.0)
    points = np.stack([np.interp(fine, s, axis) for axis in rim.T[:2]], 1)
    covered = canvas.field.at(canvas.clear, points) > 0.5
    if not covered.any():
        return [piece]
    edges = np.flatnonzero(np.diff(np.concatenate([[True], covered, [True]]).astype(int)))
    parts = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        low, high = float(fine[start]), min(float(fine[stop - 1]), float(piece[-1]))
        if high - low > 0.3:
            inner = piece[(piece > low) & (piece < high)]
            parts.append(np.concatenate([[low], inner, [high]]))
    return parts


def _pieces(s: F64, *, dashed: bool) -> list[F64]:
    """Stations of each painted piece; dashes keep step along the whole road."""
    if not dashed:
        return [s]
    period = DASH_M + GAP_M
    first = np.floor(s[0] / period) * period
    pieces = []
    for start in np.arange(first, s[-1], period):
        low, high = max(start, s[0]), min(start + DASH_M, s[-1])
        if high - low > 0.3:
            pieces.append(np.linspace(low, high, 3))
    return pieces


def _band(canvas: _Canvas, center: F64, offset: float, width: float, look: Look) -> None:
    field = canvas.field
    ahead = np.gradient(center[:, :2], axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    right = np.column_stack([-ahead[:, 1], ahead[:, 0], np.zeros(len(ahead))])
    left_rim = field.drape(center + right * (offset - width / 2.0), LIFT_M)
    right_rim = field.drape(center + right * (offset + width / 2.0), LIFT_M)
    keep = _straight(left_rim)
    canvas.builder.ribbon(left_rim[keep], right_rim[keep], look)


def _straight(line: F64) -> list[int]:
    """Stations to keep so that the line stays within a centimetre."""
    kept = [0]
    for k in range(2, len(line)):
        a, b = line[kept[-1]], line[k]
        t = (np.arange(1, k - kept[-1]) / (k - kept[-1]))[:, None]
        if np.abs(a + (b - a) * t - line[kept[-1] + 1 : k]).max() > 0.01 or k - kept[-1] > 4:
            kept.append(k - 1)
    return [*kept, len(line) - 1]


def _stop_line(canvas: _Canvas, pose: Pose) -> None:
    waypoint = canvas.carla_map.get_waypoint(carla.Location(pose.x, pose.y, pose.z))
    lane_m = waypoint.lane_width if waypoint is not None else _FALLBACK_WIDTH_M
    yaw = np.radians(pose.yaw)
    ahead = np.array([np.cos(yaw), np.sin(yaw), 0.0]) * STOP_M / 2.0
    right = np.array([-np.sin(yaw), np.cos(yaw), 0.0]) * (lane_m / 2.0 - 0.12)
    middle = np.array(pose[:3])
    signs: NDArray[np.float64] = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    corners = middle + signs[:, :1] * ahead + signs[:, 1:] * right
    canvas.builder.quads(canvas.field.drape(corners, LIFT_M)[None], WHITE)


def _zebra(canvas: _Canvas, corners: F64) -> None:
    """Bars along the driving direction; the crossing's long sides lie across the road."""
    a, b, c, d = corners[:4]
    if np.linalg.norm(b - a) < np.linalg.norm(c - b):
        a, b, c, d = b, c, d, a
    length = float(np.linalg.norm(b - a))
    count = int((length - _BAR_GAP_M) // (_BAR_M + _BAR_GAP_M))
    margin = (length - count * _BAR_M - (count - 1) * _BAR_GAP_M) / 2.0
    for k in range(count):
        low = (margin + k * (_BAR_M + _BAR_GAP_M)) / length
        high = low + _BAR_M / length
        rim = np.array(
            [a + (b - a) * low, a + (b - a) * high, d + (c - d) * high, d + (c - d) * low]
        )
        if canvas.field.at(canvas.field.road, rim.mean(0)[None])[0] > -0.3:
            continue
        flat = np.column_stack([rim, np.zeros(4)])
        canvas.builder.quads(canvas.field.drape(flat, LIFT_M)[None], WHITE)
