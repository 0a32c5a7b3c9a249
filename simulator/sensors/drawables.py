"""What the renderer gets to know of the actors that show."""

from __future__ import annotations

from collections.abc import Iterable

from simulator.actors.models import ZERO, Actor, TrafficLight, Vehicle, Walker
from simulator.types import Drawable


def drawables_of(actors: Iterable[Actor]) -> list[Drawable]:
    """Everything to draw besides the scenery."""
    return [made for made in map(_drawable, actors) if made is not None]


def _drawable(actor: Actor) -> Drawable | None:
    if isinstance(actor, Vehicle):
        return _vehicle(actor)
    if isinstance(actor, TrafficLight):
        return _light(actor)
    if isinstance(actor, Walker):
        # CARLA's walkers have their origin in the middle, the renderer's meshes at the soles.
        return _plain(actor, actor.half_extent[2])
    is_prop = actor.blueprint.startswith("static.prop.") and actor.half_extent != ZERO
    return _plain(actor, 0.0) if is_prop else None


def _vehicle(vehicle: Vehicle) -> Drawable:
    return Drawable(
        vehicle.blueprint,
        vehicle.pose,
        vehicle.velocity,
        vehicle.half_extent,
        vehicle.color,
        vehicle.instance,
        lights=vehicle.light_flags,
        brake=vehicle.control.brake,
        steer_deg=vehicle.wheel_steer_deg,
        doors=vehicle.doors,
        age_s=vehicle.age_s,
        actor_id=vehicle.actor_id,
    )


def _light(light: TrafficLight) -> Drawable:
    return Drawable(
        light.blueprint, light.head,
        instance=light.instance, signal_state=light.state, actor_id=light.actor_id,
    )  # fmt: skip


def _plain(actor: Actor, origin_above_m: float) -> Drawable:
    return Drawable(
        actor.blueprint,
        actor.pose._replace(z=actor.pose.z - origin_above_m),
        actor.velocity,
        actor.half_extent,
        instance=actor.instance,
        age_s=actor.age_s,
        actor_id=actor.actor_id,
    )
