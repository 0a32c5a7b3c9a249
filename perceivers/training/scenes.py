"""Random scenes on a road: where the car looks from, and who stands and walks in its view."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import carla
import numpy as np

from fusiondrive.carla_types import pose_of
from fusiondrive.types import Pose
from perceivers.kinds import CAR, CYCLIST, PERSON
from policies.training.recording import WEATHER_SHARES

NEAREST_M, FARTHEST_M = 5.0, 80.0  # from the car's middle
EMPTY_SHARE = 0.1  # of scenes with nobody
MOST = {PERSON: 6, CYCLIST: 3, CAR: 6}
IN_LANE_M, BESIDE_M = 1.7, 9.0  # from the lane's middle
PARKED_M = 3.0  # from the lane's middle to that of parked cars at its right
PARKED_SHARE = 0.4  # of scenes with a row of them
PEEPS_SHARE = 0.5  # of such scenes with somebody who steps out from among them
WALKS_MPS = (0.0, 2.4)
PAINTS = 1000
CYCLES = ("bicycle", "motorcycle")


class Guest(NamedTuple):
    """Somebody in a scene."""

    kind: str
    blueprint: str
    pose: Pose  # on the ground
    speed_mps: float = 0.0  # of people, so that their legs move
    paint: int = 0  # which of the colours of a vehicle, counted round and round


@dataclass(frozen=True)
class RandomScene:
    """One scene."""

    weather: str
    ego: Pose  # on the ground, with the pitch and roll of a moving car
    guests: tuple[Guest, ...]


@dataclass(frozen=True)
class Cast:
    """Blueprints of a server by kind."""

    names: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, library: carla.BlueprintLibrary) -> Cast:
        """All people and vehicles of a server, in the order of their names."""
        vehicles = sorted(library.filter("vehicle.*"), key=lambda item: str(item.id))
        bases = {str(item.id): item.get_attribute("base_type").as_str() for item in vehicles}
        people = sorted(str(item.id) for item in library.filter("walker.pedestrian.*"))
        return cls(
            {
                PERSON: tuple(people),
                CYCLIST: tuple(name for name, base in bases.items() if base in CYCLES),
                CAR: tuple(name for name, base in bases.items() if base not in CYCLES),
            }
        )

    def pick(self, kind: str, rng: np.random.Generator) -> str:
        """One of a kind."""
        names = self.names[kind]
        return names[int(rng.integers(len(names)))]


def draw_scene(
    waypoints: Sequence[carla.Waypoint], cast: Cast, rng: np.random.Generator
) -> RandomScene:
    """Draw a scene.

    Args:
        waypoints: on driving lanes; one of them is where the car is.
        cast: who may be in it.
        rng: draws everything.
    """
    start = waypoints[int(rng.integers(len(waypoints)))]
    weather = str(rng.choice(list(WEATHER_SHARES), p=list(WEATHER_SHARES.values())))
    lane = pose_of(start.transform)
    ego = _beside(lane, float(rng.normal(0.0, 0.35)), float(rng.normal(0.0, 3.0)))
    pitch, roll = rng.normal(0.0, 0.6), rng.normal(0.0, 0.4)
    ego = Pose(ego.x, ego.y, ego.z, lane.pitch + float(pitch), ego.yaw, float(roll))
    guests: list[Guest] = []
    if rng.random() >= EMPTY_SHARE:
        if rng.random() < PARKED_SHARE:
            guests += _parked_row(start, cast, rng)
        for kind, most in MOST.items():
            count = int(rng.integers(most + 1))
            guests += [_anywhere(start, kind, cast, rng) for _ in range(count)]
    return RandomScene(weather, ego, tuple(guests))


def _anywhere(start: carla.Waypoint, kind: str, cast: Cast, rng: np.random.Generator) -> Guest:
    """Somebody at a distance of which near ones are likelier, in the lane or beside it."""
    near, far = math.log(NEAREST_M + 2.0 * (kind == CAR)), math.log(FARTHEST_M)
    lane = _ahead(start, math.exp(float(rng.uniform(near, far))))
    in_lane = rng.random() < (0.5 if kind == PERSON else 0.35)
    aside = float(rng.uniform(-1.0, 1.0)) * (IN_LANE_M if in_lane else BESIDE_M)
    if kind == CAR and rng.random() < 0.6:  # along the road, either way
        turned = float(rng.normal(0.0, 6.0)) + 180.0 * float(rng.random() < 0.4)
    else:
        turned = float(rng.uniform(-180.0, 180.0))
    speed = float(rng.uniform(*WALKS_MPS)) if kind == PERSON else 0.0
    pose = _beside(lane, aside, turned)
    return Guest(kind, cast.pick(kind, rng), pose, speed, int(rng.integers(PAINTS)))


def _parked_row(start: carla.Waypoint, cast: Cast, rng: np.random.Generator) -> list[Guest]:
    """Parked cars at the right, maybe with somebody who steps out in front of one."""
    along = float(rng.uniform(6.0, 30.0))
    found: list[Guest] = []
    for _ in range(int(rng.integers(1, 5))):
        pose = _beside(_ahead(start, along), PARKED_M, float(rng.normal(0.0, 2.0)))
        found.append(Guest(CAR, cast.pick(CAR, rng), pose, paint=int(rng.integers(PAINTS))))
        along += float(rng.uniform(5.5, 9.0))
    if rng.random() < PEEPS_SHARE:
        aside = PARKED_M - float(rng.uniform(0.3, 2.5))
        pose = _beside(_ahead(start, along - 2.5), aside, -90.0 + float(rng.normal(0.0, 15.0)))
        found.append(Guest(PERSON, cast.pick(PERSON, rng), pose, float(rng.uniform(*WALKS_MPS))))
    return found


def _ahead(start: carla.Waypoint, distance_m: float) -> Pose:
    """The lane's middle so far ahead; straight on where the lane ends."""
    onward = start.next(distance_m)
    if onward:
        return pose_of(onward[0].transform)
    pose = pose_of(start.transform)
    yaw = math.radians(pose.yaw)
    x, y = pose.x + distance_m * math.cos(yaw), pose.y + distance_m * math.sin(yaw)
    return Pose(x, y, pose.z, pose.pitch, pose.yaw)


def _beside(lane: Pose, right_m: float, turned_deg: float) -> Pose:
    """A place to the right of a lane's middle, turned to the right of its direction."""
    yaw = math.radians(lane.yaw)
    x, y = lane.x - right_m * math.sin(yaw), lane.y + right_m * math.cos(yaw)
    return Pose(x, y, lane.z, yaw=lane.yaw + turned_deg)
