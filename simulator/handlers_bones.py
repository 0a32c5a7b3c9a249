"""Calls about the parts of actors: components, bones, sockets and the poses of walkers."""

from __future__ import annotations

from typing import Any

from simulator import wire
from simulator.actors import Actor, ActorError, LookupFailed, Vehicle, Walker
from simulator.bones import Bone, joints, skeleton
from simulator.methods import Context, Method
from simulator.spawning import finite, pose_of
from simulator.types import Pose
from simulator.wire import Form

_WHEEL_RADIUS_M = 0.35
_FOUR = (
    "Wheel_Front_Left", "Wheel_Front_Right", "Wheel_Rear_Left", "Wheel_Rear_Right",
)  # fmt: skip
_TWO = ("Wheel_Front", "Wheel_Rear")


def _actor(context: Context, actor_id: int) -> Actor:
    return context.server.episode.actors.get(actor_id, Actor)


def _walker(context: Context, actor_id: int) -> Walker:
    return context.server.episode.actors.get(actor_id, Walker)


def _feet(walker: Walker) -> Pose:
    """CARLA's walkers have their origin in the middle of the body."""
    return walker.pose._replace(z=walker.pose.z - walker.half_extent[2])


def _walker_bones(walker: Walker) -> list[Bone]:
    return skeleton(_feet(walker), 2.0 * walker.half_extent[2], walker.bones)


def wheel_places(vehicle: Vehicle) -> list[Pose]:
    """Hubs in the vehicle's frame: front left, front right, then the rear ones."""
    axle, side = 0.5 * vehicle.spec.wheelbase_m, 0.85 * vehicle.half_extent[1]
    sides = (0.0,) if vehicle.model.wheels == 2 else (-side, side)
    return [Pose(x, y, _WHEEL_RADIUS_M) for x in (axle, -axle) for y in sides]


def _vehicle_bones(vehicle: Vehicle) -> list[Bone]:
    names, places = (_TWO if vehicle.model.wheels == 2 else _FOUR), wheel_places(vehicle)
    base = Bone("Vehicle_Base", vehicle.pose, Pose(), Pose())
    found = [base]
    for i, (name, place) in enumerate(zip(names, places, strict=True)):
        steer = vehicle.wheel_steer_deg if i < len(places) // 2 else 0.0
        angle = vehicle.wheels.steer.get(i, steer) if vehicle.wheels.is_free else steer
        local = place._replace(yaw=angle, pitch=vehicle.wheels.pitch.get(i, 0.0))
        found.append(Bone(name, vehicle.pose.compose(local), local, local))
    return found


def _bones(actor: Actor) -> list[Bone]:
    """Its skeleton; empty for what has none."""
    if isinstance(actor, Walker):
        return _walker_bones(actor)
    return _vehicle_bones(actor) if isinstance(actor, Vehicle) else []


def _components(actor: Actor) -> dict[str, Pose]:
    """Unreal's names of the parts that CARLA's classes have, relative to the actor."""
    if isinstance(actor, Walker):
        mesh = Pose(z=-actor.half_extent[2])
        return {"CollisionCylinder": Pose(), "CharacterMesh0": mesh}
    return {"VehicleMesh" if isinstance(actor, Vehicle) else "DefaultSceneRoot": Pose()}


def _component(actor: Actor, name: str) -> Pose:
    found = _components(actor)
    if name not in found:
        known = ", ".join(found)
        text = f"Component could not be found in this actor.  Component Name: {name}"
        raise LookupFailed(f"{text}; known: {known}")
    return found[name]


def component_names(context: Context, actor_id: int) -> list[str]:
    """Names of its components."""
    return list(_components(_actor(context, actor_id)))


def component_world(context: Context, actor_id: int, name: str) -> list[Any]:
    """Where a component is in the world."""
    actor = _actor(context, actor_id)
    return wire.transform(actor.pose.compose(_component(actor, name)))


def component_relative(context: Context, actor_id: int, name: str) -> list[Any]:
    """Where a component is in its actor."""
    return wire.transform(_component(_actor(context, actor_id), name))


def bone_names(context: Context, actor_id: int) -> list[str]:
    """Names of its bones."""
    return [bone.name for bone in _bones(_actor(context, actor_id))]


def bones_world(context: Context, actor_id: int) -> list[Any]:
    """Bones in the world, in the order of the names."""
    return [wire.transform(bone.world) for bone in _bones(_actor(context, actor_id))]


def bones_relative(context: Context, actor_id: int) -> list[Any]:
    """Bones relative to their parent bones, in the order of the names."""
    return [wire.transform(bone.relative) for bone in _bones(_actor(context, actor_id))]


def vehicle_bones_world(context: Context, actor_id: int) -> list[Any]:
    """Base and wheels of a vehicle in the world."""
    vehicle = context.server.episode.actors.get(actor_id, Vehicle)
    return [wire.transform(bone.world) for bone in _vehicle_bones(vehicle)]


def sockets(context: Context, actor_id: int) -> list[Any]:
    """No actor here has sockets."""
    _actor(context, actor_id)
    return []


def bones(context: Context, actor_id: int) -> list[Any]:
    """WalkerBoneControlOut of a walker."""
    rows = [
        [bone.name, *(wire.transform(pose) for pose in (bone.world, bone.component, bone.relative))]
        for bone in _walker_bones(_walker(context, actor_id))
    ]
    return [rows]


def set_bones(context: Context, actor_id: int, control: list[Any]) -> None:
    """Set bones relative to their parents; `blend_pose` decides how much of it holds."""
    walker = _walker(context, actor_id)
    known = {joint.name for joint in joints()}
    given = {str(name): pose_of(pose) for name, pose in control[0]}
    for name in given:
        if name not in known:
            raise ActorError(f"unknown bone {name!r}; known: {', '.join(sorted(known))}")
    walker.bones.relative.update(given)


def blend_pose(context: Context, actor_id: int, share: float) -> None:
    """How much of the pose that was set holds: 0 nothing, 1 all."""
    walker = _walker(context, actor_id)
    (value,) = finite([share])
    walker.bones.blend = min(max(value, 0.0), 1.0)


def pose_from_animation(context: Context, actor_id: int) -> None:
    """Begin a new pose with the bones as they are now."""
    walker = _walker(context, actor_id)
    walker.bones.relative = {bone.name: bone.relative for bone in _walker_bones(walker)}


METHODS = {
    "get_actor_component_names": Method(component_names),
    "get_actor_component_world_transform": Method(component_world),
    "get_actor_component_relative_transform": Method(component_relative),
    "get_actor_bone_names": Method(bone_names),
    "get_actor_bone_world_transforms": Method(bones_world),
    "get_actor_bone_relative_transforms": Method(bones_relative),
    "get_actor_socket_names": Method(sockets),
    "get_actor_socket_world_transforms": Method(sockets),
    "get_actor_socket_relative_transforms": Method(sockets),
    "get_vehicle_bone_world_transforms": Method(vehicle_bones_world),
    "get_bones_transform": Method(bones),
    "set_bones_transform": Method(set_bones, Form.VOID),
    "blend_pose": Method(blend_pose, Form.VOID),
    "get_pose_from_animation": Method(pose_from_animation, Form.VOID),
}
