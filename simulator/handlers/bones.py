"""Calls about the parts of actors: components, bones, sockets and the poses of walkers."""

from __future__ import annotations

from typing import Any

from simulator.actors.bones import joints
from simulator.actors.models import Actor, Vehicle, Walker
from simulator.actors.skeletons import bones_of, vehicle_bones, walker_bones
from simulator.errors import ActorError, LookupFailed
from simulator.handlers.method import Context, Method
from simulator.net import wire
from simulator.net.wire import Form
from simulator.quantities import finite, pose_of
from simulator.types import Pose


def _actor(context: Context, actor_id: int) -> Actor:
    return context.world.episode.actors.get(actor_id, Actor)


def _walker(context: Context, actor_id: int) -> Walker:
    return context.world.episode.actors.get(actor_id, Walker)


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
    """Names of an actor's components."""
    return list(_components(_actor(context, actor_id)))


def component_world(context: Context, actor_id: int, name: str) -> list[Any]:
    """Where a component is in the world."""
    actor = _actor(context, actor_id)
    return wire.transform(actor.pose.compose(_component(actor, name)))


def component_relative(context: Context, actor_id: int, name: str) -> list[Any]:
    """Where a component is in its actor."""
    return wire.transform(_component(_actor(context, actor_id), name))


def bone_names(context: Context, actor_id: int) -> list[str]:
    """Names of an actor's bones."""
    return [bone.name for bone in bones_of(_actor(context, actor_id))]


def bones_world(context: Context, actor_id: int) -> list[Any]:
    """Poses of an actor's bones in the world, in the order of the names."""
    return [wire.transform(bone.world) for bone in bones_of(_actor(context, actor_id))]


def bones_relative(context: Context, actor_id: int) -> list[Any]:
    """Poses of an actor's bones relative to their parent bones, in the order of the names."""
    return [wire.transform(bone.relative) for bone in bones_of(_actor(context, actor_id))]


def vehicle_bones_world(context: Context, actor_id: int) -> list[Any]:
    """Base and wheels of a vehicle in the world."""
    vehicle = context.world.episode.actors.get(actor_id, Vehicle)
    return [wire.transform(bone.world) for bone in vehicle_bones(vehicle)]


def sockets(context: Context, actor_id: int) -> list[Any]:
    """No actor here has sockets."""
    _actor(context, actor_id)
    return []


def bones(context: Context, actor_id: int) -> list[Any]:
    """WalkerBoneControlOut of a walker."""
    rows = [
        [bone.name, *(wire.transform(pose) for pose in (bone.world, bone.component, bone.relative))]
        for bone in walker_bones(_walker(context, actor_id))
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
    """Set how much of the pose that was set holds: 0 nothing, 1 all."""
    walker = _walker(context, actor_id)
    (value,) = finite([share])
    walker.bones.blend = min(max(value, 0.0), 1.0)


def pose_from_animation(context: Context, actor_id: int) -> None:
    """Begin a new pose with the bones as they are now."""
    walker = _walker(context, actor_id)
    walker.bones.relative = {bone.name: bone.relative for bone in walker_bones(walker)}


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
