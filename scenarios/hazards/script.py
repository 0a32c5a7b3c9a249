"""What every hazard's script shares: its phases, its view of the world, and who plays in it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any

import carla
import numpy as np

from fusiondrive.carla_types import transform_of
from fusiondrive.types import ActorState, Pose, WorldState
from scenarios.hazards.kinds import BICYCLES
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.way import Way
from scenarios.traffic import car_blueprints

APPEAR_M = 70.0  # before the bumper: a car is then less than 5 pixels high
TOO_LATE_M = 30.0  # where its place is still taken, the hazard is left out
SHIFTS_M = (0.0, 2.0, -2.0, 4.0, -4.0, 6.0, -6.0)  # tried in turn where a tree or lamp stands
FREE_M = 8.0  # around the place of an actor that appears
ON_WAY_M = 2.2  # from the route's line: a vehicle there drives the ego's way
PASSED_M = 30.0  # behind the ego
STUCK_MPS, STUCK_S = 0.1, 45.0  # an ego that stands so long waits for others that wait as well
VEHICLE_LIFT_M = 0.3
WALKER_LIFT_M = 1.0

Command = Any  # of carla.command


class Phase(str, Enum):
    """How far a hazard is."""

    AHEAD = "ahead"  # its actors are not there yet
    WAITING = "waiting"  # they are there
    ACTING = "acting"  # it does what it is a hazard by
    LEAVING = "leaving"  # the ego has done its part
    GONE = "gone"


@dataclass(frozen=True)
class Scene:
    """One step as a script sees it."""

    state: WorldState
    way: Way

    @cached_property
    def ego_m(self) -> float:
        """The ego's origin along the route."""
        assert self.state.progress is not None  # a drive always has it
        return self.state.progress.distance_m

    @cached_property
    def bumper_m(self) -> float:
        """The ego's front bumper along the route."""
        ego = self.state.ego
        return self.ego_m + ego.box_center[0] + ego.box_extent[0]

    @property
    def speed_mps(self) -> float:
        """The ego's, along its heading."""
        return self.state.ego.forward_speed_mps

    @cached_property
    def by_id(self) -> dict[int, ActorState]:
        """All other actors."""
        return {actor.actor_id: actor for actor in (*self.state.vehicles, *self.state.walkers)}

    def is_first(self, until_m: float) -> bool:
        """Whether no other vehicle is on the ego's way up to a place on the route."""
        for other in self.state.vehicles:
            place = self.way.place_of(other, 0.5 * (self.bumper_m + until_m))
            is_between = self.bumper_m < place.along_m < until_m + FREE_M
            if is_between and abs(place.right_m) < ON_WAY_M:
                return False
        return True

    def is_free(self, place: Pose, radius_m: float, but: Sequence[int] = ()) -> bool:
        """Whether no vehicle but those named is near a place; the ego counts."""
        return not any(
            math.hypot(other.pose.x - place.x, other.pose.y - place.y) < radius_m
            for other in (self.state.ego, *self.state.vehicles)
            if other.actor_id not in but
        )


class Stage:
    """Brings actors into the world by the client's calls."""

    def __init__(self, client: carla.Client, world: carla.World, *, is_night: bool) -> None:
        self.client = client
        self._world = world
        self._is_night = is_night
        self._library = world.get_blueprint_library()

    def car(
        self, pose: Pose, rng: np.random.Generator, *, is_van: bool = False, is_lit: bool = True
    ) -> carla.Actor | None:
        """Place a car; None where its place is taken."""
        found = car_blueprints(self._world)
        vans = [item for item in self._library.filter("vehicle.*") if _base_type(item) == "van"]
        if is_van and vans:
            found = sorted(vans, key=lambda item: item.id)
        actor = self._vehicle(found[int(rng.integers(len(found)))], pose, rng)
        if actor is not None and is_lit and self._is_night:
            lit = carla.VehicleLightState.Position | carla.VehicleLightState.LowBeam
            actor.set_light_state(carla.VehicleLightState(lit))
        return actor

    def bicycle(self, pose: Pose, rng: np.random.Generator) -> carla.Actor | None:
        """Place a cyclist; None where the place is taken or the server has no bicycle."""
        found = [item for item in self._library.filter("vehicle.*") if item.id in BICYCLES]
        found.sort(key=lambda item: item.id)
        return self._vehicle(found[int(rng.integers(len(found)))], pose, rng) if found else None

    def person(self, pose: Pose, rng: np.random.Generator) -> carla.Actor | None:
        """Place a person; None where the place is taken."""
        found = sorted(self._library.filter("walker.pedestrian.*"), key=lambda item: item.id)
        blueprint = found[int(rng.integers(len(found)))]
        if blueprint.has_attribute("is_invincible"):
            blueprint.set_attribute("is_invincible", "false")
        lifted = replace(pose, z=pose.z + WALKER_LIFT_M)
        return self._world.try_spawn_actor(blueprint, transform_of(lifted))

    def _vehicle(
        self, blueprint: carla.ActorBlueprint, pose: Pose, rng: np.random.Generator
    ) -> carla.Actor | None:
        if blueprint.has_attribute("color"):
            colors = blueprint.get_attribute("color").recommended_values
            if colors:
                blueprint.set_attribute("color", colors[int(rng.integers(len(colors)))])
        blueprint.set_attribute("role_name", "hazard")
        lifted = replace(pose, z=pose.z + VEHICLE_LIFT_M)
        return self._world.try_spawn_actor(blueprint, transform_of(lifted))


class Script(ABC):
    """Plays one hazard; `advance` once before each tick says what the client has to send."""

    appear_m = APPEAR_M

    def __init__(self, placed: PlacedHazard, way: Way) -> None:
        self.placed = placed
        self.way = way
        self.route_m = placed.route_m  # shifted where its place is taken
        self.phase = Phase.AHEAD
        self.actor_ids: list[int] = []  # the first is the one to brake for
        self.main_id = 0
        self._rng = np.random.default_rng(placed.key)
        self._since_s = 0.0
        self._tries = 0
        self._stuck = Patience(STUCK_S)

    @property
    def begin_m(self) -> float:
        """Where along the route its first actor appears."""
        return self.route_m

    def advance(self, scene: Scene, stage: Stage) -> list[Command]:
        """Play one step."""
        if self.phase is Phase.GONE:
            return []
        if self.phase is Phase.AHEAD:
            return self._appear(scene, stage)
        is_past = scene.ego_m > self.route_m + PASSED_M and self._is_behind(scene)
        stands = self.phase is Phase.WAITING and scene.speed_mps < STUCK_MPS
        if is_past or self._stuck.is_over(scene, holds=stands):
            return self.leave()
        return self.act(scene)

    def leave(self) -> list[Command]:
        """Take its actors out of the world."""
        ids, self.actor_ids = self.actor_ids, []
        self.phase = Phase.GONE
        return [carla.command.DestroyActor(actor_id) for actor_id in ids]

    @abstractmethod
    def cast(self, scene: Scene, stage: Stage) -> list[Command] | None:
        """Bring the actors in and name them in `actor_ids`; None: a place is taken."""

    @abstractmethod
    def act(self, scene: Scene) -> list[Command]:
        """What its actors do in this step."""

    def _appear(self, scene: Scene, stage: Stage) -> list[Command]:
        ahead_m = self.begin_m - scene.bumper_m
        if ahead_m > self.appear_m:
            return []
        if ahead_m < min(TOO_LATE_M, 0.5 * self.appear_m):
            return self.leave()
        if not scene.is_first(self.begin_m):
            return []  # who comes first would meet it in the ego's place
        self.route_m = self.placed.route_m + SHIFTS_M[self._tries % len(SHIFTS_M)]
        self._tries += 1
        commands = self.cast(scene, stage)
        if commands is None:
            return self._undo()
        self.main_id = self.actor_ids[0]
        self.enter(Phase.WAITING, scene)
        return commands

    def _undo(self) -> list[Command]:
        """Nothing of it is left where only some of its actors found a place."""
        ids, self.actor_ids = self.actor_ids, []
        return [carla.command.DestroyActor(actor_id) for actor_id in ids]

    def _is_behind(self, scene: Scene) -> bool:
        found = scene.by_id.get(self.main_id)
        if found is None:
            return True
        return self.way.place_of(found, scene.ego_m).along_m < scene.ego_m - 0.5 * PASSED_M

    def enter(self, phase: Phase, scene: Scene) -> None:
        """Go on to a phase."""
        self.phase = phase
        self._since_s = scene.state.time_s

    def for_s(self, scene: Scene) -> float:
        """Simulated seconds in the present phase."""
        return scene.state.time_s - self._since_s


class Patience:
    """Tells when the ego has done its part long enough."""

    def __init__(self, needed_s: float) -> None:
        self._needed_s = needed_s
        self._began_s: float | None = None

    def is_over(self, scene: Scene, *, holds: bool) -> bool:
        """Whether something has held without a break for as long as needed."""
        if not holds:
            self._began_s = None
            return False
        if self._began_s is None:
            self._began_s = scene.state.time_s
        return scene.state.time_s - self._began_s >= self._needed_s


def _base_type(blueprint: carla.ActorBlueprint) -> str:
    if not blueprint.has_attribute("base_type"):
        return ""
    return str(blueprint.get_attribute("base_type").as_str())
