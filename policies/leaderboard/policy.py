"""Drives with an agent of the CARLA Leaderboard: `--policy leaderboard:path/to/agent.py`."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import carla

from fusiondrive.carla_types import transform_of
from fusiondrive.errors import AgentError, ConfigError, FusionDriveError
from fusiondrive.provenance import bytes_hash
from fusiondrive.types import (
    CameraSpec,
    Control,
    EpisodeContext,
    Observation,
    Pose,
    Reading,
    Route,
    SensorSpec,
    WorldState,
)
from policies.base import Policy
from policies.faults import finite, place_of, reason, variable_hint
from policies.leaderboard.base import road_option
from policies.leaderboard.config import AgentConfig
from policies.leaderboard.data import (
    GNSS,
    bgra,
    camera_spec,
    driving_camera,
    leaderboard_data,
    sensor_specs,
)
from policies.leaderboard.file import agent_class
from policies.leaderboard.gps import MercatorGps
from policies.leaderboard.surroundings import SaveFolders, export_variables
from policies.plan import plan_options

logger = logging.getLogger(__name__)

PREFIX = "leaderboard:"


@dataclass(frozen=True)
class AgentOptions:
    """What the command line says of an agent."""

    config: str | os.PathLike[str] | None = None  # handed to `setup`
    fused_camera: str | None = None  # id of the RGB camera to replace; None: the first


class LeaderboardPolicy(Policy):
    """Gives an agent its sensors, its plan and its steps; a fresh agent for every route.

    The image of one RGB camera is the harness's own, visible, thermal or fused; all other sensors
    are as they come.
    """

    def __init__(self, path: Path, options: AgentOptions | None = None) -> None:
        """Load the agent's file and ask an agent what it wants to see.

        Raises:
            ConfigError: the file is no agent, or its setup fails.
        """
        self.options = options or AgentOptions()
        self.path = path
        self.agent: Any = None
        self.config = AgentConfig(self.options.config)
        self._label = f"agent {path}"
        self._folders = SaveFolders()
        with self._folders.rehearsal():
            self._kind = agent_class(path)
            specs = sensor_specs(self._wanted_sensors())
        camera = driving_camera(specs, self.options.fused_camera)
        self.uses_image = camera is not None
        self.camera = CameraSpec() if camera is None else camera_spec(camera)
        self._camera_id = None if camera is None else camera.sensor_id
        self.sensors = tuple(spec for spec in specs if spec is not camera)
        self._first_frame = 0

    def reset(self, context: EpisodeContext) -> None:
        """Make an agent for this route, as the Leaderboard does."""
        self.close()
        self._folders.begin(f"{context.town.replace(':', '-')}_r{context.route.route_id}")
        world_map = context.extras["map"]
        self._grid = MercatorGps(world_map)
        plan = global_plan(context.route, world_map)
        host, port = str(context.extras["host"]), int(str(context.extras["port"]))
        self.agent = self._made(host, port, plan)
        self._first_frame = -1

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """One `run_step`; frames count from 1 at the start of the route."""
        if self.agent is None:
            raise RuntimeError("reset the policy first: it has no agent yet")
        if self._first_frame < 0:
            self._first_frame = observation.frame - 1
        frame = observation.frame - self._first_frame
        data = {
            spec.sensor_id: (frame, self._reading(spec, observation.readings[spec.sensor_id]))
            for spec in self.sensors
        }
        if self._camera_id is not None:
            data[self._camera_id] = (frame, bgra(observation.image))
        control = self.agent.run_step(data, observation.time_s)
        return to_control(control, self.agent.run_step)

    def weights_hash(self) -> str:
        """Over the agent's file, its configuration and the replaced camera."""
        camera = str(self._camera_id).encode()
        return bytes_hash([self.path.read_bytes(), *self.config.content(), camera])

    def finish(self) -> None:
        """Destroy the agent at the end of its route."""
        agent, self.agent = self.agent, None
        if agent is not None:
            agent.destroy()

    def close(self) -> None:
        """Let go of an agent whose route did not come to its end."""
        agent, self.agent = self.agent, None
        _destroy(agent, self._label)

    def _reading(self, spec: SensorSpec, reading: Reading) -> Any:
        data = leaderboard_data(spec.kind, reading)
        if spec.kind == GNSS:
            data[:2] = self._grid.of_reading(*data)
        return data

    def _wanted_sensors(self) -> list[dict[str, Any]]:
        point = ({"lat": 0.0, "lon": 0.0, "z": 0.0}, road_option().LANEFOLLOW)
        here = (carla.Transform(), road_option().LANEFOLLOW)
        agent = None
        try:
            # A plan of no length stands in, for some agents look at it while they set up.
            agent = self._made("localhost", 2000, ([point, point], [here, here]))
            return list(agent.sensors())
        except FusionDriveError:
            raise
        except (Exception, SystemExit) as err:  # foreign code may fail in any way
            hint = variable_hint(err)
            if self.config.missing:
                hint += f"; no such file: {', '.join(self.config.missing)}"
            raise ConfigError(f"{self._label}: setup: {reason(err)}{hint}") from err
        finally:
            _destroy(agent, self._label)

    def _made(self, host: str, port: int, plan: tuple[list[Any], list[Any]]) -> Any:
        config = self.config.text
        if _is_version_1(self._kind):
            agent = self._kind(config)  # sets itself up
            agent.set_global_plan(*plan)
            return agent
        agent = self._kind(host, port, False)
        agent.set_global_plan(*plan)
        agent.setup(config)
        return agent


def make_leaderboard(
    name: str, options: AgentOptions | None = None, *, routes: Path | None = None
) -> LeaderboardPolicy:
    """Build the policy that `leaderboard:path/to/agent.py` names.

    Args:
        name: as above; `~` stands for the home folder.
        options: for the agent.
        routes: the file with the routes, which agents may ask for.

    Raises:
        ConfigError: there is no such file, or it is no agent.
    """
    options = options or AgentOptions()
    path = Path(name.removeprefix(PREFIX).strip()).expanduser()
    if path.is_dir():
        raise ConfigError(f"agent {path}: a folder; give the agent's Python file in it")
    if not path.is_file():
        raise ConfigError(f"agent {path}: no such file")
    config = AgentConfig(options.config)
    for part in config.missing:
        logger.warning("agent config: no file '%s'; handed to the agent as it is", part)
    export_variables(routes)
    return LeaderboardPolicy(path, options)


def global_plan(route: Route, world_map: Any) -> tuple[list[Any], list[Any]]:
    """The dense plan, twice: (lat, lon, z) in degrees and metres, and world transforms."""
    gps, world = [], []
    codes, grid = road_option(), MercatorGps(world_map)
    for point, yaw, option in zip(route.points, route.yaws, plan_options(route), strict=True):
        x, y, z = (float(value) for value in point)
        latitude, longitude = grid.of_place(x, y)
        code = codes(int(option))
        gps.append(({"lat": latitude, "lon": longitude, "z": z}, code))
        world.append((transform_of(Pose(x, y, z, yaw=float(yaw))), code))
    return gps, world


def to_control(control: Any, run_step: Callable[..., Any]) -> Control:
    """What of a `carla.VehicleControl` the harness applies: all but gears chosen by hand.

    Raises:
        AgentError: the agent answers no control, or a value that is no finite number.
    """
    names = ("throttle", "steer", "brake")
    if not all(hasattr(control, name) for name in names):
        kind = "None" if control is None else f"a {type(control).__name__}"
        raise AgentError(f"answered {kind}, expected a carla.VehicleControl ({place_of(run_step)})")
    values = finite({name: getattr(control, name) for name in names}, run_step)
    return Control(
        *values,
        reverse=bool(getattr(control, "reverse", False)),
        hand_brake=bool(getattr(control, "hand_brake", False)),
    )


def _destroy(agent: Any, label: str) -> None:
    """Let an agent go that drives nothing (any more): its failure is worth a word, no more."""
    if agent is None:
        return
    try:
        agent.destroy()
    except (Exception, SystemExit) as err:  # foreign code may fail in any way
        logger.warning("%s: destroy: %s", label, reason(err))


def _is_version_1(kind: Callable[..., Any]) -> bool:
    """Whether agents of this class are made from their configuration alone."""
    parameters = list(inspect.signature(kind).parameters.values())
    required = [p for p in parameters if p.default is inspect.Parameter.empty]
    names = [p.name for p in parameters]
    return len(parameters) == 1 or (len(required) == 1 and "path" in names[0])
