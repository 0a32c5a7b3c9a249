"""The world as plain data: one `WorldState` per frame, from one snapshot."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import carla

from fusiondrive.carla_types import pose_of
from fusiondrive.errors import SimulatorError
from fusiondrive.types import (
    ActorKind,
    ActorState,
    Closing,
    CollisionEvent,
    LightState,
    StopLine,
    WorldState,
)

logger = logging.getLogger(__name__)

STOP_LINE_RANGE_M = 60.0


class _Static(NamedTuple):
    """What does not change over an actor's life."""

    actor: carla.Actor
    type_id: str
    kind: ActorKind
    box_center: tuple[float, float, float]
    box_extent: tuple[float, float, float]


class _Line(NamedTuple):
    light_id: int
    x: float
    y: float
    yaw: float


@dataclass(frozen=True)
class _Crossing:
    frame: int


class StopLines:
    """All stop lines of a loaded map; its lights stay where they are until the next load."""

    def __init__(self, world: carla.World) -> None:
        self._lights: dict[int, carla.TrafficLight] = {}
        self._lines: list[_Line] = []
        for light in world.get_actors().filter("traffic.traffic_light*"):
            self._lights[light.id] = light
            for waypoint in _stop_waypoints(light):
                pose = pose_of(waypoint.transform)
                self._lines.append(_Line(light.id, pose.x, pose.y, pose.yaw))

    def __len__(self) -> int:
        return len(self._lines)

    def near(self, x: float, y: float) -> tuple[StopLine, ...]:
        """Lines within 60 m, with the state of their lights in the client's last snapshot."""
        return tuple(
            StopLine(line.light_id, line.x, line.y, line.yaw, self._state(line.light_id))
            for line in self._lines
            if math.hypot(line.x - x, line.y - y) <= STOP_LINE_RANGE_M
        )

    def _state(self, light_id: int) -> LightState:
        return LightState(int(self._lights[light_id].get_state()))


class EventInbox:
    """Events from a sensor's thread, handed out by frame."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Any] = []

    def put(self, event: Any) -> None:
        """Take an event from the client's streaming thread."""
        with self._lock:
            self._waiting.append(event)

    def drain(self, frame: int) -> list[Any]:
        """Events up to this frame, in the order of frames."""
        with self._lock:
            due = [event for event in self._waiting if event.frame <= frame]
            self._waiting = [event for event in self._waiting if event.frame > frame]
        return sorted(due, key=lambda event: event.frame)


class WorldReader(Closing):
    """Reads the world around one ego vehicle; owns its event sensors."""

    def __init__(self, world: carla.World, lines: StopLines, ego: carla.Actor) -> None:
        self._world = world
        self._ego = ego
        self._lines = lines
        self._cache: dict[int, _Static | None] = {}
        self._contacts, self._crossings = EventInbox(), EventInbox()
        self._sensors: list[carla.Actor] = []
        try:
            self._attach("sensor.other.collision", self._on_collision)
            self._attach("sensor.other.lane_invasion", self._on_crossing)
        except (RuntimeError, IndexError) as err:
            self.close()
            raise SimulatorError(f"could not attach the event sensors: {err}") from err

    def read(self, snapshot: carla.WorldSnapshot) -> WorldState:
        """The state of the snapshot's frame.

        Raises:
            SimulatorError: the ego is not in it.
        """
        self._learn(snapshot)
        vehicles: list[ActorState] = []
        walkers: list[ActorState] = []
        ego: ActorState | None = None
        for actor_id, static in self._cache.items():
            if static is None:
                continue
            seen = snapshot.find(actor_id)
            if seen is None:
                continue
            state = _state(actor_id, static, seen)
            if actor_id == self._ego.id:
                ego = state
            elif static.kind is ActorKind.VEHICLE:
                vehicles.append(state)
            else:
                walkers.append(state)
        if ego is None:
            raise SimulatorError(f"frame {snapshot.frame}: the ego vehicle is gone")
        return WorldState(
            frame=snapshot.frame,
            time_s=snapshot.timestamp.elapsed_seconds,
            ego=ego,
            vehicles=tuple(vehicles),
            walkers=tuple(walkers),
            stop_lines=self._lines.near(ego.pose.x, ego.pose.y),
            at_red_light=self._is_at_red(),
            collisions=self._drain_contacts(snapshot.frame),
            lane_crossings=len(self._crossings.drain(snapshot.frame)),
        )

    def forget_events(self, frame: int) -> None:
        """Drop what happened up to this frame: contacts while the car settled after its spawn."""
        self._contacts.drain(frame)
        self._crossings.drain(frame)

    def close(self) -> None:
        """Stop and remove the event sensors; a dead server is no obstacle."""
        sensors, self._sensors = self._sensors, []
        for sensor in sensors:
            try:
                sensor.stop()
                sensor.destroy()
            except RuntimeError as err:
                logger.debug("sensor %s was not removed: %s", sensor.id, err)

    def _attach(self, blueprint_id: str, callback: Callable[[Any], None]) -> None:
        blueprint = self._world.get_blueprint_library().find(blueprint_id)
        sensor = self._world.spawn_actor(blueprint, carla.Transform(), attach_to=self._ego)
        self._sensors.append(sensor)
        sensor.listen(callback)

    def _on_collision(self, event: Any) -> None:
        impulse, place, other = event.normal_impulse, event.transform.location, event.other_actor
        type_id = "" if other is None else str(other.type_id)
        self._contacts.put(
            CollisionEvent(
                frame=int(event.frame),
                other_id=0 if other is None else int(other.id),
                other_type=type_id,
                kind=kind_of(type_id),
                impulse=math.sqrt(impulse.x**2 + impulse.y**2 + impulse.z**2),
                x=float(place.x),
                y=float(place.y),
            )
        )

    def _on_crossing(self, event: Any) -> None:
        self._crossings.put(_Crossing(int(event.frame)))

    def _drain_contacts(self, frame: int) -> tuple[CollisionEvent, ...]:
        """Contacts in an order that does not depend on threads or actor ids."""
        contacts = self._contacts.drain(frame)
        return tuple(sorted(contacts, key=lambda c: (c.frame, -c.impulse, c.other_type)))

    def _learn(self, snapshot: carla.WorldSnapshot) -> None:
        """Look up actors that were not seen before, with one call for all of them."""
        fresh = [seen.id for seen in snapshot if seen.id not in self._cache]
        if not fresh:
            return
        found = {actor.id: actor for actor in self._world.get_actors(fresh)}
        for actor_id in fresh:
            actor = found.get(actor_id)
            self._cache[actor_id] = None if actor is None else _static(actor)

    def _is_at_red(self) -> bool:
        if not self._ego.is_at_traffic_light():
            return False
        return bool(self._ego.get_traffic_light_state() == carla.TrafficLightState.Red)


def _stop_waypoints(light: carla.TrafficLight) -> list[carla.Waypoint]:
    """One waypoint for each lane that the light stops.

    The client finds them by sampling the light's trigger volume, which on wide roads may miss a
    lane; lanes that the map's signal names, outside of junctions, are added.
    """
    found = list(light.get_stop_waypoints())
    lanes = {(waypoint.road_id, waypoint.lane_id) for waypoint in found}
    for waypoint in light.get_affected_lane_waypoints():
        lane = (waypoint.road_id, waypoint.lane_id)
        if lane not in lanes and not waypoint.is_junction:
            lanes.add(lane)
            found.append(waypoint)
    return found


def kind_of(type_id: str) -> ActorKind:
    """Sort a blueprint id; what cannot be sorted is `other`, never dropped."""
    if type_id.startswith("vehicle."):
        return ActorKind.VEHICLE
    if type_id.startswith("walker."):
        return ActorKind.PEDESTRIAN
    if type_id.startswith(("static.", "traffic.")):
        return ActorKind.STATIC
    return ActorKind.OTHER


def _static(actor: carla.Actor) -> _Static | None:
    kind = kind_of(actor.type_id)
    if kind not in (ActorKind.VEHICLE, ActorKind.PEDESTRIAN):
        return None
    box = actor.bounding_box
    return _Static(
        actor,
        actor.type_id,
        kind,
        (box.location.x, box.location.y, box.location.z),
        (box.extent.x, box.extent.y, box.extent.z),
    )


def _state(actor_id: int, static: _Static, seen: carla.ActorSnapshot) -> ActorState:
    velocity = seen.get_velocity()
    return ActorState(
        actor_id=actor_id,
        type_id=static.type_id,
        kind=static.kind,
        pose=pose_of(seen.get_transform()),
        velocity=(velocity.x, velocity.y, velocity.z),
        box_center=static.box_center,
        box_extent=static.box_extent,
    )
