"""A plan of a town as an image: lanes, markings, junctions, lights and spawn points."""

from __future__ import annotations

from collections import defaultdict

import carla
import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.types import Pose, Town

_STEP_M = 0.4
_MARGIN_M = 12.0
_LANE_COLORS = {  # RGB
    "Driving": (95, 95, 100),
    "Sidewalk": (190, 180, 165),
    "Shoulder": (130, 130, 125),
    "Parking": (110, 110, 140),
    "Bidirectional": (120, 100, 120),
}
_JUNCTION = (120, 105, 85)
_GROUND = (222, 230, 214)
_SPAWN = (30, 90, 220)
_LIGHT = (210, 30, 30)
_PAINT = (240, 240, 240)

Image = NDArray[np.uint8]  # (H, W, 3) RGB


def draw(town: Town, pixels_per_m: float = 4.0) -> Image:
    """Draw the town from above, CARLA's x to the right and y downwards."""
    carla_map = carla.Map(town.name, town.xodr)
    strips = _strips(carla_map)
    corners = np.concatenate([strip[:, :2] for _, strip in strips])
    low, high = corners.min(0) - _MARGIN_M, corners.max(0) + _MARGIN_M
    width, height = ((high - low) * pixels_per_m).astype(int)
    image: Image = np.full((height, width, 3), _GROUND, np.uint8)

    def pixels(points: NDArray[np.float64]) -> NDArray[np.int32]:
        scaled: NDArray[np.float64] = (points[:, :2] - low) * pixels_per_m
        return scaled.astype(np.int32)

    for color, strip in strips:
        cv2.fillPoly(image, [pixels(strip)], color)
    for outline in _crosswalks(carla_map):
        cv2.polylines(image, [pixels(outline)], True, _PAINT, 1, cv2.LINE_AA)
    for pose in town.spawn_points:
        _arrow(image, pixels(_arrow_points(pose, 2.0)), _SPAWN)
    for signal in town.signals:
        head = pixels(np.array([signal.pose[:2]]))[0]
        for line in signal.stop_lines:
            _arrow(image, pixels(_arrow_points(line, 1.5)), _LIGHT)
            foot = pixels(np.array([line[:2]]))[0]
            cv2.line(image, head.tolist(), foot.tolist(), _LIGHT, 1, cv2.LINE_AA)
        cv2.circle(image, head.tolist(), 4, _LIGHT, -1, cv2.LINE_AA)
    return image


def _crosswalks(carla_map: carla.Map) -> list[NDArray[np.float64]]:
    """Outlines of the crosswalks; carla.Map strings them together, each closed."""
    outlines: list[NDArray[np.float64]] = []
    corners: list[tuple[float, float]] = []
    for location in carla_map.get_crosswalks():
        corners.append((location.x, location.y))
        if len(corners) > 1 and corners[-1] == corners[0]:
            outlines.append(np.array(corners))
            corners = []
    return outlines


def _strips(carla_map: carla.Map) -> list[tuple[tuple[int, int, int], NDArray[np.float64]]]:
    """Lane surfaces as quads along the lanes, junctions' driving lanes last."""
    lanes: dict[tuple[int, int, int], list[carla.Waypoint]] = defaultdict(list)
    for waypoint in carla_map.generate_waypoints(_STEP_M):
        for lane in _with_neighbours(waypoint):
            lanes[lane.road_id, lane.section_id, lane.lane_id].append(lane)
    strips = []
    for key in sorted(lanes):
        way = sorted({round(w.s, 3): w for w in lanes[key]}.values(), key=lambda w: w.s)
        if len(way) < 2:
            continue
        edges = np.array([_edges(waypoint) for waypoint in way])  # (N, 2, 2)
        color = _LANE_COLORS.get(str(way[0].lane_type), (150, 170, 150))
        if way[0].is_junction and str(way[0].lane_type) == "Driving":
            color = _JUNCTION
        strips.append((color, np.concatenate([edges[:, 0], edges[::-1, 1]])))
    order = list(_LANE_COLORS.values())
    return sorted(strips, key=lambda strip: strip[0] in (_JUNCTION, order[0]))


def _with_neighbours(waypoint: carla.Waypoint) -> list[carla.Waypoint]:
    found = [waypoint]
    for step in ("get_right_lane", "get_left_lane"):
        lane = getattr(waypoint, step)()
        while lane is not None and str(lane.lane_type) != "Driving":
            if lane.lane_id * waypoint.lane_id > 0 or step == "get_left_lane":
                found.append(lane)
            if lane.lane_id * waypoint.lane_id < 0:
                break
            lane = getattr(lane, step)()
    return found


def _edges(waypoint: carla.Waypoint) -> list[tuple[float, float]]:
    location, right = waypoint.transform.location, waypoint.transform.get_right_vector()
    half = waypoint.lane_width / 2.0
    # waypoints of left lanes look the other way; keep the sides of a lane consistent
    side = half if waypoint.lane_id < 0 else -half
    return [
        (location.x - side * right.x, location.y - side * right.y),
        (location.x + side * right.x, location.y + side * right.y),
    ]


def _arrow_points(pose: Pose, length_m: float) -> NDArray[np.float64]:
    forward = pose.rotation_matrix()[:2, 0]
    return np.array([pose[:2], np.array(pose[:2]) + forward * length_m])


def _arrow(image: Image, ends: NDArray[np.int32], color: tuple[int, int, int]) -> None:
    tail, tip = ends.tolist()
    cv2.arrowedLine(image, tail, tip, color, 2, cv2.LINE_AA, tipLength=0.5)
