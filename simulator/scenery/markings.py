"""Paint on the road: lane lines, stop lines and zebra crossings."""

from __future__ import annotations

from collections.abc import Sequence

import carla
import numpy as np
from numpy.typing import NDArray

from simulator.scenery.drivable import RoadField
from simulator.scenery.lanes import LaneStrip
from simulator.scenery.meshes import Look, MeshBuilder
from simulator.types import F64, Material, Pose, Tag

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
    builder = MeshBuilder()
    roads_with_right_lanes = {strip.road for strip in field.strips if strip.lane == -1}
    for strip in field.strips:
        if strip.junction or not strip.is_driving:
            continue
        _edge(builder, field, carla_map, strip, outer=True)
        if strip.lane == -1 or (strip.lane == 1 and strip.road not in roads_with_right_lanes):
            _edge(builder, field, carla_map, strip, outer=False)
    for pose in stop_lines:
        _stop_line(builder, field, carla_map, pose)
    for corners in crossings:
        _zebra(builder, field, corners)
    return builder


def _edge(
    builder: MeshBuilder, field: RoadField, carla_map: carla.Map, strip: LaneStrip, *, outer: bool
) -> None:
    """The line on one side of a lane, split where its type changes."""
    marks = [_mark(carla_map, strip, float(s), outer=outer) for s in strip.s]
    on_right = (strip.lane < 0) == outer
    rim = strip.right if on_right else strip.left
    start = 0
    for k in range(1, len(marks)):
        if k == len(marks) - 1 or marks[k] != marks[start]:
            if marks[start] is not None:
                _line(builder, field, rim[start : k + 1], strip.s[start : k + 1], marks[start])
            start = k


_Mark = tuple[carla.LaneMarkingType, carla.LaneMarkingColor, float]


def _mark(carla_map: carla.Map, strip: LaneStrip, s: float, *, outer: bool) -> _Mark | None:
    waypoint = carla_map.get_waypoint_xodr(strip.road, strip.lane, s)
    if waypoint is None:
        return None
    # LibCarla takes left and right as the driver does, so the outer line is the right one
    mark = waypoint.right_lane_marking if outer else waypoint.left_lane_marking
    if mark.type not in _LINES:
        return None
    return mark.type, mark.color, max(float(mark.width), _LINE_M)


def _line(builder: MeshBuilder, field: RoadField, rim: F64, s: F64, mark: _Mark | None) -> None:
    if mark is None or s[-1] - s[0] < 0.2:
        return
    kind, color, width = mark
    for offset, dashed in _LINES[kind]:
        for piece in _pieces(s, dashed=dashed):
            center = np.stack([np.interp(piece, s, axis) for axis in rim.T], 1)
            _band(builder, field, center, offset, width, _COLORS.get(color, WHITE))


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


def _band(
    builder: MeshBuilder, field: RoadField, center: F64, offset: float, width: float, look: Look
) -> None:
    ahead = np.gradient(center[:, :2], axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    right = np.column_stack([-ahead[:, 1], ahead[:, 0], np.zeros(len(ahead))])
    left_rim = field.drape(center + right * (offset - width / 2.0), LIFT_M)
    right_rim = field.drape(center + right * (offset + width / 2.0), LIFT_M)
    keep = _straight(left_rim)
    builder.ribbon(left_rim[keep], right_rim[keep], look)


def _straight(line: F64) -> list[int]:
    """Stations to keep so that the line stays within a centimetre."""
    kept = [0]
    for k in range(2, len(line)):
        a, b = line[kept[-1]], line[k]
        t = (np.arange(1, k - kept[-1]) / (k - kept[-1]))[:, None]
        if np.abs(a + (b - a) * t - line[kept[-1] + 1 : k]).max() > 0.01 or k - kept[-1] > 4:
            kept.append(k - 1)
    return [*kept, len(line) - 1]


def _stop_line(builder: MeshBuilder, field: RoadField, carla_map: carla.Map, pose: Pose) -> None:
    waypoint = carla_map.get_waypoint(carla.Location(pose.x, pose.y, pose.z))
    lane_m = waypoint.lane_width if waypoint is not None else _FALLBACK_WIDTH_M
    yaw = np.radians(pose.yaw)
    ahead = np.array([np.cos(yaw), np.sin(yaw), 0.0]) * STOP_M / 2.0
    right = np.array([-np.sin(yaw), np.cos(yaw), 0.0]) * (lane_m / 2.0 - 0.12)
    middle = np.array(pose[:3])
    signs: NDArray[np.float64] = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    corners = middle + signs[:, :1] * ahead + signs[:, 1:] * right
    builder.quads(field.drape(corners, LIFT_M)[None], WHITE)


def _zebra(builder: MeshBuilder, field: RoadField, corners: F64) -> None:
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
        if field.at(field.road, rim.mean(0)[None])[0] > -0.3:
            continue
        flat = np.column_stack([rim, np.zeros(4)])
        builder.quads(field.drape(flat, LIFT_M)[None], WHITE)
