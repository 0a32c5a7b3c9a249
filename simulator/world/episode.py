"""One run of a town: the actors, their physics, the traffic lights and the passing of time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import carla

from simulator.actors.ackermann import Motion
from simulator.actors.attachment import PROBE_M, AttachmentType, SpringArm
from simulator.actors.models import (
    Actor,
    ActorRegistry,
    FrictionTrigger,
    Sensor,
    TrafficLight,
    TrafficSign,
    Vehicle,
    Walker,
)
from simulator.actors.skeletons import pose_to_follow
from simulator.errors import ActorError
from simulator.physics import BodyState, Contact, Physics, VehicleInput
from simulator.types import F64, Pose, Tag, Weather
from simulator.world import rays
from simulator.world.debug_shapes import DebugShapes
from simulator.world.friction import apply_triggers
from simulator.world.ids import Ids
from simulator.world.lights import TrafficLights, trigger_box
from simulator.world.scene import Scene
from simulator.world.settings import Settings
from simulator.world.street_lights import StreetLights

_LIMIT_EVERY_TICKS = 5  # how often a vehicle looks up the speed limit below it
_SPECTATOR = Pose(0.0, 0.0, 20.0, -20.0, 0.0, 0.0)
_GONE_KEPT = 1000
_LARGEST_ID = 2**31 - 1  # numbers go on from there, and have 32 bits
_LIGHT_BOX_HALF = (1.5, 0.3, 1.0)  # m


class Episode:
    """A town in motion. Not thread-safe: the server holds a lock around every call."""

    def __init__(self, scene: Scene, ids: Ids, previous: Episode | None = None) -> None:
        self.scene = scene
        self.map_name = scene.town.name
        self.layers = scene.layers  # what clients want to see of the town; the scene follows
        self.ids = ids
        self.episode_id = next(ids.episodes)
        self.weather = Weather()
        self.actors = ActorRegistry()
        self.triggers: list[FrictionTrigger] = []
        self.debug_shapes = DebugShapes()
        # A Traffic Manager's thread asks for vehicles that its client has just destroyed or left
        # behind in another town, and an error would end the client; so their boxes are kept.
        self.gone: dict[int, list[Any]] = {}
        if previous is not None:
            self.gone = {**previous.gone, **{a.actor_id: a.box() for a in previous.actors}}
            kept = list(self.gone.items())[-_GONE_KEPT:]
            self.gone = dict(kept)
        self.physics = Physics(scene.obstacles, scene.ground.heights)
        self.lights = TrafficLights(scene.town.signals)
        self.street_lights = StreetLights(scene.lamps, self.weather)
        self.spectator = Actor(next(ids.actors), "spectator", pose=_SPECTATOR)
        self.actors.add(self.spectator)
        self.light_actors = [self._light_actor(i) for i in range(len(scene.town.signals))]
        for sign in scene.signs:
            actor_id, pose = next(ids.actors), sign.pose
            tags = bytes([Tag.TRAFFIC_SIGNS])
            actor = TrafficSign(
                actor_id, sign.blueprint, pose=pose, tags=tags, sign_id=sign.sign_id
            )
            if sign.stop_lines:
                box = trigger_box(actor.pose, sign.stop_lines)
                actor.box_center, actor.half_extent, actor.box_rotation = box
            self.actors.add(actor)
        self._show_lights()

    def _light_actor(self, index: int) -> TrafficLight:
        """The actor of a signal; its box is the trigger volume in front of the stop line.

        As CARLA's lights it is turned by 90 degrees against its head: clients look for the lanes
        it governs along its own x axis.
        """
        signal = self.scene.town.signals[index]
        actor = TrafficLight(
            next(self.ids.actors),
            "traffic.traffic_light",
            pose=signal.pose._replace(yaw=_half_turn(signal.pose.yaw - 90.0)),
            half_extent=_LIGHT_BOX_HALF,
            tags=bytes([Tag.TRAFFIC_LIGHT]),
            sign_id=signal.signal_id,
            index=index,
            head=signal.pose,
        )
        if signal.stop_lines:
            box = trigger_box(actor.pose, signal.stop_lines)
            actor.box_center, actor.half_extent, actor.box_rotation = box
        self.actors.add(actor)
        return actor

    def new_id(self, wanted: int = 0) -> int:
        """A number for a new actor: the wanted one unless a living actor has it, else a new one."""
        if not 0 < wanted <= _LARGEST_ID or wanted in self.actors:
            return next(self.ids.actors)
        self.ids.actors.skip(wanted)
        self.gone.pop(wanted, None)
        return wanted

    def change_scene(self, scene: Scene) -> None:
        """Go on in the same town with other things standing in it."""
        self.scene = scene
        self.physics.replace_obstacles(scene.obstacles)

    def step(self, settings: Settings) -> list[Contact]:
        """Let one step of time pass; returns what touched."""
        dt = settings.delta_s
        vehicles, walkers = list(self.actors.of(Vehicle)), list(self.actors.of(Walker))
        for walker in walkers:
            if walker.jump and walker.has_body:
                self.physics.jump(walker.actor_id)
        if self.triggers:
            apply_triggers(vehicles, self.triggers, self.physics)
        self._drive_ackermann(vehicles, dt)
        self._apply_steering_curves(vehicles)
        contacts = self.physics.step(dt, settings.substeps)
        self.lights.advance(dt)
        self._show_lights()
        bodies = self.physics.bodies()
        for actor in self.actors:
            actor.ticks += 1
            actor.age_s += dt
            if actor.has_body:
                _follow_body(actor, bodies[actor.actor_id], dt)
            elif actor.parent is not None and actor.relative is not None:
                self._follow_parent(actor, actor.parent, dt)
        for vehicle in vehicles:
            self._look_around(vehicle)
            vehicle.note_roll(dt)
            if not vehicle.is_sticky and vehicle.has_body:
                self.drive(vehicle, VehicleInput())
        for walker in walkers:
            if walker.is_gone:
                self.destroy(walker.actor_id)
        return contacts

    def _drive_ackermann(self, vehicles: Sequence[Vehicle], dt: float) -> None:
        for vehicle in vehicles:
            if vehicle.ackermann is None or not vehicle.has_body:
                continue
            yaw = math.radians(vehicle.pose.yaw)
            ahead = (math.cos(yaw), math.sin(yaw))
            speed, pull = (
                v[0] * ahead[0] + v[1] * ahead[1] for v in (vehicle.velocity, vehicle.acceleration)
            )
            motion = Motion(speed, pull, vehicle.spec.max_steer_deg)
            order = vehicle.controller.advance(vehicle.ackermann, motion, dt)
            vehicle.control = order
            self.physics.control(vehicle.actor_id, order)

    def _apply_steering_curves(self, vehicles: Sequence[Vehicle]) -> None:
        for vehicle in vehicles:
            if vehicle.steering_curve is not None and vehicle.has_body:
                speed = math.hypot(vehicle.velocity[0], vehicle.velocity[1])
                share = vehicle.steering_curve.at(3.6 * speed)
                self.physics.set_lock_share(vehicle.actor_id, vehicle.spec, share)

    def drive(self, vehicle: Vehicle, order: VehicleInput) -> None:
        """Give a vehicle its pedals and steering until the next order."""
        vehicle.control = order
        vehicle.ackermann = None
        if vehicle.has_body:
            self.physics.control(vehicle.actor_id, order)

    def _look_around(self, vehicle: Vehicle) -> None:
        """Which traffic light and which speed limit hold for a vehicle."""
        x, y, z = vehicle.pose[:3]
        speed_mps = math.hypot(vehicle.velocity[0], vehicle.velocity[1])
        index = self.lights.governing(
            x, y, vehicle.pose.yaw, front_m=vehicle.half_extent[0], speed_mps=speed_mps
        )
        light = self.light_actors[index] if index is not None else None
        vehicle.light = (light.state, light.actor_id) if light is not None else None
        if vehicle.ticks % _LIMIT_EVERY_TICKS == 1:
            waypoint = self.scene.carla_map.get_waypoint(carla.Location(x, y, z))
            if waypoint is not None:
                vehicle.speed_limit_kmh = self.scene.limits.at(waypoint.road_id, waypoint.s)

    def _show_lights(self) -> None:
        for actor, now in zip(self.light_actors, self.lights.states, strict=True):
            actor.state, actor.is_frozen = now.state, now.frozen
            actor.times_s = (now.green_s, now.yellow_s, now.red_s, now.elapsed_s)

    def place(self, actor: Actor, pose: Pose) -> None:
        """Move an actor at once; relative to its parent if it has one."""
        if actor.parent is not None:
            actor.relative = pose
            if actor.arm is not None:
                actor.arm = SpringArm.of(pose, yields=actor.arm.yields)
            self._follow_parent(actor, actor.parent, 0.0)
            pose = actor.pose
        actor.pose = pose
        if actor.has_body:
            self.physics.teleport(actor.actor_id, pose)

    def attach(
        self, actor: Actor, parent_id: int, relative: Pose,
        kind: AttachmentType = AttachmentType.RIGID, bone: str = "",
    ) -> None:  # fmt: skip
        """Let an actor follow another one, or one of its bones."""
        parent = self.actors.find(parent_id)
        if parent is None:
            raise ActorError("unable to attach actor: parent actor not found")
        actor.parent, actor.relative, actor.bone = parent, relative, bone
        if kind is not AttachmentType.RIGID:
            actor.arm = SpringArm.of(relative, yields=kind is AttachmentType.SPRING_ARM)
        self._follow_parent(actor, parent, 0.0)

    def _follow_parent(self, actor: Actor, parent: Actor, delta_s: float) -> None:
        actor.velocity = parent.velocity
        base = pose_to_follow(parent, actor.bone)
        if actor.arm is not None:
            actor.pose = actor.arm.advance(base, delta_s, self._free_length)
        elif actor.relative is not None:
            actor.pose = base.compose(actor.relative)

    def _free_length(self, origin: F64, direction: F64, length_m: float) -> float:
        return rays.free_length(self.scene, origin, direction, length_m, PROBE_M)

    def destroy(self, actor_id: int) -> bool:
        """Remove an actor; lights, signs and the spectator belong to the map and stay."""
        actor = self.actors.find(actor_id)
        if actor is None or actor is self.spectator:
            return False
        if isinstance(actor, TrafficLight | TrafficSign):
            return False
        if actor.has_body:
            self.physics.remove(actor_id)
        self.actors.remove(actor_id)
        if isinstance(actor, FrictionTrigger):
            self.triggers.remove(actor)
            apply_triggers(list(self.actors.of(Vehicle)), self.triggers, self.physics)
        self.gone[actor_id] = actor.box()
        if len(self.gone) > _GONE_KEPT:
            del self.gone[next(iter(self.gone))]
        return True

    def set_weather(self, values: list[float]) -> None:
        """Change the weather; values beyond those known are ignored, missing ones stay."""
        names = list(self.weather.__dataclass_fields__)
        given = {name: float(v) for name, v in zip(names, values, strict=False)}
        self.weather = replace(self.weather, **given)
        self.street_lights.follow(self.weather)

    def records(self) -> bytes:
        """The records of all actors."""
        return b"".join([actor.record() for actor in self.actors])

    def sensors(self) -> Iterator[Sensor]:
        """All sensors in order of creation."""
        return self.actors.of(Sensor)


def _follow_body(actor: Actor, body: BodyState, dt: float) -> None:
    actor.pose, actor.velocity, actor.angular_velocity, actor.acceleration = body[:4]
    if isinstance(actor, Vehicle):
        actor.gear = body.gear
        if not actor.wheels.is_free:
            actor.wheel_steer_deg = body.wheel_steer_deg
    elif isinstance(actor, Walker):
        actor.note_place(dt)


def _half_turn(degrees: float) -> float:
    """An angle in (-180, 180]."""
    return 180.0 - (180.0 - degrees) % 360.0
