"""Brings the hazards' actors into the world by the client's calls."""

from __future__ import annotations

from dataclasses import replace

import carla
import numpy as np

from fusiondrive.carla_types import transform_of
from fusiondrive.types import Pose
from scenarios.hazards.kinds import BICYCLES
from scenarios.traffic import car_blueprints

VEHICLE_LIFT_M = 0.3
WALKER_LIFT_M = 1.0
ROLE_NAME = "hazard"


class Stage:
    """Places cars, cyclists and people, chosen by a generator among those that a server has."""

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
        blueprint.set_attribute("role_name", ROLE_NAME)
        lifted = replace(pose, z=pose.z + VEHICLE_LIFT_M)
        return self._world.try_spawn_actor(blueprint, transform_of(lifted))


def _base_type(blueprint: carla.ActorBlueprint) -> str:
    if not blueprint.has_attribute("base_type"):
        return ""
    return str(blueprint.get_attribute("base_type").as_str())
