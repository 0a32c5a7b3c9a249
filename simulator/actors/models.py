"""The actors of an episode: what each kind remembers and how it appears on the wire."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, TypeVar

from simulator.actors.ackermann import AckermannControl, AckermannController
from simulator.actors.attachment import SpringArm
from simulator.actors.bones import PoseControl
from simulator.blueprints.sensors import default_of
from simulator.blueprints.vehicles import SteeringCurve, VehicleModel
from simulator.errors import ActorError, LookupFailed
from simulator.net import wire
from simulator.physics import VehicleInput, VehicleSpec
from simulator.types import Pose

Vector = tuple[float, float, float]
ZERO: Vector = (0.0, 0.0, 0.0)
ORIGIN = Pose()
_NOT_A = {
    "Vehicle": "Actor is not a Vehicle",
    "Walker": "Actor is not a Walker",
    "TrafficLight": "Actor is not a traffic light",
}


class FailureState(IntEnum):
    """CARLA's VehicleFailureState (`carla/rpc/VehicleFailureState.h`)."""

    NONE = 0
    ROLLOVER = 1


_SAME_TIME_S = 1e-6  # sums of time steps differ by less


@dataclass(slots=True, eq=False)
class Actor:
    """What every actor has; props, AI controllers and the spectator have no more than that."""

    actor_id: int
    blueprint: str
    uid: int = 0
    attributes: tuple[tuple[str, int, str], ...] = ()
    pose: Pose = ORIGIN
    half_extent: Vector = ZERO
    box_center: Vector = ZERO
    box_rotation: Vector = ZERO  # pitch, yaw, roll relative to the actor, degrees
    tags: bytes = b""
    parent: Actor | None = None
    relative: Pose | None = None  # to the parent
    bone: str = ""  # of the parent that it hangs on, if any
    arm: SpringArm | None = None  # that holds it, if it is not fixed to the parent
    velocity: Vector = ZERO  # m/s
    angular_velocity: Vector = ZERO  # deg/s
    acceleration: Vector = ZERO  # m/s^2
    instance: int = 0  # 16 bits: the id counted from the episode's first actor, the spectator
    ticks: int = 0  # since it was spawned
    age_s: float = 0.0  # simulated seconds since it was spawned
    has_body: bool = False  # whether the physics moves it
    token: bytes = b""

    def describe(self) -> list[Any]:
        """An Actor (`carla/rpc/Actor.h`)."""
        parent = self.parent.actor_id if self.parent is not None else 0
        description = [self.uid, self.blueprint, [list(a) for a in self.attributes]]
        return [self.actor_id, parent, description, self.box(), self.tags, self.token]

    def box(self) -> list[Any]:
        """The bounding box of the actor, relative to its pose."""
        extent, turn = self.half_extent, self.box_rotation
        return wire.bounding_box(self.box_center, extent, turn, self.actor_id)

    def attribute(self, name: str, default: str = "") -> str:
        """The value of an attribute as the client sent it."""
        return next((value for key, _, value in self.attributes if key == name), default)

    def union(self) -> bytes:
        """What the actor's record in the world state has beyond pose and motion."""
        return b""

    def record(self) -> bytes:
        """The 119 bytes of the actor in the world state."""
        return wire.actor_record(
            self.actor_id,
            self.pose,
            self.velocity,
            self.angular_velocity,
            self.acceleration,
            self.union(),
        )


@dataclass(slots=True, eq=False)
class FrictionTrigger(Actor):
    """A volume in which tyres hold differently; see `friction.py`."""

    friction: float = field(kw_only=True)


@dataclass(slots=True)
class WheelAngles:
    """How a client turned the wheels of a vehicle that has no physics, degrees by wheel."""

    is_free: bool = False  # whether the physics leaves the wheels to the client
    steer: dict[int, float] = field(default_factory=dict)
    pitch: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Vehicle(Actor):
    """A car, truck, bus or two-wheeler."""

    model: VehicleModel = field(kw_only=True)
    spec: VehicleSpec = field(kw_only=True)
    color: tuple[int, int, int] = (200, 200, 200)
    control: VehicleInput = field(default_factory=VehicleInput)
    gear: int = 0
    wheel_steer_deg: float = 0.0
    wheels: WheelAngles = field(default_factory=WheelAngles)
    speed_limit_kmh: float = 30.0
    light: tuple[int, int] | None = None  # state and actor id of the governing traffic light
    light_flags: int = 0  # VehicleLightState
    doors: int = 0  # bits of VehicleDoor that are open
    on_roof_s: float | None = None  # how long it has been lying there
    steering_curve: SteeringCurve | None = None  # None for the one that the physics knows
    physics_control: list[Any] | None = None  # what the client applied, in wire order
    trigger: FrictionTrigger | None = None  # that it is in
    road_friction: float | None = None  # of all its tyres, where a trigger has set it
    ackermann: AckermannControl | None = None
    controller: AckermannController = field(default_factory=AckermannController)

    # CARLA's `ACarlaWheeledVehicle`: roll that overturns, that recovers, and when it says so.
    OVERTURNED_DEG: ClassVar[float] = 160.0
    UPRIGHT_DEG: ClassVar[float] = 30.0
    TOLD_AFTER_S: ClassVar[float] = 5.0

    def note_roll(self, dt: float) -> None:
        """Note for how long the vehicle has lain on its roof, until it is back on its wheels."""
        roll = abs(self.pose.roll)
        if roll < self.UPRIGHT_DEG:
            self.on_roof_s = None
        elif self.on_roof_s is not None:
            self.on_roof_s += dt
        elif roll > self.OVERTURNED_DEG:
            self.on_roof_s = 0.0

    @property
    def failure(self) -> FailureState:
        """What is broken: only rolling over can happen to a vehicle."""
        has_rolled = self.on_roof_s is not None and self.on_roof_s >= self.TOLD_AFTER_S
        return FailureState.ROLLOVER if has_rolled else FailureState.NONE

    @property
    def is_sticky(self) -> bool:
        """Whether a control stays in force until the next one."""
        return self.attribute("sticky_control", "true").lower() != "false"

    def union(self) -> bytes:
        """Control, speed limit and traffic light."""
        c = self.control
        control = (c.throttle, c.steer, c.brake, c.hand_brake, c.reverse, c.manual_gear_shift)
        return wire.vehicle_union(
            (*control, self.gear), self.speed_limit_kmh, self.light, self.failure
        )


@dataclass(slots=True, eq=False)
class Walker(Actor):
    """A person on foot."""

    direction: Vector = (1.0, 0.0, 0.0)
    speed: float = 0.0  # m/s
    jump: bool = False
    is_led: bool = False  # by a client's crowd, which places it once a step
    dead_since_s: float | None = None  # its age then
    place: Vector | None = None  # at the last step, while it is led
    bones: PoseControl = field(default_factory=PoseControl)

    LIES_S: ClassVar[float] = 10.0  # CARLA takes the dead away after this time
    FASTEST_MPS: ClassVar[float] = 15.0  # what moves faster was teleported

    @property
    def is_gone(self) -> bool:
        """Whether the walker has been dead for long enough to be taken away."""
        return self.dead_since_s is not None and self.age_s - self.dead_since_s > self.LIES_S

    def note_place(self, dt: float) -> None:
        """Derive the velocity of a led walker, which has no physics, from its places."""
        here = self.pose[:3]
        if self.is_led and self.place is not None and dt > 0.0:
            x, y, z = ((now - then) / dt for now, then in zip(here, self.place, strict=True))
            is_jump = math.hypot(x, y) > self.FASTEST_MPS
            self.velocity = ZERO if is_jump else (x, y, z)
        self.place = here if self.is_led else None

    def union(self) -> bytes:
        """The walker's control."""
        return wire.walker_union(self.direction, self.speed, jump=self.jump)


@dataclass(slots=True, eq=False)
class TrafficLight(Actor):
    """One signal of the map; `index` is its place among the signals."""

    sign_id: str = field(kw_only=True)
    index: int = field(kw_only=True)
    head: Pose = field(kw_only=True)  # foot of the pole, turned to where the lamps look
    state: int = 0
    times_s: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # green yellow red elapsed
    pole: int = 0  # its number within the group
    is_frozen: bool = False

    def record(self) -> bytes:
        """The record in one go: lights are most of what a town's world state tells."""
        lights = (*self.times_s, self.pole, self.is_frozen, self.state)
        motion = (*self.velocity, *self.angular_velocity, *self.acceleration)
        return wire.light_record(self.actor_id, self.pose, motion, self.sign_id, lights)


@dataclass(slots=True, eq=False)
class TrafficSign(Actor):
    """A sign of the map."""

    sign_id: str = field(kw_only=True)

    def union(self) -> bytes:
        """The sign's OpenDRIVE id."""
        return wire.sign_union(self.sign_id)


@dataclass(slots=True, eq=False)
class Sensor(Actor):
    """Anything with a stream; `kind` is None for those that work inside the client."""

    stream_id: int = field(kw_only=True)
    kind: wire.SensorType | None = field(kw_only=True)
    period_s: float = 0.0
    due_s: float | None = None  # simulated time of its next message; None before the first
    memory: object | None = None  # what its kind keeps from one measurement to the next

    def is_due(self, time_s: float) -> bool:
        """Whether the sensor measures in this frame."""
        return self.due_s is None or time_s >= self.due_s - _SAME_TIME_S

    def take_turn(self, time_s: float) -> None:
        """Measure now; the next time lies on the grid that began with its first one.

        A frame that comes late does not move the grid: Unreal's tick intervals count overruns.
        """
        if self.due_s is None or self.period_s <= 0.0:
            self.due_s = time_s + self.period_s
            return
        missed = math.floor((time_s + _SAME_TIME_S - self.due_s) / self.period_s)
        self.due_s += (missed + 1) * self.period_s

    def number(self, name: str) -> float:
        """A numeric attribute, or what its blueprint has for it."""
        return float(self.attribute(name) or default_of(self.blueprint, name))

    def flag(self, name: str) -> bool:
        """A boolean attribute, or what its blueprint has for it."""
        text = self.attribute(name) or default_of(self.blueprint, name)
        return text.lower() in ("true", "1")


def parse_color(text: str) -> tuple[int, int, int]:
    """A colour attribute, such as `180,44,44`."""
    try:
        r, g, b = (min(max(int(part), 0), 255) for part in text.split(","))
    except ValueError:
        raise ActorError(f"expected a colour as 'r,g,b', got {text!r}") from None
    return r, g, b


_A = TypeVar("_A", bound=Actor)


class ActorRegistry:
    """Live actors in the order in which they were created."""

    def __init__(self) -> None:
        self._actors: dict[int, Actor] = {}
        self._by_kind: dict[type[Actor], list[Any]] = {}  # as far as it was asked for
        self._first_id = 0

    def __iter__(self) -> Iterator[Actor]:
        return iter(self._actors.values())

    def __contains__(self, actor_id: int) -> bool:
        return actor_id in self._actors

    def __len__(self) -> int:
        return len(self._actors)

    def add(self, actor: Actor) -> None:
        """Register an actor and number it, alike over reloads and by its id in the first town."""
        self._first_id = self._first_id or actor.actor_id
        # Only a replay gives an id below the first one; 0 is the scenery's.
        actor.instance = (actor.actor_id - self._first_id + 1) & 0xFFFF or 0xFFFF
        self._actors[actor.actor_id] = actor
        self._by_kind.clear()

    def find(self, actor_id: int) -> Actor | None:
        """The actor with that id, if it is alive."""
        return self._actors.get(actor_id)

    def get(self, actor_id: int, kind: type[_A]) -> _A:
        """The actor with that id.

        Raises:
            LookupFailed: there is none, or it is of another kind.
        """
        actor = self._actors.get(actor_id)
        if actor is None:
            text = "Actor could not be found in the registry"
            raise LookupFailed(f"{text}.  Actor Id: {actor_id}")
        if not isinstance(actor, kind):
            text = _NOT_A.get(kind.__name__, "Actor does not match the expected type")
            raise LookupFailed(f"{text}.  Actor Id: {actor_id} ({actor.blueprint})")
        return actor

    def of(self, kind: type[_A]) -> Iterator[_A]:
        """All actors of a kind."""
        found = self._by_kind.get(kind)
        if found is None:
            found = [actor for actor in self._actors.values() if isinstance(actor, kind)]
            self._by_kind[kind] = found
        return iter(found)

    def remove(self, actor_id: int) -> None:
        """Forget an actor; what was attached to it stays where it is."""
        gone = self._actors.pop(actor_id)
        self._by_kind.clear()
        for actor in self._actors.values():
            if actor.parent is gone:
                actor.parent = actor.relative = actor.arm = None
