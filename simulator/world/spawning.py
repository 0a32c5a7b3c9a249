"""Turns an ActorDescription into a live actor."""

from __future__ import annotations

from typing import Any

from simulator.actors.attachment import AttachmentType
from simulator.actors.models import (
    ZERO,
    Actor,
    FrictionTrigger,
    Sensor,
    Vehicle,
    Walker,
    parse_color,
)
from simulator.blueprints.library import FRICTION_TRIGGER, Blueprint
from simulator.blueprints.props import FLAT_PROPS
from simulator.blueprints.sensors import (
    ANY_NUMBER,
    CLIENT_SIDE_SENSOR,
    LIMITS,
    SENSOR_ATTRIBUTES,
    SENSOR_TYPES,
)
from simulator.blueprints.vehicles import TYRE_FRICTION, VEHICLES
from simulator.errors import ActorError
from simulator.quantities import LARGEST
from simulator.types import Pose, Tag
from simulator.world.episode import Episode

COLLISION = "Spawn failed because of collision at spawn position"
INVALID = "Spawn failed because of invalid actor description"

_UNTOUCHABLE = FLAT_PROPS | {FRICTION_TRIGGER}
_CM = 100.0  # in a metre


def spawn(
    episode: Episode, library: dict[str, Blueprint], description: list[Any], pose: Pose,
    parent_id: int = 0, attachment: int = AttachmentType.RIGID, bone: str = "", wanted_id: int = 0,
) -> Actor:  # fmt: skip
    """Create an actor; with a parent, the pose is relative to it or to one of its bones.

    It gets the wanted id if that is free.

    Raises:
        ActorError: unknown or unusable description, no such parent, or no room.
    """
    blueprint = library.get(str(description[1]))
    if blueprint is None:
        raise ActorError(f"{INVALID}: unknown blueprint {description[1]!r}")
    attributes = tuple((str(name), int(kind), str(v)) for name, kind, v in description[2])
    if parent_id and parent_id not in episode.actors:
        raise ActorError("unable to attach actor: parent actor not found")
    if attachment not in set(AttachmentType):
        raise ActorError(f"unable to attach actor: unknown attachment type {attachment}")
    actor = _create(episode, blueprint, attributes, pose)
    actor.actor_id = episode.new_id(wanted_id)
    actor.uid = int(description[0])
    if parent_id:
        episode.attach(actor, parent_id, pose, AttachmentType(attachment), bone)
    else:
        _give_body(episode, actor)
    episode.actors.add(actor)
    if isinstance(actor, FrictionTrigger):
        episode.triggers.append(actor)
    return actor


def _create(
    episode: Episode, blueprint: Blueprint, attributes: tuple[tuple[str, int, str], ...], pose: Pose
) -> Actor:
    """The actor without its id."""
    name = blueprint.name
    if name.startswith("sensor."):
        return _sensor(episode, name, attributes, pose)
    half = blueprint.half_extent
    if name.startswith("vehicle."):
        model = VEHICLES[name]
        color = next((v for key, _, v in attributes if key == "color"), "200,200,200")
        return Vehicle(
            0, name, 0, attributes, pose, half, model.box_center, tags=model.tags,
            model=model, spec=model.spec(), color=parse_color(color),
        )  # fmt: skip
    if name.startswith("walker."):
        return Walker(0, name, 0, attributes, pose, half, tags=bytes([Tag.PEDESTRIANS]))
    if name == FRICTION_TRIGGER:
        return _friction_trigger(attributes, pose)
    if name.startswith("static."):
        center = (0.0, 0.0, half[2])
        return Actor(0, name, 0, attributes, pose, half, center, tags=bytes([Tag.STATIC]))
    return Actor(0, name, 0, attributes, pose)


def _friction_trigger(attributes: tuple[tuple[str, int, str], ...], pose: Pose) -> FrictionTrigger:
    values = {key: value for key, _, value in attributes}
    centimetres = [_number(values, f"extent_{axis}", "1.0") for axis in "xyz"]
    x, y, z = (min(abs(size), _CM * LARGEST) / _CM for size in centimetres)
    friction = _number(values, "friction", str(TYRE_FRICTION))
    return FrictionTrigger(
        0, FRICTION_TRIGGER, 0, attributes, pose, (x, y, z), friction=max(friction, 0.0)
    )


def _sensor(
    episode: Episode, name: str, attributes: tuple[tuple[str, int, str], ...], pose: Pose
) -> Sensor:
    kind = SENSOR_TYPES.get(name)
    if kind is None and name != CLIENT_SIDE_SENSOR:
        known = ", ".join([*SENSOR_TYPES, CLIENT_SIDE_SENSOR])
        raise ActorError(f"{name} is not simulated by this server; it has: {known}")
    values = {key: value for key, _, value in attributes}
    for row in SENSOR_ATTRIBUTES[name]:
        if row[1] in "if":
            _number(values, row[0], row[2])
    return Sensor(
        0,
        name,
        0,
        attributes,
        pose,
        kind=kind,
        stream_id=next(episode.ids.streams),
        period_s=float(values.get("sensor_tick", "0")),
    )


def _number(values: dict[str, str], name: str, default: str) -> float:
    """A numeric attribute, which must lie within its limits."""
    text = values.get(name, default)
    low, high = LIMITS.get(name, ANY_NUMBER)
    try:
        number = float(text)
    except ValueError:
        raise ActorError(f"{INVALID}: {name} is {text!r}, expected a number") from None
    if not low <= number <= high:
        raise ActorError(f"{INVALID}: {name} is {text}, expected {low:g} to {high:g}")
    return number


def _give_body(episode: Episode, actor: Actor) -> None:
    """Hand an actor to the physics, if it is a thing that can be touched."""
    if actor.half_extent == ZERO or actor.blueprint in _UNTOUCHABLE:
        return
    physics, key = episode.physics, actor.actor_id
    if isinstance(actor, Vehicle | Walker) and physics.overlaps(
        actor.pose, actor.half_extent, actor.box_center
    ):
        raise ActorError(COLLISION)
    if isinstance(actor, Vehicle):
        physics.add_vehicle(key, actor.pose, actor.spec)
    elif isinstance(actor, Walker):
        physics.add_walker(key, actor.pose, actor.half_extent)
    else:
        physics.add_prop(key, actor.pose, actor.half_extent)
    actor.has_body = True
