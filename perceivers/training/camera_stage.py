"""A car with both cameras that is put into one random scene after the other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import NamedTuple

import carla
import numpy as np

from fusiondrive.carla_types import transform_of
from fusiondrive.errors import SimulatorError
from fusiondrive.types import ActorKind, ActorState, CameraSpec, Closing, Pose
from harness.ego import BLUEPRINTS, ROLE_NAME
from harness.session import Session
from harness.world import StopLines, WorldReader
from perceivers.detection import CAMERA
from perceivers.kinds import CAR, CYCLIST, PERSON
from perceivers.training.scenes import Cast, Guest, RandomScene, draw_scene
from scenarios.weather import carla_weather, preset
from sensors.frame import RigFrame
from sensors.rig import SensorRig

logger = logging.getLogger(__name__)

CAMERAS = (CameraSpec(), CAMERA)  # of drives, and of track tests
SPACING_M = 3.0  # between places at which the car may stand
WALKER_LIFT_M = 1.0
SETTLE_TICKS = 1
SLIM_M = 0.5  # vehicles with a smaller half width are two-wheelers
FIRST_WAIT_S = 120.0


class Shot(NamedTuple):
    """What one camera sees of a scene."""

    camera: CameraSpec
    frame: RigFrame
    actors: tuple[tuple[ActorState, str], ...]  # with their kinds, without the car


class CameraStage(Closing):
    """Owns the car, its cameras, and for a while the guests of a scene."""

    def __init__(self, session: Session) -> None:
        """Put the car into the session's loaded town.

        Raises:
            SimulatorError: the server refuses it.
        """
        self._session, world = session, session.world
        self._waypoints = [
            item for item in session.map.generate_waypoints(SPACING_M) if not item.is_junction
        ]
        self._cast = Cast.of(world.get_blueprint_library())
        self._owned = ExitStack()
        try:
            start = self._waypoints[0].transform
            start.location.z += 0.3
            blueprint = world.get_blueprint_library().find(BLUEPRINTS[0])
            blueprint.set_attribute("role_name", ROLE_NAME)
            self._ego = world.spawn_actor(blueprint, start)
            self._owned.callback(self._ego.destroy)
            self._ego.set_simulate_physics(False)
            extent, middle = self._ego.bounding_box.extent, self._ego.bounding_box.location
            self._lift_m = float(extent.z - middle.z)
            own = self._owned.enter_context
            self._rigs = [
                own(SensorRig(world, self._ego, camera, with_thermal=True)) for camera in CAMERAS
            ]
            self._reader = own(WorldReader(world, StopLines(world), self._ego))
        except (RuntimeError, IndexError) as err:
            self.close()
            raise SimulatorError(f"could not set the stage: {err}") from err
        self._weather = ""
        self._is_first = True

    def draw(self, rng: np.random.Generator) -> RandomScene:
        """A scene of this town."""
        return draw_scene(self._waypoints, self._cast, rng)

    def shoot(self, scene: RandomScene) -> list[Shot]:
        """The scene through every camera.

        Raises:
            SimulatorError: the server died or did not answer.
        """
        try:
            if scene.weather != self._weather:
                self._session.world.set_weather(carla_weather(preset(scene.weather)))
                self._weather = scene.weather
            self._ego.set_transform(self._on_ground(scene.ego, self._lift_m))
            with self._guests(scene.guests):
                for _ in range(SETTLE_TICKS):
                    self._read()
                return self._read()
        except RuntimeError as err:
            raise SimulatorError(f"a scene broke: {err}") from err

    def close(self) -> None:
        """Remove everything; may be called twice."""
        try:
            self._owned.close()
        except RuntimeError as err:
            logger.debug("the stage was not cleared: %s", err)

    def _read(self) -> list[Shot]:
        wait_s = FIRST_WAIT_S if self._is_first else None
        if self._is_first:
            self._session.expect_slow_tick()
        frame = self._session.tick()
        frames = [rig.read(frame, wait_s) for rig in self._rigs]
        self._is_first = False
        state = self._reader.read(self._session.snapshot(frame))
        actors = tuple((one, _kind_of(one)) for one in (*state.walkers, *state.vehicles))
        return [Shot(camera, seen, actors) for camera, seen in zip(CAMERAS, frames, strict=True)]

    @contextmanager
    def _guests(self, guests: tuple[Guest, ...]) -> Iterator[None]:
        """Have them there; where the server has no room for one, it stays away."""
        actors: list[carla.Actor] = []
        try:
            for guest in guests:
                actor = self._enter(guest)
                if actor is not None:
                    actors.append(actor)
            yield
        finally:
            for actor in actors:
                actor.destroy()

    def _enter(self, guest: Guest) -> carla.Actor | None:
        world = self._session.world
        blueprint = world.get_blueprint_library().find(guest.blueprint)
        if blueprint.has_attribute("color"):
            colours = blueprint.get_attribute("color").recommended_values
            blueprint.set_attribute("color", colours[guest.paint % len(colours)])
        is_person = guest.kind == PERSON
        place = self._on_ground(guest.pose, WALKER_LIFT_M if is_person else 0.3)
        actor = world.try_spawn_actor(blueprint, place)
        if actor is None:
            return None
        if not is_person:
            actor.set_simulate_physics(False)
        extent, middle = actor.bounding_box.extent, actor.bounding_box.location
        actor.set_transform(self._on_ground(guest.pose, float(extent.z - middle.z)))
        if is_person:
            ahead = place.get_forward_vector()
            actor.apply_control(carla.WalkerControl(ahead, guest.speed_mps, False))
        return actor

    @staticmethod
    def _on_ground(pose: Pose, lift_m: float) -> carla.Transform:
        return transform_of(replace(pose, z=pose.z + lift_m))


def _kind_of(actor: ActorState) -> str:
    if actor.kind is ActorKind.PEDESTRIAN:
        return PERSON
    return CYCLIST if actor.box_extent[1] < SLIM_M else CAR
