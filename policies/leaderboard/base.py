"""Stands in for `leaderboard.autoagents.autonomous_agent` where that package is not installed.

Only names and behaviour that agents rely on, written from the Leaderboard's documentation of its
agent interface. Nothing is put into `sys.modules` while the real package can be imported.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Sequence
from enum import Enum, IntEnum
from typing import Any

import carla

from fusiondrive.errors import ConfigError

MODULE = "leaderboard.autoagents.autonomous_agent"
SPACING_M = 200.0  # between plan points, Leaderboard 2
SPACING_V1_M = 50.0


class RoadOption(IntEnum):
    """CARLA's codes (agents.navigation.local_planner, 0.9.16)."""

    VOID = -1
    LEFT = 1
    RIGHT = 2
    STRAIGHT = 3
    LANEFOLLOW = 4
    CHANGELANELEFT = 5
    CHANGELANERIGHT = 6


class Track(Enum):
    """Which sensors a submission may use; nothing is refused here."""

    SENSORS = "SENSORS"
    MAP = "MAP"
    SENSORS_QUALIFIER = "SENSORS_QUALIFIER"
    MAP_QUALIFIER = "MAP_QUALIFIER"


class AutonomousAgent:
    """What agents derive from.

    Leaderboard 2 makes agents from host, port and a debug flag, and calls `setup` later.
    Leaderboard 1 makes them from the path of their configuration alone, and `setup` is called
    here.
    """

    def __init__(self, carla_host: str, carla_port: int | None = None, debug: bool = False) -> None:
        """See the class."""
        self.track = Track.SENSORS
        self._global_plan: list[Any] | None = None
        self._global_plan_world_coord: list[Any] | None = None
        self.sensor_interface = None
        self.wallclock_t0 = None
        self._spacing_m = SPACING_M
        self._address = (carla_host, carla_port)
        self._hero: Any = None
        if carla_port is None:
            self._spacing_m = SPACING_V1_M
            self.setup(carla_host)

    def setup(self, path_to_conf_file: str) -> None:
        """For the agent to override."""

    def sensors(self) -> list[dict[str, Any]]:
        """For the agent to override."""
        return []

    def run_step(self, input_data: dict[str, Any], timestamp: float) -> Any:
        """For the agent to override."""
        raise NotImplementedError(f"{type(self).__name__} has no run_step")

    def destroy(self) -> None:
        """For the agent to override."""

    def set_global_plan(
        self, global_plan_gps: Sequence[Any], global_plan_world_coord: Sequence[Any]
    ) -> None:
        """Keep the points of a dense plan where the option changes, far ones, and the last."""
        kept = _kept_points(global_plan_world_coord, self._spacing_m)
        self._global_plan = [global_plan_gps[index] for index in kept]
        self._global_plan_world_coord = [global_plan_world_coord[index] for index in kept]

    @property
    def hero_actor(self) -> Any:
        """The agent's own car, as Bench2Drive gives it."""
        if self._hero is None:
            world = carla.Client(*self._address).get_world()
            roles = {actor.attributes.get("role_name"): actor for actor in world.get_actors()}
            self._hero = roles.get("hero")
        return self._hero

    def get_metric_info(self) -> dict[str, list[float]]:
        """What the agents of Bench2Drive record of their car in each step: m, m/s, degrees."""
        car = self.hero_actor
        pose, vectors = car.get_transform(), {}
        vectors["acceleration"] = car.get_acceleration()
        vectors["angular_velocity"] = car.get_angular_velocity()
        vectors["forward_vector"] = pose.get_forward_vector()
        vectors["right_vector"] = pose.get_right_vector()
        vectors["location"] = pose.location
        turn = pose.rotation
        found = {name: [value.x, value.y, value.z] for name, value in vectors.items()}
        return {**found, "rotation": [turn.roll, turn.pitch, turn.yaw]}

    @staticmethod
    def get_ros_version() -> int:
        """Not an agent of ROS."""
        return -1


def _kept_points(plan: Sequence[Any], spacing_m: float) -> list[int]:
    kept, travelled_m = [], 0.0
    for index, (transform, option) in enumerate(plan):
        is_new = index == 0 or option != plan[index - 1][1]
        if is_new or travelled_m > spacing_m or index == len(plan) - 1:
            kept.append(index)
            travelled_m = 0.0
        else:
            travelled_m += transform.location.distance(plan[index - 1][0].location)
    return kept


def road_option() -> Any:
    """CARLA's own enumeration where its `agents` package is at hand, else ours."""
    try:
        return importlib.import_module("agents.navigation.local_planner").RoadOption
    except ImportError:
        return RoadOption


def provide() -> None:
    """Make `from leaderboard.autoagents import autonomous_agent` work.

    Raises:
        ConfigError: the real package is installed and cannot be imported.
    """
    try:
        importlib.import_module(MODULE)
        return
    except ModuleNotFoundError as err:
        if err.name is None or not f"{MODULE}.".startswith(f"{err.name}."):
            raise ConfigError(
                f"the installed package 'leaderboard' needs '{err.name}', which is not installed"
            ) from err
    names = MODULE.split(".")
    parent: types.ModuleType | None = None
    for depth in range(1, len(names) + 1):
        name = ".".join(names[:depth])
        module = sys.modules.setdefault(name, types.ModuleType(name))
        if depth < len(names):
            module.__path__ = []
        if parent is not None:
            setattr(parent, names[depth - 1], module)
        parent = module
    assert parent is not None  # there are three names
    for thing in (AutonomousAgent, Track):
        setattr(parent, thing.__name__, thing)
