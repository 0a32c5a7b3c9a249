"""A map seen from above, heading up: lanes, route, stop lines, cars and people."""

from __future__ import annotations

import math
from collections.abc import Sequence

import carla
import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.carla_types import pose_of
from fusiondrive.types import ActorState, LightState, Pose, Route, StopLine, WorldState

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]
Color = tuple[int, int, int]

STEP_M = 2.0
AHEAD_SHARE = 0.68  # of the picture lies ahead of the ego
GROUND: Color = (46, 56, 46)
ROAD: Color = (104, 106, 110)
ROUTE: Color = (66, 150, 240)
EGO: Color = (255, 255, 255)
VEHICLE: Color = (250, 170, 60)
WALKER: Color = (250, 90, 160)
LIGHTS: dict[LightState, Color] = {
    LightState.RED: (240, 50, 40),
    LightState.YELLOW: (250, 210, 40),
    LightState.GREEN: (60, 210, 90),
}


class TopDown:
    """Draws world states over one map; the lanes' outlines are computed once."""

    def __init__(
        self, carla_map: carla.Map, size: tuple[int, int], *, span_m: float = 60.0
    ) -> None:
        """Take the map in.

        Args:
            carla_map: of the loaded town.
            size: height and width of the pictures in pixels.
            span_m: metres from bottom to top.
        """
        self._height, self._width = size
        self._scale = self._height / span_m  # pixels per metre
        self._quads = _lane_quads(carla_map)  # (Q, 4, 2)
        self._centers = self._quads.mean(axis=1)
        self._reach_m = 1.2 * span_m

    def draw(self, state: WorldState, route: Route) -> U8:
        """Picture of the ego's surroundings, (H, W, 3) RGB."""
        picture = np.empty((self._height, self._width, 3), np.uint8)
        picture[:] = GROUND
        ego = state.ego.pose
        gaps = np.abs(self._centers - (ego.x, ego.y)).max(axis=1)
        near = self._quads[gaps < self._reach_m]
        if len(near):
            # One call per quad: a common call would leave holes where quads overlap.
            for quad in self._pixels(near.reshape(-1, 2), ego).reshape(-1, 4, 2):
                cv2.fillConvexPoly(picture, quad, ROAD, cv2.LINE_8)
        path = self._pixels(route.points[:, :2], ego)
        cv2.polylines(picture, [path.reshape(-1, 1, 2)], False, ROUTE, 2, cv2.LINE_AA)
        self._draw_lines(picture, state.stop_lines, ego)
        for walker in state.walkers:
            center = self._pixels(np.array([[walker.pose.x, walker.pose.y]]), ego)[0]
            cv2.circle(picture, (int(center[0]), int(center[1])), 3, WALKER, -1, cv2.LINE_AA)
        for vehicle in state.vehicles:
            self._draw_box(picture, vehicle, ego, VEHICLE)
        self._draw_box(picture, state.ego, ego, EGO)
        return picture

    def _draw_lines(self, picture: U8, lines: Sequence[StopLine], ego: Pose) -> None:
        for line in lines:
            yaw = math.radians(line.yaw)
            side = np.array([-math.sin(yaw), math.cos(yaw)]) * 1.6
            ends = np.array([[line.x, line.y]]) + np.stack([side, -side])
            first, second = self._pixels(ends, ego)
            color = LIGHTS.get(line.state, (150, 150, 150))
            cv2.line(picture, first.tolist(), second.tolist(), color, 3, cv2.LINE_AA)

    def _draw_box(self, picture: U8, actor: ActorState, ego: Pose, color: Color) -> None:
        yaw = math.radians(actor.pose.yaw)
        forward = np.array([math.cos(yaw), math.sin(yaw)])
        right = np.array([-forward[1], forward[0]])
        center = np.array([actor.pose.x, actor.pose.y])
        center = center + forward * actor.box_center[0] + right * actor.box_center[1]
        along, across = forward * actor.box_extent[0], right * actor.box_extent[1]
        offsets = (along - across, along + across, across - along, -along - across)
        corners = np.stack([center + offset for offset in offsets])
        cv2.fillConvexPoly(picture, self._pixels(corners, ego), color, cv2.LINE_AA)

    def _pixels(self, points: F64, ego: Pose) -> NDArray[np.int32]:
        """World (N, 2) to pixels (N, 2); the ego's heading is up."""
        yaw = math.radians(ego.yaw)
        offset = points - (ego.x, ego.y)
        ahead = offset[:, 0] * math.cos(yaw) + offset[:, 1] * math.sin(yaw)
        right = -offset[:, 0] * math.sin(yaw) + offset[:, 1] * math.cos(yaw)
        columns = 0.5 * self._width + right * self._scale
        rows = AHEAD_SHARE * self._height - ahead * self._scale
        return np.stack([columns, rows], axis=1).round().astype(np.int32)


def _lane_quads(carla_map: carla.Map) -> F64:
    """Each 2 m piece of driving lane as a quadrilateral, (Q, 4, 2), a bit too long on purpose."""
    rows = []
    for waypoint in carla_map.generate_waypoints(STEP_M):
        pose = pose_of(waypoint.transform)
        yaw = math.radians(pose.yaw)
        rows.append((pose.x, pose.y, math.cos(yaw), math.sin(yaw), waypoint.lane_width))
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    center, forward = table[:, :2], table[:, 2:4]
    right = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
    along = forward * (0.75 * STEP_M)
    across = right * (0.5 * table[:, 4:5] + 0.05)
    corners = [along - across, along + across, across - along, -along - across]
    return np.stack([center + corner for corner in corners], axis=1)
