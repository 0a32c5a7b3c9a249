"""Drives a scripted vehicle along a route: pure pursuit, and CARLA's own Ackermann controller."""

from __future__ import annotations

import math

import carla

from fusiondrive.geometry import wrap_radians
from fusiondrive.types import ActorState
from scenarios.hazards.scene import Scene
from scenarios.hazards.script import Command

LOOK_S, LOOK_M = 0.6, 3.0
STEER_LIMIT_RAD = 0.6


def drive_along(
    scene: Scene, actor: ActorState, near_m: float, *, speed_mps: float, right_m: float = 0.0
) -> Command:
    """Go on along a route.

    Args:
        scene: of this step.
        actor: the vehicle.
        near_m: along it, about where the vehicle is.
        speed_mps: to reach and hold.
        right_m: beside the route's line.
    """
    here = scene.place_of(actor, near_m)
    ahead_m = LOOK_M + LOOK_S * actor.speed_mps
    target = scene.way.pose(here.along_m + ahead_m, right_m)
    dx, dy = target.x - actor.pose.x, target.y - actor.pose.y
    bearing = wrap_radians(math.atan2(dy, dx) - math.radians(actor.pose.yaw))
    wheelbase_m = 1.2 * actor.box_extent[0]
    steer = math.atan2(2.0 * wheelbase_m * math.sin(bearing), math.hypot(dx, dy))
    steer = min(max(steer, -STEER_LIMIT_RAD), STEER_LIMIT_RAD)
    control = carla.VehicleAckermannControl(steer=steer, speed=speed_mps)
    return carla.command.ApplyVehicleAckermannControl(actor.actor_id, control)


def park(actor_id: int) -> Command:
    """Stand by the hand brake, without brake lights."""
    control = carla.VehicleControl(hand_brake=True)
    return carla.command.ApplyVehicleControl(actor_id, control)


def hold(actor_id: int) -> Command:
    """Brake as hard as the vehicle can, and stand."""
    control = carla.VehicleControl(brake=1.0)
    return carla.command.ApplyVehicleControl(actor_id, control)
