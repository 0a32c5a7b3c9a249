"""The actors of a run: spawned at their places, moved along their scripts, removed at the end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import carla

from fusiondrive.carla_types import transform_of
from fusiondrive.errors import SimulatorError
from fusiondrive.types import Closing, Pose
from harness.ego import ROLE_NAME
from harness.track.protocol import RUN_IN_S, STEP_S
from harness.track.road import Straight
from harness.track.scene import EGO, Part, Scene, Script

logger = logging.getLogger(__name__)

LIFT_M = 0.05
USUAL_HALF_M = (2.4, 1.0)  # of a car, until the server has said its own
LOW_BEAM = carla.VehicleLightState.Position | carla.VehicleLightState.LowBeam


class Performer:
    """A part of the scene and its actor."""

    def __init__(self, part: Part, actor: carla.Actor) -> None:
        extent, middle = actor.bounding_box.extent, actor.bounding_box.location
        self.role = part.role
        self.half = (float(extent.x), float(extent.y))
        self.actor = actor
        self.script: Script = part.sized(self.half).script
        self._is_walker = part.is_walker
        self._lift_m = float(extent.z - middle.z)  # of the actor's origin above its feet
        self._is_walking = False

    def move(self, road: Straight, time_s: float) -> None:
        """Be where the script says; people walk there themselves, by CARLA's own control."""
        along, right = self.script.place(time_s)
        if not self._is_walker:
            self.actor.set_transform(self._pose(road, along, right))
            return
        if self._is_walking:
            return
        if time_s < self.script.begins_s + 0.5 * STEP_S:
            if time_s <= STEP_S - RUN_IN_S:
                self.actor.set_transform(self._pose(road, along, right))
            return
        self._is_walking = True
        moving = self.script.motion(time_s)
        ahead, aside = road.pose(1.0, 0.0), road.pose(0.0, 1.0)
        start = road.start
        x = (ahead.x - start.x) * moving.along_mps + (aside.x - start.x) * moving.right_mps
        y = (ahead.y - start.y) * moving.along_mps + (aside.y - start.y) * moving.right_mps
        speed = (x * x + y * y) ** 0.5
        direction = carla.Vector3D(x / speed, y / speed, 0.0)
        self.actor.apply_control(carla.WalkerControl(direction, speed, False))

    def _pose(self, road: Straight, along_m: float, right_m: float) -> carla.Transform:
        pose = road.pose(along_m, right_m, self.script.turned_deg)
        return transform_of(replace(pose, z=pose.z + self._lift_m))


class Stage(Closing):
    """Owns the actors of one run."""

    def __init__(
        self, world: carla.World, road: Straight, scene: Scene, *, has_low_beam: bool
    ) -> None:
        """Spawn everybody.

        Raises:
            SimulatorError: the server lacks a blueprint or refuses a place.
        """
        self._world = world
        self._actors: list[carla.Actor] = []
        self._road = road
        try:
            self.ego = self._spawn("car", EGO, road.pose(scene.start_m, 0.0), LIFT_M)
            extent = self.ego.bounding_box.extent
            parts = scene.parts(road, float(extent.x), float(extent.y))
            self.performers = [self._enter(part, has_low_beam=has_low_beam) for part in parts]
            if has_low_beam:
                self.ego.set_light_state(carla.VehicleLightState(LOW_BEAM))
            heading = road.pose(1.0, 0.0)
            self.ego.set_target_velocity(
                carla.Vector3D(
                    (heading.x - road.start.x) * scene.speed_mps,
                    (heading.y - road.start.y) * scene.speed_mps,
                    0.0,
                )
            )
        except BaseException:
            self.close()
            raise

    @property
    def target(self) -> Performer | None:
        """Who is in the way."""
        return next((item for item in self.performers if item.role == "target"), None)

    def move(self, time_s: float) -> None:
        """Put everybody where they are at that time."""
        for performer in self.performers:
            performer.move(self._road, time_s)

    def close(self) -> None:
        """Remove everybody; a dead server is no obstacle."""
        actors, self._actors = self._actors, []
        for actor in actors:
            try:
                actor.destroy()
            except RuntimeError as err:
                logger.debug("actor %s was not removed: %s", actor.id, err)

    def _enter(self, part: Part, *, has_low_beam: bool) -> Performer:
        guess = part if part.is_walker else part.sized(USUAL_HALF_M)
        along, right = guess.script.place(-RUN_IN_S)
        pose = self._road.pose(along, right, part.script.turned_deg)
        actor = self._spawn(part.role, part.blueprints, pose, 1.0 if part.is_walker else LIFT_M)
        if not part.is_walker:
            actor.set_simulate_physics(False)
            if part.has_low_beam and has_low_beam:
                actor.set_light_state(carla.VehicleLightState(LOW_BEAM))
        performer = Performer(part, actor)
        performer.move(self._road, -RUN_IN_S)
        return performer

    def _spawn(self, role: str, names: Sequence[str], pose: Pose, lift_m: float) -> carla.Actor:
        library = self._world.get_blueprint_library()
        fitting = [blueprint for name in names for blueprint in library.filter(name)]
        if not fitting:
            raise SimulatorError(f"the server has none of {', '.join(names)} for the {role}")
        blueprint = fitting[0]
        if role == "car":
            blueprint.set_attribute("role_name", ROLE_NAME)
        place = replace(pose, z=pose.z + lift_m)
        try:
            actor = self._world.spawn_actor(blueprint, transform_of(place))
        except RuntimeError as err:
            raise SimulatorError(
                f"could not place the {role} at ({place.x:.1f}, {place.y:.1f}): {err}"
            ) from err
        self._actors.append(actor)
        return actor
