"""Calls about actors of any kind, and about walkers."""

from __future__ import annotations

import math
from typing import Any

from simulator.actors.models import Actor, Sensor, Vehicle, Walker
from simulator.errors import ActorError
from simulator.handlers.method import Context, Method
from simulator.net.wire import Form
from simulator.quantities import finite, pose_of
from simulator.world.spawning import spawn


def actors_by_id(context: Context, ids: list[int]) -> list[Any]:
    """The actors that are alive among those asked for."""
    found = (context.world.episode.actors.find(i) for i in ids)
    return [actor.describe() for actor in found if actor is not None]


def spectator(context: Context) -> list[Any]:
    """The spectator."""
    return context.world.episode.spectator.describe()


def create(
    context: Context, description: list[Any], pose: list[Any], parent_id: int = 0,
    attachment: int = 0, bone: str = "", wanted_id: int = 0,
) -> Actor:  # fmt: skip
    """Spawn an actor and, if it is a sensor, give it its stream."""
    world, at = context.world, pose_of(pose)
    hold = (parent_id, attachment, bone)
    actor = spawn(world.episode, world.library, description, at, *hold, wanted_id)
    context.has_spawned = True
    if isinstance(actor, Sensor):
        actor.token = context.host.token(actor.stream_id)
    return actor


def spawn_actor(context: Context, description: list[Any], pose: list[Any]) -> list[Any]:
    """Spawn a free actor."""
    return create(context, description, pose).describe()


def spawn_attached(
    context: Context, description: list[Any], pose: list[Any], parent_id: int,
    attachment: int = 0, bone: str = "",
) -> list[Any]:  # fmt: skip
    """Spawn an actor that follows another or its bone, rigidly or on a spring arm."""
    if not parent_id:
        raise ActorError("unable to attach actor: parent actor not found")
    return create(context, description, pose, parent_id, attachment, bone).describe()


def destroy(context: Context, actor_id: int) -> bool:
    """Remove an actor."""
    if not context.world.episode.destroy(actor_id):
        raise ActorError(f"unable to destroy actor: not found: id {actor_id}")
    return True


def box(context: Context, actor_id: int) -> list[Any]:
    """The bounding box of an actor, also after it has gone."""
    gone = context.world.episode.gone.get(actor_id)
    return gone if gone is not None else _any(context, actor_id).box()


def _any(context: Context, actor_id: int) -> Actor:
    return context.world.episode.actors.get(actor_id, Actor)


def _body(context: Context, actor_id: int) -> Actor:
    """An actor that the physics knows."""
    actor = _any(context, actor_id)
    if not actor.has_body:
        raise ActorError(f"actor {actor_id} ({actor.blueprint}) has no body to move")
    return actor


def set_location(context: Context, actor_id: int, location: list[float]) -> None:
    """Move an actor, keeping its rotation."""
    actor = _any(context, actor_id)
    base = actor.relative if actor.relative is not None else actor.pose
    x, y, z = finite(location)
    context.world.episode.place(actor, base._replace(x=x, y=y, z=z))


def set_transform(context: Context, actor_id: int, pose: list[Any]) -> None:
    """Move an actor; relative to its parent if it has one."""
    context.world.episode.place(_any(context, actor_id), pose_of(pose))


def _triple(values: list[float]) -> tuple[float, float, float]:
    x, y, z = finite(values)
    return x, y, z


def set_velocity(context: Context, actor_id: int, velocity: list[float]) -> None:
    """Set the velocity, m/s in the world frame."""
    _body(context, actor_id)
    context.world.episode.physics.set_velocity(actor_id, _triple(velocity))


def set_angular_velocity(context: Context, actor_id: int, velocity: list[float]) -> None:
    """Set the angular velocity, deg/s."""
    _body(context, actor_id)
    context.world.episode.physics.set_angular_velocity(actor_id, _triple(velocity))


def hold_velocity(context: Context, actor_id: int, velocity: list[float]) -> None:
    """Hold a velocity in the actor's own frame, m/s."""
    _body(context, actor_id)
    context.world.episode.physics.set_constant_velocity(actor_id, _triple(velocity))


def release_velocity(context: Context, actor_id: int) -> None:
    """Hold the velocity no longer."""
    _body(context, actor_id)
    context.world.episode.physics.set_constant_velocity(actor_id, None)


def add_impulse(context: Context, actor_id: int, impulse: list[float]) -> None:
    """Push once, N s."""
    _body(context, actor_id)
    context.world.episode.physics.add_impulse(actor_id, _triple(impulse))


def add_force(context: Context, actor_id: int, force: list[float]) -> None:
    """Push during the next step, N."""
    _body(context, actor_id)
    context.world.episode.physics.add_force(actor_id, _triple(force))


def add_angular_impulse(context: Context, actor_id: int, impulse: list[float]) -> None:
    """Twist once, kg m^2 deg/s."""
    _body(context, actor_id)
    context.world.episode.physics.add_angular_impulse(actor_id, _triple(impulse))


def add_torque(context: Context, actor_id: int, torque: list[float]) -> None:
    """Twist during the next step, N m."""
    delta_s = context.world.settings.delta_s
    scaled = [v * delta_s * 57.29577951308232 for v in finite(torque)]  # the impulse is in degrees
    add_angular_impulse(context, actor_id, scaled)


def add_impulse_at(
    context: Context, actor_id: int, impulse: list[float], place: list[float]
) -> None:
    """Push once at a place of the world, N s: beside the middle it also turns the body."""
    add_impulse(context, actor_id, impulse)
    twist = math.degrees(_lever(_any(context, actor_id), impulse, place))
    add_angular_impulse(context, actor_id, [0.0, 0.0, twist])


def add_force_at(context: Context, actor_id: int, force: list[float], place: list[float]) -> None:
    """Push during the next step at a place of the world, N."""
    add_force(context, actor_id, force)
    twist = _lever(_any(context, actor_id), force, place)
    add_torque(context, actor_id, [0.0, 0.0, twist])


def _lever(actor: Actor, push: list[float], place: list[float]) -> float:
    """Moment of a push around the vertical axis through an actor."""
    (x, y, _), (push_x, push_y, _) = finite(place), finite(push)
    return (x - actor.pose.x) * push_y - (y - actor.pose.y) * push_x


def set_enable_gravity(context: Context, actor_id: int, on: bool) -> None:
    """Give an actor its weight or take it; one without a body has none."""
    if _any(context, actor_id).has_body:
        context.world.episode.physics.set_gravity(actor_id, bool(on))


def set_simulate_physics(context: Context, actor_id: int, on: bool) -> None:
    """Switch the physics of an actor; one without a body, or one that is gone, has none."""
    if actor_id in context.world.episode.gone:
        return
    actor = _any(context, actor_id)
    if actor.has_body:
        context.world.episode.physics.set_simulate(actor_id, bool(on))
    if isinstance(actor, Vehicle):
        actor.wheels.is_free = not on


def set_collisions(context: Context, actor_id: int, on: bool) -> None:
    """Switch the contacts of an actor; one without a body has none to switch."""
    if _any(context, actor_id).has_body:
        context.world.episode.physics.set_collisions(actor_id, bool(on))


def walk(context: Context, actor_id: int, control: list[Any]) -> None:
    """Apply a WalkerControl: direction, speed, jump."""
    walker = context.world.episode.actors.get(actor_id, Walker)
    (speed,) = finite([control[1]])
    walker.direction, walker.speed = _triple(control[0]), speed
    walker.jump = bool(control[2])
    walker.is_led = False
    if walker.has_body:
        context.world.episode.physics.walk(actor_id, walker.direction, walker.speed)


def set_walker_state(context: Context, actor_id: int, pose: list[Any], speed: float) -> None:
    """Put a walker somewhere and let it walk on the way it looks; the AI controller's command."""
    walker = context.world.episode.actors.get(actor_id, Walker)
    target = pose_of(pose)
    # The crowd's places are on the ground, a walker's origin is in its middle.
    context.world.episode.place(walker, target._replace(z=target.z + walker.half_extent[2]))
    forward = target.rotation_matrix()[:, 0]
    walk(context, actor_id, [[float(v) for v in forward], speed, False])
    walker.is_led = True


def set_dead(context: Context, actor_id: int) -> None:
    """Let a walker that a car has hit die: nothing meets it any more, and soon it is gone."""
    walker = context.world.episode.actors.get(actor_id, Walker)
    if walker.dead_since_s is None:
        walker.dead_since_s = walker.age_s
    walker.is_led, walker.speed = False, 0.0
    if walker.has_body:
        physics = context.world.episode.physics
        physics.walk(actor_id, walker.direction, 0.0)
        physics.set_collisions(actor_id, False)


METHODS = {
    "get_actors_by_id": Method(actors_by_id),
    "get_spectator": Method(spectator),
    "spawn_actor": Method(spawn_actor),
    "spawn_actor_with_parent": Method(spawn_attached),
    "destroy_actor": Method(destroy),
    "get_actor_bounding_box": Method(box),
    "set_actor_location": Method(set_location, Form.VOID),
    "set_actor_transform": Method(set_transform, Form.VOID),
    "set_actor_target_velocity": Method(set_velocity, Form.VOID),
    "set_actor_target_angular_velocity": Method(set_angular_velocity, Form.VOID),
    "enable_actor_constant_velocity": Method(hold_velocity, Form.VOID),
    "disable_actor_constant_velocity": Method(release_velocity, Form.VOID),
    "add_actor_impulse": Method(add_impulse, Form.VOID),
    "add_actor_force": Method(add_force, Form.VOID),
    "add_actor_angular_impulse": Method(add_angular_impulse, Form.VOID),
    "add_actor_torque": Method(add_torque, Form.VOID),
    "add_actor_impulse_at_location": Method(add_impulse_at, Form.VOID),
    "add_actor_force_at_location": Method(add_force_at, Form.VOID),
    "set_actor_enable_gravity": Method(set_enable_gravity, Form.VOID),
    "set_actor_simulate_physics": Method(set_simulate_physics, Form.VOID),
    "set_actor_collisions": Method(set_collisions, Form.VOID),
    "apply_control_to_walker": Method(walk, Form.VOID),
    "set_actor_dead": Method(set_dead, Form.VOID),
}
