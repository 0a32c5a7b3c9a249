"""The gymnasium environment `fusiondrive/CarlaDriving-v0`: a `Drive` in gymnasium's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import logger as gym_logger
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from fusiondrive.errors import ConfigError
from fusiondrive.types import Control, Observation, Route, WorldState
from harness import ENV_ID, register
from harness.actions import HIGH, LOW, control_of
from harness.checks import check_names, pick_route
from harness.drive import Drive
from harness.env_config import SEEDS, Chosen, EnvConfig, make_config, read_options
from harness.recorder import FPS, Window
from harness.reward import step_reward
from harness.scoring import Outcome, Score
from harness.simulation import Simulation
from harness.window import can_show, check_window
from scenarios.spec import EpisodeSpec

__all__ = ["ENV_ID", "CarlaDrivingEnv", "EnvConfig", "register"]

RGB, HUMAN = "rgb_array", "human"  # render modes
SPEED_LIMIT_MPS = 100.0  # of the observation; no vehicle of CARLA comes near it
TARGET_LIMIT_M = 100.0  # likewise; farther off the route the episode is over


class CarlaDrivingEnv(gymnasium.Env[dict[str, Any], NDArray[np.float32]]):  # type: ignore[misc]
    """One ego vehicle on one route per episode; ten steps per simulated second.

    Observation, a dict:
        `image` (H, W, 3) uint8: RGB of the input (`rgb`, `enhanced`, `thermal` or `fused`) or
        arm, by default 300 x 400, missing with `camera=None`; `speed` (1,) float32: m/s along the
        heading, -100 to 100; `command` int64: CARLA's RoadOption (1 left, 2 right, 3 straight, 4
        follow);
        `target_point` (2,) float32: metres, x forward and y right, -100 to 100, some 10 m ahead
        on the route.
    Action, (3,) float32:
        throttle 0 to 1, steer -1 (left) to 1 (right), brake 0 to 1.
    """

    metadata: dict[str, Any] = {"render_modes": [RGB, HUMAN], "render_fps": FPS}  # noqa: RUF012

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
            render_mode: `rgb_array` makes `render()` return the policy's image; `human` shows all
                images, the map and the controls in a window, in simulated time or slower.
            changes: fields of `EnvConfig`, for `gymnasium.make(id, town="Town03")`.

        Raises:
            ConfigError: a setting is unknown, one of its files is missing or broken, or nothing can
                be rendered: there can be no window here, or there is no camera.
        """
        self.config = make_config(config, changes)
        if render_mode is not None:
            check_names("render mode", [render_mode], self.metadata["render_modes"])
            if self.config.camera is None:
                raise ConfigError(
                    f'render_mode="{render_mode}" needs a camera: leave it or camera=None out'
                )
        if render_mode == HUMAN:
            check_window(f'render_mode="{HUMAN}"', f'render_mode="{RGB}"')
        # `check_env` and others try every mode that an environment has.
        if self.config.camera is None:
            self.metadata = {**self.metadata, "render_modes": []}
        elif not can_show():
            self.metadata = {**self.metadata, "render_modes": [RGB]}
        self.render_mode = render_mode
        self._window = Window(FPS)
        size = self.config.camera
        seen: dict[str, spaces.Space[Any]] = {
            "speed": spaces.Box(-SPEED_LIMIT_MPS, SPEED_LIMIT_MPS, (1,), np.float32),
            "command": spaces.Discrete(4, start=1),
            "target_point": spaces.Box(-TARGET_LIMIT_M, TARGET_LIMIT_M, (2,), np.float32),
        }
        if size is not None:
            seen["image"] = spaces.Box(0, 255, (size.height, size.width, 3), np.uint8)
        self.observation_space = spaces.Dict(seen)
        self.action_space = spaces.Box(LOW, HIGH)
        self.simulation = Simulation(self.config)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode: map if changed, weather, ego, traffic, sensors, warm-up.

        Args:
            seed: of the episode (traffic, noise) and of the generator that draws its route.
                Without one the generator goes on, and draws the episode's seed as well.
            options: `route`, `town`, `weather`, `input`, `fuser`, `arm`, `traffic` and
                `collision_mode` hold for this episode alone; or `spec`, an `EpisodeSpec`, is the
                whole of it.

        Returns:
            The first observation (see the class), and an info with `route` (its id), `seed` (of
            the episode), `time_s` (0.0) and `completion` (0..1, share of the route).

        Raises:
            ConfigError: an option is unknown, or the episode names something unknown.
            SimulatorError: the simulator died or did not answer.
        """
        chosen = read_options(options, self.config)
        super().reset(seed=seed)
        self.simulation.end_drive()
        drive = self.simulation.begin(chosen.spec or self._draw_spec(chosen, seed))
        self._show(drive, Control())
        info = {"route": drive.route.route_id, "seed": drive.spec.seed, **_info(drive)}
        return _gym_observation(drive.observation), info

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
        if drive.is_over:
            raise ResetNeeded("the episode is over: call reset() before the next step()")
        before_m = drive.progress.distance_m
        control = control_of(action)
        fresh = drive.step(control)
        self._show(drive, control)
        reward = step_reward(drive.progress.distance_m - before_m, fresh, self.config.reward)
        info: dict[str, Any] = {**_info(drive), "events": fresh}
        if drive.is_over:
            score = drive.score()
            info.update(outcome=score.outcome.value, score=score)
        is_timeout = info.get("outcome") == Outcome.TIMEOUT.value
        is_terminated = drive.is_over and not is_timeout
        return _gym_observation(drive.observation), reward, is_terminated, is_timeout, info

    def render(self) -> NDArray[np.uint8] | None:
        """The policy's image, (H, W, 3) uint8 RGB; None without a render mode or with a window.

        A window shows each step by itself.

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
        if self.render_mode == HUMAN:
            return None
        return image.copy()  # the last observation's own must not change with it

    def close(self) -> None:
        """Remove the actors, give the clock back, stop a server of our own; may be called twice."""
        self._window.close()
        self.simulation.close()

    @property
    def drive(self) -> Drive:
        """The episode under way; what evaluation sees of it is here.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self.simulation.drive is None:
            raise ResetNeeded("no episode has begun: call reset() first")
        return self.simulation.drive

    @property
    def state(self) -> WorldState:
        """The world at the last step."""
        return self.drive.state

    @property
    def route(self) -> Route:
        """The route being driven."""
        return self.drive.route

    def observation(self) -> Observation:
        """The last observation as a policy sees it."""
        return self.drive.observation

    def score(self) -> Score:
        """The episode's numbers so far."""
        return self.drive.score()

    def _show(self, drive: Drive, control: Control) -> None:
        """Draw the step into the window, where there is one."""
        if self.render_mode == HUMAN:
            self._window.on_step(drive, control)

    def _draw_spec(self, chosen: Chosen, seed: int | None) -> EpisodeSpec:
        """An episode of the settings; drawn are its route and seed where they are not given."""
        config = chosen.config or self.config
        arm = config.drives()
        routes = self.simulation.routes(config.town)
        if chosen.route is None:
            route = routes[int(self.np_random.integers(len(routes)))]
        else:
            route = pick_route(routes, chosen.route)
        return EpisodeSpec(
            town=config.town,
            route_id=route.route_id,
            weather=arm.weather or config.weather,
            input=arm.input,
            fuser=arm.fuser,
            policy="none",
            seed=int(self.np_random.integers(SEEDS)) if seed is None else seed,
            traffic=config.traffic,
            collision_mode=config.collision_mode,
            arm=arm.name,
            hazards=config.hazards,
            speed_kmh=config.speed_kmh,
        )


def _gym_observation(seen: Observation) -> dict[str, Any]:
    """An observation in the form of the environment's space."""
    speed = np.array([seen.forward_speed_mps], np.float32)
    target = np.array(seen.target_point, np.float32)
    found = {
        "speed": np.clip(speed, -SPEED_LIMIT_MPS, SPEED_LIMIT_MPS),
        "command": np.int64(seen.command),
        "target_point": np.clip(target, -TARGET_LIMIT_M, TARGET_LIMIT_M),
    }
    if seen.image.size:
        found["image"] = seen.image
    return found


def _info(drive: Drive) -> dict[str, Any]:
    """Nothing in it depends on how long the server has been running."""
    return {"time_s": round(drive.elapsed_s, 6), "completion": drive.progress.completion}
