"""The gymnasium environment `fusiondrive/CarlaDriving-v0`; evaluation itself drives it."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from harness.checks import pick_route
from harness.config import Timeouts
from harness.criteria import Event
from harness.drive import Drive, DriveSetup
from harness.errors import ConfigError
from harness.reward import RewardConfig, step_reward
from harness.scoring import Outcome, Score
from harness.server import RunningServer, ServerSpec, find_free_port
from harness.session import DELTA_S, Address, Session
from harness.timing import StageClock, TimedFuser, TimedThermalCamera
from harness.town import LoadedTown
from harness.types import (
    CameraSpec,
    Control,
    EpisodeContext,
    Observation,
    Route,
    SensorSpec,
    WorldState,
)
from scenarios.route_weather import ROUTE_WEATHER, course_of
from scenarios.routes import RouteSpec
from scenarios.spec import EpisodeSpec
from scenarios.tracker import Progress
from sensors.fusion import Fuser, make_fuser
from sensors.inputs import InputPipeline, Views, input_kind

logger = logging.getLogger(__name__)

ENV_ID = "fusiondrive/CarlaDriving-v0"
NO_RESULT = "reset the environment first: no episode has begun"


@dataclass(frozen=True)
class EnvConfig:
    """What stays the same over the episodes of one environment."""

    server: ServerSpec = field(default_factory=ServerSpec)
    town: str = "Town02"
    weather: str = "clear"
    input: str = "rgb"
    fuser: str = "student"
    fuser_weights: Path | None = None
    traffic: str = "empty"
    collision_mode: str = "stop"
    route_file: Path | None = None
    camera: CameraSpec = field(default_factory=CameraSpec)
    sensors: tuple[SensorSpec, ...] = ()  # further ones, for `Observation.readings`
    reward: RewardConfig = field(default_factory=RewardConfig)
    timeouts: Timeouts = field(default_factory=Timeouts)


class CarlaDrivingEnv(gymnasium.Env[dict[str, Any], NDArray[np.float32]]):  # type: ignore[misc]
    """One ego vehicle on one route per episode; ten steps per simulated second.

    Observation: `image` (H, W, 3) uint8 RGB; `speed` (1,) m/s along the heading; `command`
    (CARLA's RoadOption: 1 left, 2 right, 3 straight, 4 follow); `target_point` (2,) m, x forward
    and y right. Action: throttle, steer, brake. `reset(options={"spec": EpisodeSpec})` chooses the
    episode; without it a route is drawn.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self, config: EnvConfig | None = None, *, render_mode: str | None = None, **changes: Any
    ) -> None:
        """Nothing is started before the first reset.

        Args:
            config: settings; default is an embedded server of its own in Town02.
            render_mode: `rgb_array` makes `render()` return the policy's image.
            changes: fields of `EnvConfig`, for `gymnasium.make(id, town="Town03")`.
        """
        self.config = config or EnvConfig(**changes)
        self.render_mode = render_mode
        size = self.config.camera
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (size.height, size.width, 3), np.uint8),
                "speed": spaces.Box(-np.inf, np.inf, (1,), np.float32),
                "command": spaces.Discrete(4, start=1),
                "target_point": spaces.Box(-np.inf, np.inf, (2,), np.float32),
            }
        )
        self.action_space = spaces.Box(
            np.array([0.0, -1.0, 0.0], np.float32), np.array([1.0, 1.0, 1.0], np.float32)
        )
        self.clock = StageClock()
        self.steps = 0  # of the current episode
        self._tm_port: int | None = None
        self._resources = ExitStack()
        self._session: Session | None = None
        self._town: LoadedTown | None = None
        self._fusers: dict[str, Fuser] = {}
        self._thermal: TimedThermalCamera | None = None
        self._drive: Drive | None = None
        self._has_told_of_weather = False

    @property
    def session(self) -> Session:
        """The connection; made at first use."""
        if self._session is None:
            server = self._resources.enter_context(RunningServer(self.config.server))
            address = Address(server.host, server.port)
            session = Session(address, self.config.timeouts)
            self._session = self._resources.enter_context(session)
        return self._session

    def town(self, name: str) -> LoadedTown:
        """Load a town and what is derived from its map."""
        self._end_episode()
        self.session.load(name)
        if self._town is None or self._town.map is not self.session.map:
            self._town = LoadedTown(name, self.session)
        return self._town

    def routes(self, town: str) -> tuple[RouteSpec, ...]:
        """The routes that can be driven in a town, in order."""
        return self.town(town).route_specs(self.config.route_file)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode: map if changed, weather, ego, traffic, sensors, warm-up.

        Raises:
            ConfigError: the episode names something unknown.
            SimulatorError: the simulator died or did not answer.
        """
        super().reset(seed=seed)
        self._end_episode()
        spec = (options or {}).get("spec") or self._draw_spec(seed)
        if not isinstance(spec, EpisodeSpec):
            kind = type(spec).__name__
            raise ConfigError(f"options['spec'] must be an EpisodeSpec, found {kind}")
        town = self.town(spec.town)
        chosen = pick_route(town.route_specs(self.config.route_file), spec.route_id)
        self._tell_of_weather(spec, chosen)
        self.steps = 0
        if self._tm_port is None:
            self._tm_port = find_free_port(1)
        self._drive = Drive(
            DriveSetup(
                session=self.session,
                town=town,
                spec=spec,
                route=town.route(chosen),
                weather=course_of(spec.weather, chosen.weather),
                pipeline=self._pipeline(spec),
                camera=self.config.camera,
                sensors=self.config.sensors,
                timeouts=self.config.timeouts,
                tm_port=self._tm_port,
                clock=self.clock,
            )
        )
        return self._observation(), self._info()

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Apply throttle, steer and brake for 0.1 s."""
        drive = self.drive
        if drive.judge.is_over:
            raise RuntimeError("the episode is over: call reset() first")
        values = np.clip(action, self.action_space.low, self.action_space.high)
        control = Control(*(float(value) for value in values))
        before_m = drive.progress.distance_m
        drive.apply(control)
        fresh = drive.observe()
        self.steps += 1
        reward = step_reward(drive.progress.distance_m - before_m, fresh, self.config.reward)
        info = self._info()
        is_over = drive.judge.is_over
        is_timeout = is_over and self.score().outcome is Outcome.TIMEOUT
        info["events"] = fresh
        if is_over:
            info["outcome"] = self.score().outcome.value
            info["score"] = self.score()
        return self._observation(), reward, is_over and not is_timeout, is_timeout, info

    def render(self) -> NDArray[np.uint8] | None:
        """The policy's image."""
        return self.drive.views.image if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Remove the actors, give the clock back, stop a server of our own; may be called twice."""
        self._end_episode()
        self._session, self._town = None, None
        self._resources.close()

    @property
    def drive(self) -> Drive:
        """The episode under way."""
        if self._drive is None:
            raise RuntimeError(NO_RESULT)
        return self._drive

    @property
    def state(self) -> WorldState:
        """The world at the last step."""
        return self.drive.state

    @property
    def progress(self) -> Progress:
        """Where the ego is along its route."""
        return self.drive.progress

    @property
    def last_events(self) -> tuple[Event, ...]:
        """What the criteria reported in the last step."""
        return self.drive.last_events

    @property
    def start_time_s(self) -> float:
        """Simulated time of the first observation."""
        return self.drive.start_time_s

    @property
    def views(self) -> Views:
        """All images of the last step."""
        return self.drive.views

    @property
    def route(self) -> Route:
        """The route being driven."""
        return self.drive.route

    def context(self) -> EpisodeContext:
        """What a policy may prepare for, with the map and the server's address as extras."""
        spec, address = self.drive.spec, self.session.address
        extras: dict[str, object] = {
            "map": self.session.map,
            "host": address.host,
            "port": address.port,
        }
        return EpisodeContext(spec.town, self.route, spec.seed, DELTA_S, extras)

    def score(self) -> Score:
        """The episode's numbers so far."""
        return self.drive.judge.score()

    def observation(self) -> Observation:
        """The last observation as a dataclass, for policies."""
        return self.drive.observation()

    def use_autopilot(self) -> None:
        """Let the Traffic Manager drive the ego along the route; `step` ignores its action."""
        self.drive.use_autopilot()

    def _draw_spec(self, seed: int | None) -> EpisodeSpec:
        config = self.config
        routes = self.routes(config.town)
        return EpisodeSpec(
            town=config.town,
            route_id=routes[int(self.np_random.integers(len(routes)))].route_id,
            weather=config.weather,
            input=config.input,
            fuser=config.fuser if config.input == "fused" else "none",
            policy="none",
            seed=0 if seed is None else seed,
            traffic=config.traffic,
            collision_mode=config.collision_mode,
        )

    def _tell_of_weather(self, spec: EpisodeSpec, route: RouteSpec) -> None:
        """Say once that a route file's weather is not what is driven."""
        is_other = route.weather is not None and spec.weather != ROUTE_WEATHER
        if is_other and not self._has_told_of_weather:
            self._has_told_of_weather = True
            logger.warning(
                "%s gives its routes a weather, but '%s' is driven; weather '%s' is the file's own",
                self.config.route_file, spec.weather, ROUTE_WEATHER,
            )  # fmt: skip

    def _pipeline(self, spec: EpisodeSpec) -> InputPipeline:
        kind = input_kind(spec.input)
        fuser, thermal = None, None
        if kind.needs_fuser:
            if spec.fuser not in self._fusers:
                plain = make_fuser(spec.fuser, self.config.fuser_weights)
                self._fusers[spec.fuser] = TimedFuser(plain, self.clock)
            fuser = self._fusers[spec.fuser]
        if kind.needs_thermal:
            if self._thermal is None:
                self._thermal = TimedThermalCamera(self.clock)
            thermal = self._thermal
        pipeline = InputPipeline(spec.input, fuser, thermal)
        pipeline.reset(spec.seed)
        return pipeline

    def _observation(self) -> dict[str, Any]:
        seen = self.drive.observation()
        return {
            "image": seen.image,
            "speed": np.array([seen.speed_mps], np.float32),
            "command": np.int64(seen.command),
            "target_point": np.array(seen.target_point, np.float32),
        }

    def _info(self) -> dict[str, Any]:
        """Nothing in it depends on how long the server has been running."""
        drive = self.drive
        elapsed_s = drive.state.time_s - drive.start_time_s
        return {"time_s": round(elapsed_s, 6), "completion": drive.progress.completion}

    def _end_episode(self) -> None:
        drive, self._drive = self._drive, None
        if drive is not None:
            drive.close()


def register() -> None:
    """Make `gymnasium.make("fusiondrive/CarlaDriving-v0")` work; an entry point calls it."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(id=ENV_ID, entry_point="harness.env:CarlaDrivingEnv")
