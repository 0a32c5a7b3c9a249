"""The gymnasium environment `fusiondrive/CarlaDriving-v0`; evaluation itself drives it."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import gymnasium
import numpy as np
from gymnasium import logger as gym_logger
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from fusiondrive.errors import ConfigError
from fusiondrive.types import Control, EpisodeContext, Observation, Route, WorldState
from harness import ENV_ID, register
from harness.actions import HIGH, LOW, control_of
from harness.checks import check_names, pick_route
from harness.criteria import Event
from harness.drive import Drive, DriveSetup
from harness.env_config import SEEDS, Chosen, EnvConfig, make_config, read_options
from harness.reward import step_reward
from harness.scoring import Outcome, Score
from harness.server import RunningServer, find_free_port
from harness.session import DELTA_S, Address, Session
from harness.timing import StageClock, TimedFuser, TimedThermalCamera
from harness.town import LoadedTown
from scenarios.route_weather import ROUTE_WEATHER, course_of
from scenarios.spec import EpisodeSpec, RouteSpec
from scenarios.tracker import Progress
from sensors.fusion import Fuser, make_fuser
from sensors.inputs import InputPipeline, Views, input_kind

__all__ = ["ENV_ID", "CarlaDrivingEnv", "EnvConfig", "register"]
logger = logging.getLogger(__name__)


SPEED_LIMIT_MPS = 100.0  # of the observation; no vehicle of CARLA comes near it
TARGET_LIMIT_M = 100.0  # likewise; farther off the route the episode is over


class CarlaDrivingEnv(gymnasium.Env[dict[str, Any], NDArray[np.float32]]):  # type: ignore[misc]
    """One ego vehicle on one route per episode; ten steps per simulated second.

    Observation, a dict:
        `image` (H, W, 3) uint8: RGB of the input (`rgb`, `thermal` or `fused`), by default 300 x
        400; `speed` (1,) float32: m/s along the heading, -100 to 100; `command` int64: CARLA's
        RoadOption (1 left, 2 right, 3 straight, 4 follow); `target_point` (2,) float32: metres, x
        forward and y right, -100 to 100, some 10 m ahead on the route.
    Action, (3,) float32:
        throttle 0 to 1, steer -1 (left) to 1 (right), brake 0 to 1.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        config: EnvConfig | Mapping[str, Any] | None = None,
        *,
        render_mode: str | None = None,
        **changes: Any,
    ) -> None:
        """Nothing is started before the first reset.

        Args:
            config: settings; default is an embedded server of its own in Town02.
            render_mode: `rgb_array` makes `render()` return the policy's image.
            changes: fields of `EnvConfig`, for `gymnasium.make(id, town="Town03")`.

        Raises:
            ConfigError: a setting is unknown, or one of its files is missing or broken.
        """
        self.config = make_config(config, changes)
        if render_mode is not None:
            check_names("render mode", [render_mode], self.metadata["render_modes"])
        self.render_mode = render_mode
        size = self.config.camera
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (size.height, size.width, 3), np.uint8),
                "speed": spaces.Box(-SPEED_LIMIT_MPS, SPEED_LIMIT_MPS, (1,), np.float32),
                "command": spaces.Discrete(4, start=1),
                "target_point": spaces.Box(-TARGET_LIMIT_M, TARGET_LIMIT_M, (2,), np.float32),
            }
        )
        self.action_space = spaces.Box(LOW, HIGH)
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
            # A sensor that still listens while the interpreter ends aborts the process.
            atexit.register(self.close)
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

        Args:
            seed: of the episode (traffic, noise) and of the generator that draws its route.
                Without one the generator goes on, and draws the episode's seed as well.
            options: `route`, `town`, `weather`, `input`, `fuser`, `traffic` and `collision_mode`
                hold for this episode alone; or `spec`, an `EpisodeSpec`, is the whole of it.

        Returns:
            The first observation (see the class), and an info with `route` (its id), `seed` (of
            the episode), `time_s` (0.0) and `completion` (0..1, share of the route).

        Raises:
            ConfigError: an option is unknown, or the episode names something unknown.
            SimulatorError: the simulator died or did not answer.
        """
        chosen = read_options(options, self.config)
        super().reset(seed=seed)
        self._end_episode()
        spec = chosen.spec or self._draw_spec(chosen, seed)
        town = self.town(spec.town)
        picked = pick_route(town.route_specs(self.config.route_file), spec.route_id)
        self._tell_of_weather(spec, picked)
        self.steps = 0
        if self._tm_port is None:
            self._tm_port = find_free_port(1)
        self._drive = Drive(
            DriveSetup(
                session=self.session,
                town=town,
                spec=spec,
                route=town.route(picked),
                weather=course_of(spec.weather, picked.weather),
                pipeline=self._pipeline(spec),
                camera=self.config.camera,
                sensors=self.config.sensors,
                timeouts=self.config.timeouts,
                tm_port=self._tm_port,
                clock=self.clock,
            )
        )
        return self._observation(), {"route": picked.route_id, "seed": spec.seed, **self._info()}

    def step(self, action: ArrayLike) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Apply throttle, steer and brake for 0.1 s of simulated time.

        Args:
            action: (3,) throttle 0..1, steer -1..1, brake 0..1; values beyond are clipped.

        Returns:
            observation: dict, see the class.
            reward: metres of route made in this step, plus 20 at the goal, less the costs of
                what went wrong (`RewardConfig`: a collision costs 50).
            terminated: the episode ended by its goal or a failure.
            truncated: the episode ended because its time was up.
            info: `time_s` (simulated seconds since the first observation), `completion` (0..1,
                share of the route) and `events` (what the criteria reported in this step); at
                the end `outcome` (such as `success`) and `score` (`harness.scoring.Score`).

        Raises:
            ResetNeeded: no episode has begun, or the last one is over.
            InvalidAction: the action has another shape or type, or a value is NaN or inf.
            SimulatorError: the simulator died or did not answer.
        """
        drive = self.drive
        if drive.judge.is_over:
            raise ResetNeeded("the episode is over: call reset() before the next step()")
        return self.drive_on(control_of(action))

    def drive_on(
        self, control: Control
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """The same with a policy's control, which may also choose reverse gear or hand brake."""
        drive = self.drive
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
        """The policy's image, (H, W, 3) uint8 RGB; None without a render mode.

        Raises:
            ResetNeeded: no episode has begun.
        """
        image = self.drive.views.image
        if self.render_mode is None:
            gym_logger.warn(
                "render() gives nothing without a render mode: make the environment with "
                'render_mode="rgb_array"'
            )
            return None
        return image.copy()  # the last observation's own must not change with it

    def close(self) -> None:
        """Remove the actors, give the clock back, stop a server of our own; may be called twice."""
        atexit.unregister(self.close)
        self._end_episode()
        self._session, self._town = None, None
        self._resources.close()

    @property
    def drive(self) -> Drive:
        """The episode under way."""
        if self._drive is None:
            raise ResetNeeded("no episode has begun: call reset() first")
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

    def __getstate__(self) -> dict[str, Any]:
        """A copy or pickle has settings and generator, but no server and no episode of its own."""
        idle = {"_session": None, "_town": None, "_drive": None, "_thermal": None, "_tm_port": None}
        fresh = {"_resources": ExitStack(), "_fusers": {}, "clock": StageClock(), "steps": 0}
        return {**self.__dict__, **idle, **fresh}

    def _draw_spec(self, chosen: Chosen, seed: int | None) -> EpisodeSpec:
        """An episode of the settings; drawn are its route and seed where they are not given."""
        config = chosen.config or self.config
        routes = self.routes(config.town)
        if chosen.route is None:
            route = routes[int(self.np_random.integers(len(routes)))]
        else:
            route = pick_route(routes, chosen.route)
        return EpisodeSpec(
            town=config.town,
            route_id=route.route_id,
            weather=config.weather,
            input=config.input,
            fuser=config.fuser if config.input == "fused" else "none",
            policy="none",
            seed=int(self.np_random.integers(SEEDS)) if seed is None else seed,
            traffic=config.traffic,
            collision_mode=config.collision_mode,
        )

    def _tell_of_weather(self, spec: EpisodeSpec, route: RouteSpec) -> None:
        """Say once that a route file's weather is not what is driven.

        Raises:
            ConfigError: the route's own is asked for, and no file could give it.
        """
        if spec.weather == ROUTE_WEATHER and self.config.route_file is None:
            raise ConfigError(f"weather '{ROUTE_WEATHER}' needs a route_file that gives a weather")
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
        speed = np.array([seen.speed_mps], np.float32)
        target = np.array(seen.target_point, np.float32)
        return {
            "image": seen.image,
            "speed": np.clip(speed, -SPEED_LIMIT_MPS, SPEED_LIMIT_MPS),
            "command": np.int64(seen.command),
            "target_point": np.clip(target, -TARGET_LIMIT_M, TARGET_LIMIT_M),
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
