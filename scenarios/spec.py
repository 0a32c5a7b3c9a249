"""Episodes as data: everything that changes the outcome and is chosen by the user."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from fusiondrive.arms import arm_name
from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.types import Pose
from scenarios.hazards.kinds import check_speed, read_hazards
from scenarios.hazards.route_file import FileHazard
from scenarios.latency import read_latency
from scenarios.route_weather import RouteWeather

TRAFFICS: tuple[str, ...] = ("empty", "regular", "dense")
TRAFFIC_COUNTS = re.compile(r"(\d{1,3})\+(\d{1,3})")  # vehicles+walkers
COLLISION_MODES: tuple[str, ...] = ("stop", "continue")


@dataclass(frozen=True)
class RouteSpec:
    """The keypoints of a route; the yaw of a keypoint is NaN where the file gives none."""

    route_id: str
    town: str
    keypoints: tuple[Pose, ...]
    weather: RouteWeather | None = None  # the file's own
    unserved: tuple[tuple[str, int], ...] = ()  # what else the file has, by kind with counts
    hazards: tuple[FileHazard, ...] = ()  # the file's own


@dataclass(frozen=True)
class EpisodeSpec:
    """One drive of one policy along one route."""

    town: str
    route_id: str
    weather: str
    input: str
    fuser: str  # or enhancer; `none` where the input needs neither
    policy: str
    seed: int
    traffic: str = "empty"
    collision_mode: str = "stop"
    arm: str = field(default="", compare=False)  # a name for the input; empty: as `arm_name` says
    hazards: str = ""  # as `scenarios.hazards.kinds.read_hazards` gives them
    speed_kmh: int | None = None  # of the route's design; None: the policy's own
    latency: str = ""  # as `scenarios.latency.read_latency` gives it

    def __post_init__(self) -> None:
        object.__setattr__(self, "latency", read_latency(self.latency))
        object.__setattr__(self, "hazards", read_hazards(self.hazards))
        check_speed(self.speed_kmh)
        check_traffic(self.traffic)
        if self.collision_mode not in COLLISION_MODES:
            raise unknown_name("collision mode", self.collision_mode, COLLISION_MODES)
        if not self.arm:
            object.__setattr__(self, "arm", arm_name(self.input, self.fuser))


class Identified(Protocol):
    """Something with a route's id."""

    @property
    def route_id(self) -> str:
        """The id."""


AnyRoute = TypeVar("AnyRoute", bound=Identified)


def next_route(routes: Sequence[AnyRoute], route_id: str) -> AnyRoute:
    """The route after one in a town's list, the first after the last: where `:swapped` looks.

    Raises:
        ConfigError: the list has no other route.
    """
    if len(routes) < 2:
        raise ConfigError(
            f"':swapped' takes the infrared image of another route, and '{route_id}' is the only "
            "one; give a route file with two routes or more in the town"
        )
    ids = [route.route_id for route in routes]
    return routes[(ids.index(route_id) + 1) % len(ids)]


def check_traffic(traffic: str) -> None:
    """Accept a level of traffic, or counts such as `20+30` (20 vehicles and 30 walkers).

    Raises:
        ConfigError: the text is neither.
    """
    if traffic not in TRAFFICS and not TRAFFIC_COUNTS.fullmatch(traffic):
        raise unknown_name("traffic", traffic, (*TRAFFICS, "VEHICLES+WALKERS such as 20+30"))
