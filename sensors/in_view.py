"""Whether an actor is in a camera's view, by geometry alone: no picture is looked at."""

from __future__ import annotations

import math

from fusiondrive.geometry import wrap_radians
from fusiondrive.types import ActorState, CameraSpec, WorldState

LEAST_PIXELS = 6.0  # of an actor's height in the picture


def is_in_view(actor: ActorState, state: WorldState, camera: CameraSpec) -> bool:
    """Whether an actor is 6 pixels high or more, within the picture's width, and not behind a car.

    Only vehicles hide; buildings, trees and the weather do not. The middle of the actor decides.

    Args:
        actor: who is looked for.
        state: of the same frame; its ego carries the camera.
        camera: the camera's size, view and mount.
    """
    ego = state.ego
    yaw = math.radians(ego.pose.yaw)
    x = ego.pose.x + camera.x * math.cos(yaw) - camera.y * math.sin(yaw)
    y = ego.pose.y + camera.x * math.sin(yaw) + camera.y * math.cos(yaw)
    dx, dy = actor.pose.x - x, actor.pose.y - y
    distance_m = math.hypot(dx, dy)
    bearing = wrap_radians(math.atan2(dy, dx) - yaw - math.radians(camera.yaw_deg))
    half_view = math.radians(0.5 * camera.fov_deg)
    focal_px = 0.5 * camera.width / math.tan(half_view)
    height_px = focal_px * 2.0 * actor.box_extent[2] / max(distance_m, 0.1)
    if abs(bearing) > half_view or height_px < LEAST_PIXELS:
        return False
    others = (item for item in state.vehicles if item.actor_id != actor.actor_id)
    return not any(_hides(item, x, y, dx, dy) for item in others)


def _hides(vehicle: ActorState, x: float, y: float, dx: float, dy: float) -> bool:
    """Whether the line from (x, y) by (dx, dy) passes over a vehicle's box, seen from above."""
    yaw = math.radians(vehicle.pose.yaw)
    cos, sin = math.cos(yaw), math.sin(yaw)
    from_x, from_y = x - vehicle.pose.x, y - vehicle.pose.y
    start = (from_x * cos + from_y * sin, -from_x * sin + from_y * cos)
    step = (dx * cos + dy * sin, -dx * sin + dy * cos)
    low, high = 0.0, 1.0
    for axis in (0, 1):
        near = vehicle.box_center[axis] - vehicle.box_extent[axis] - start[axis]
        far = vehicle.box_center[axis] + vehicle.box_extent[axis] - start[axis]
        if abs(step[axis]) < 1e-9:
            if near > 0.0 or far < 0.0:
                return False
            continue
        bounds = sorted((near / step[axis], far / step[axis]))
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return low < high
