"""The bones of actors: walkers have all that CARLA names, vehicles a base and wheels."""

from __future__ import annotations

from simulator.actors.bones import Bone, skeleton
from simulator.actors.models import Actor, Vehicle, Walker
from simulator.types import Pose

_WHEEL_RADIUS_M = 0.35
_FOUR = (
    "Wheel_Front_Left", "Wheel_Front_Right", "Wheel_Rear_Left", "Wheel_Rear_Right",
)  # fmt: skip
_TWO = ("Wheel_Front", "Wheel_Rear")


def bones_of(actor: Actor) -> list[Bone]:
    """The skeleton of an actor; empty where it has none."""
    if isinstance(actor, Walker):
        return walker_bones(actor)
    return vehicle_bones(actor) if isinstance(actor, Vehicle) else []


def walker_bones(walker: Walker) -> list[Bone]:
    """The bones of a walker; CARLA's walkers have their origin in the middle of the body."""
    feet = walker.pose._replace(z=walker.pose.z - walker.half_extent[2])
    return skeleton(feet, 2.0 * walker.half_extent[2], walker.bones)


def vehicle_bones(vehicle: Vehicle) -> list[Bone]:
    """The base and the wheels of a vehicle."""
    names, places = (_TWO if vehicle.model.wheels == 2 else _FOUR), wheel_places(vehicle)
    base = Bone("Vehicle_Base", vehicle.pose, Pose(), Pose())
    found = [base]
    for i, (name, place) in enumerate(zip(names, places, strict=True)):
        steer = vehicle.wheel_steer_deg if i < len(places) // 2 else 0.0
        angle = vehicle.wheels.steer.get(i, steer) if vehicle.wheels.is_free else steer
        local = place._replace(yaw=angle, pitch=vehicle.wheels.pitch.get(i, 0.0))
        found.append(Bone(name, vehicle.pose.compose(local), local, local))
    return found


def wheel_places(vehicle: Vehicle) -> list[Pose]:
    """Hubs in the vehicle's frame: front left, front right, then the rear ones."""
    axle, side = 0.5 * vehicle.spec.wheelbase_m, 0.85 * vehicle.half_extent[1]
    sides = (0.0,) if vehicle.model.wheels == 2 else (-side, side)
    return [Pose(x, y, _WHEEL_RADIUS_M) for x in (axle, -axle) for y in sides]


def pose_to_follow(parent: Actor, bone: str) -> Pose:
    """Where something hangs that is attached to a bone, or to the actor if that is not known."""
    if not bone:
        return parent.pose
    return next((b.world for b in bones_of(parent) if b.name == bone), parent.pose)
