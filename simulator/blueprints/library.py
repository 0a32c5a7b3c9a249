"""The blueprint library: what a client may spawn, and with which attributes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from simulator.blueprints.props import PROPS, size_label
from simulator.blueprints.sensors import SENSOR_ATTRIBUTES, UNSIMULATED_ATTRIBUTES, WITHOUT_ROLE
from simulator.blueprints.vehicles import TYRE_FRICTION, VEHICLES, VehicleModel

NO_EXTENT = (0.0, 0.0, 0.0)


class Kind(IntEnum):
    """Type of an attribute (`carla/rpc/ActorAttributeType.h`)."""

    BOOL = 1
    INT = 2
    FLOAT = 3
    STRING = 4
    COLOR = 5


_KINDS = {"b": Kind.BOOL, "i": Kind.INT, "f": Kind.FLOAT, "s": Kind.STRING, "c": Kind.COLOR}


class Attribute(NamedTuple):
    """One attribute; the first recommended value is the default."""

    name: str
    kind: Kind
    values: tuple[str, ...]
    is_modifiable: bool = True

    def as_list(self) -> list[Any]:
        """An ActorAttribute (`carla/rpc/ActorAttribute.h`)."""
        recommended = list(self.values) if self.is_modifiable else []
        return [self.name, int(self.kind), self.values[0], recommended, self.is_modifiable, False]


class Blueprint(NamedTuple):
    """One thing that can be spawned; `half_extent` is zero where there is nothing to touch."""

    uid: int
    name: str
    attributes: tuple[Attribute, ...]
    half_extent: tuple[float, float, float] = NO_EXTENT

    def as_list(self) -> list[Any]:
        """An ActorDefinition (`carla/rpc/ActorDefinition.h`)."""
        tags = self.name.replace(".", ",")
        return [self.uid, self.name, tags, [a.as_list() for a in self.attributes]]


COLORS = (
    "180,44,44", "17,37,103", "255,255,255", "10,10,10", "137,0,0", "44,80,102", "120,120,120",
    "66,63,63", "28,98,58", "211,142,0", "179,185,192", "98,115,84",
)  # fmt: skip

ADULT_HALF_EXTENT = (0.19, 0.19, 0.93)  # m, CARLA's capsule
CHILD_HALF_EXTENT = (0.25, 0.25, 0.65)
WALKERS = 52
_CHILDREN = frozenset((9, 10, 11, 12, 13, 14, 48, 49))
_WOMEN = frozenset((2, 3, 5, 8, 9, 11, 14, 16, 17, 20, 22, 23, 25, 27, 29, 31, 34, 36, 39, 41, 44,
                    46, 47, 49, 51))  # fmt: skip

_SENSOR_ROLES = (
    "front", "back", "left", "right", "front_left", "front_right", "back_left", "back_right",
)  # fmt: skip
FRICTION_TRIGGER = "static.trigger.friction"
# These have neither size nor motion of their own.
_PLAIN = ("controller.ai.walker", "util.actor.empty")


def _role(*values: str) -> Attribute:
    return Attribute("role_name", Kind.STRING, values)


def _fixed(name: str, kind: Kind, value: str) -> Attribute:
    return Attribute(name, kind, (value,), is_modifiable=False)


def _ros_name(blueprint: str) -> Attribute:
    return Attribute("ros_name", Kind.STRING, (blueprint,))


def _vehicle(model: VehicleModel) -> tuple[Attribute, ...]:
    drivers = (Attribute("driver_id", Kind.INT, model.drivers),) if model.drivers else ()
    return (
        _role("autopilot", "scenario", "ego_vehicle"),
        Attribute("color", Kind.COLOR, COLORS),
        *drivers,
        Attribute("sticky_control", Kind.BOOL, ("true",)),
        Attribute("terramechanics", Kind.BOOL, ("false",)),
        _fixed("object_type", Kind.STRING, "other" if model.special_type == "emergency" else ""),
        _fixed("base_type", Kind.STRING, model.base_type),
        _fixed("special_type", Kind.STRING, model.special_type),
        _fixed("number_of_wheels", Kind.INT, str(model.wheels)),
        _fixed("generation", Kind.INT, str(model.generation)),
        _fixed("has_dynamic_doors", Kind.BOOL, "true" if model.has_doors else "false"),
        _fixed("has_lights", Kind.BOOL, "true" if model.has_lights else "false"),
        _ros_name(model.blueprint),
    )


def _walker(number: int) -> tuple[Attribute, ...]:
    return (
        _role("pedestrian"),
        Attribute("is_invincible", Kind.BOOL, ("true",)),
        Attribute("speed", Kind.FLOAT, ("0.0", "1.43", "2.36")),
        _fixed("gender", Kind.STRING, "female" if number in _WOMEN else "male"),
        _fixed("age", Kind.STRING, "child" if number in _CHILDREN else "adult"),
        _fixed("generation", Kind.INT, "1" if number < 15 else "2"),
        _fixed("can_use_wheelchair", Kind.BOOL, "false"),
        Attribute("use_wheelchair", Kind.BOOL, ("false",)),
        _ros_name(f"walker.pedestrian.{number:04d}"),
    )


def _sensor(name: str, rows: Iterable[Sequence[str]]) -> tuple[Attribute, ...]:
    own = tuple(Attribute(row[0], _KINDS[row[1]], tuple(row[2:])) for row in rows)
    roles = ("default",) if name in WITHOUT_ROLE else _SENSOR_ROLES
    return (_role(*roles), *own, _ros_name(name))


def _prop(name: str) -> tuple[Attribute, ...]:
    return (_role("prop"), _fixed("size", Kind.STRING, size_label(PROPS[name])), _ros_name(name))


def _mesh() -> tuple[Attribute, ...]:
    """A prop that shows a mesh of Unreal's; here is none, and nothing shows."""
    path = Attribute("mesh_path", Kind.STRING, ("",))
    numbers = (Attribute(name, Kind.FLOAT, ("1.0",)) for name in ("scale", "mass"))
    return (_role("default"), path, *numbers, _ros_name("static.prop.mesh"))


def _friction_trigger() -> tuple[Attribute, ...]:
    """A box, half extents in centimetres, in which tyres hold differently."""
    friction = Attribute("friction", Kind.FLOAT, (str(TYRE_FRICTION),))
    sizes = (Attribute(f"extent_{axis}", Kind.FLOAT, ("1.0",)) for axis in "xyz")
    return (_role("default"), friction, *sizes, _ros_name(FRICTION_TRIGGER))


def make_library() -> dict[str, Blueprint]:
    """All blueprints by name, in a fixed order."""
    found: list[Blueprint] = []

    def add(
        name: str,
        attributes: tuple[Attribute, ...],
        half: tuple[float, float, float] = NO_EXTENT,
    ) -> None:
        found.append(Blueprint(len(found) + 1, name, attributes, half))

    for model in VEHICLES.values():
        add(model.blueprint, _vehicle(model), model.half_extent)
    for number in range(1, WALKERS + 1):
        half = CHILD_HALF_EXTENT if number in _CHILDREN else ADULT_HALF_EXTENT
        add(f"walker.pedestrian.{number:04d}", _walker(number), half)
    for name, rows in (SENSOR_ATTRIBUTES | UNSIMULATED_ATTRIBUTES).items():
        add(name, _sensor(name, rows))
    for name, half in PROPS.items():
        add(name, _prop(name), half)
    add("static.prop.mesh", _mesh())
    add(FRICTION_TRIGGER, _friction_trigger())
    for name in _PLAIN:
        add(name, (_role("default"), _ros_name(name)))
    return {blueprint.name: blueprint for blueprint in found}
