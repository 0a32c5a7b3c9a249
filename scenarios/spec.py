"""Episodes as data: everything that changes the outcome and is chosen by the user."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fusiondrive.errors import unknown_name
from fusiondrive.types import Pose
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


@dataclass(frozen=True)
class EpisodeSpec:
    """One drive of one policy along one route."""

    town: str
    route_id: str
    weather: str
    input: str
    fuser: str
    policy: str
    seed: int
    traffic: str = "empty"
    collision_mode: str = "stop"

    def __post_init__(self) -> None:
        check_traffic(self.traffic)
        if self.collision_mode not in COLLISION_MODES:
            raise unknown_name("collision mode", self.collision_mode, COLLISION_MODES)


def check_traffic(traffic: str) -> None:
    """Accept a level of traffic, or counts such as `20+30` (20 vehicles and 30 walkers).

    Raises:
        ConfigError: the text is neither.
    """
    if traffic not in TRAFFICS and not TRAFFIC_COUNTS.fullmatch(traffic):
        raise unknown_name("traffic", traffic, (*TRAFFICS, "VEHICLES+WALKERS such as 20+30"))
