"""Drives with an agent of the CARLA Leaderboard: `--policy leaderboard:path/to/agent.py`."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import logging
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import carla

from harness.errors import ConfigError, FusionDriveError
from harness.types import (
    CameraSpec,
    Control,
    EpisodeContext,
    Observation,
    Reading,
    Route,
    SensorSpec,
    WorldState,
)
from policies.leaderboard_base import provide, road_option
from policies.leaderboard_data import (
    GNSS,
    bgra,
    camera_spec,
    driving_camera,
    leaderboard_data,
    sensor_specs,
)
from policies.leaderboard_gps import MercatorGps
from policies.plan import plan_options

logger = logging.getLogger(__name__)

PREFIX = "leaderboard:"


@dataclass(frozen=True)
class AgentOptions:
    """What the command line says of an agent."""

    config: Path | None = None  # handed to `setup`
    fused_camera: str | None = None  # id of the RGB camera to replace; None: the first


class LeaderboardPolicy:
    """Gives an agent its sensors, its plan and its steps; a fresh agent for every route.

    The image of one RGB camera is the harness's own, visible, thermal or fused; all other sensors
    are as they come.
    """

    is_privileged = False

    def __init__(self, path: Path, options: AgentOptions | None = None) -> None:
        """Load the agent's file and ask an agent what it wants to see.

        Raises:
            ConfigError: the file is no agent, or its setup fails.
        """
        self.options = options or AgentOptions()
        self.path = path
        self.agent: Any = None
        self._label = f"agent {path}"
        self._kind = _agent_class(path)
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
        return to_control(self.agent.run_step(data, observation.time_s))

    def weights_hash(self) -> str:
        """Over the agent's file, its configuration (file or folder) and the replaced camera."""
        digest = hashlib.sha256(self.path.read_bytes())
        for file in _files_of(self.options.config):
            digest.update(file.name.encode() + file.read_bytes())
        digest.update(str(self._camera_id).encode())
        return digest.hexdigest()[:12]

    def close(self) -> None:
        """Let the agent go."""
        agent, self.agent = self.agent, None
        if agent is not None:
            agent.destroy()

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
        except Exception as err:  # foreign code may fail in any way
            raise ConfigError(f"{self._label}: setup: {type(err).__name__}: {err}") from err
        finally:
            if agent is not None:
                agent.destroy()

    def _made(self, host: str, port: int, plan: tuple[list[Any], list[Any]]) -> Any:
        config = "" if self.options.config is None else str(self.options.config)
        if _is_version_1(self._kind):
            agent = self._kind(config)  # sets itself up
            agent.set_global_plan(*plan)
            return agent
        agent = self._kind(host, port, False)
        agent.set_global_plan(*plan)
        agent.setup(config)
        return agent


def make_leaderboard(name: str, options: AgentOptions | None = None) -> LeaderboardPolicy:
    """Build the policy that `leaderboard:path/to/agent.py` names.

    Raises:
        ConfigError: there is no such file, or it is no agent.
    """
    options = options or AgentOptions()
    path = Path(name.removeprefix(PREFIX))
    if not path.is_file():
        raise ConfigError(f"agent {path}: no such file")
    if options.config is not None and not options.config.exists():
        raise ConfigError(f"agent config {options.config}: no such file")
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
        rotation = carla.Rotation(yaw=float(yaw))
        world.append((carla.Transform(carla.Location(x, y, z), rotation), code))
    return gps, world


def to_control(control: Any) -> Control:
    """What of a `carla.VehicleControl` the harness applies.

    Raises:
        ConfigError: the agent answers no control, a value that is no number, or reverse gear.
    """
    try:
        values = tuple(float(getattr(control, key)) for key in ("throttle", "steer", "brake"))
    except (AttributeError, TypeError, ValueError) as err:
        raise ConfigError(f"the agent's run_step must return a VehicleControl: {err}") from err
    if not all(math.isfinite(value) for value in values):
        raise ConfigError(f"the agent's throttle, steer and brake are {values}")
    if getattr(control, "reverse", False):
        raise ConfigError("the agent shifts into reverse gear, which the harness does not drive")
    if getattr(control, "hand_brake", False):
        return Control(throttle=0.0, steer=values[1], brake=1.0)
    return Control(*values)


def _agent_class(path: Path) -> Callable[..., Any]:
    """The class that the file's `get_entry_point()` names."""
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.append(folder)  # for its neighbours; last, so that they hide nothing
    provide()
    module = _module(path)
    entry = getattr(module, "get_entry_point", None)
    if not callable(entry):
        raise ConfigError(f"agent {path}: no get_entry_point() in it; not a Leaderboard agent")
    kind = getattr(module, str(entry()), None)
    if not inspect.isclass(kind):
        raise ConfigError(f"agent {path}: get_entry_point() says '{entry()}', no such class in it")
    for name in ("setup", "sensors", "run_step", "destroy", "set_global_plan"):
        if not callable(getattr(kind, name, None)):
            raise ConfigError(f"agent {path}: {kind.__name__} has no {name}(); not an agent")
    return kind


def _module(path: Path) -> Any:
    name = path.stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) != str(path.resolve()):
        name = f"leaderboard_agent_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ConfigError(f"agent {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pickle and dataclasses look for it
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as err:
        hint = ""
        if err.name in ("agents", "srunner"):
            hint = "; put CARLA's PythonAPI/carla or the scenario_runner on PYTHONPATH"
        raise ConfigError(f"agent {path}: needs '{err.name}', not installed{hint}") from err
    except Exception as err:  # foreign code may fail in any way
        raise ConfigError(f"agent {path}: {type(err).__name__}: {err}") from err
    return module


def _is_version_1(kind: Callable[..., Any]) -> bool:
    """Whether agents of this class are made from their configuration alone."""
    parameters = list(inspect.signature(kind).parameters.values())
    required = [p for p in parameters if p.default is inspect.Parameter.empty]
    names = [p.name for p in parameters]
    return len(parameters) == 1 or (len(required) == 1 and "path" in names[0])


def _files_of(config: Path | None) -> list[Path]:
    if config is None:
        return []
    if config.is_dir():
        return sorted(path for path in config.rglob("*") if path.is_file())
    return [config]
