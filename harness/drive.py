"""One episode under way: everything that is spawned for it, and one observed step at a time."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass

import carla

from fusiondrive.errors import SimulatorError
from fusiondrive.types import CameraSpec, Control, Observation, Route, SensorSpec, WorldState
from harness.config import Timeouts
from harness.criteria import Event
from harness.ego import apply_control, lights_for, remove_ego, spawn_ego, start_pose
from harness.scoring import Judge
from harness.session import Session
from harness.timing import StageClock
from harness.town import LoadedTown
from harness.world import WorldReader
from scenarios import traffic_manager
from scenarios.route_weather import RouteWeather
from scenarios.spec import EpisodeSpec
from scenarios.tracker import Progress
from scenarios.traffic import Traffic, traffic_counts
from scenarios.weather import carla_weather
from sensors.inputs import InputPipeline, Views, input_kind
from sensors.mounted import MountedSensors
from sensors.rig import SensorRig

SETTLE_TICKS = 10


@dataclass(frozen=True)
class DriveSetup:
    """What an episode is made of."""

    session: Session
    town: LoadedTown
    spec: EpisodeSpec
    route: Route
    weather: RouteWeather
    pipeline: InputPipeline
    camera: CameraSpec
    sensors: tuple[SensorSpec, ...]
    timeouts: Timeouts
    tm_port: int
    clock: StageClock


class Drive:
    """Owns the episode's actors and sensors; `close()` removes them."""

    state: WorldState
    progress: Progress
    views: Views
    last_events: tuple[Event, ...]
    start_time_s: float  # simulated, of the first observation

    def __init__(self, setup: DriveSetup) -> None:
        """Spawn and settle; the first step has been observed when this returns.

        Raises:
            SimulatorError: the simulator died, did not answer, or refused an actor.
        """
        self.setup = setup
        self.spec, self.route = setup.spec, setup.route
        self.judge = Judge(setup.route, setup.town.lanes, collision_mode=setup.spec.collision_mode)
        self.is_autopilot = False
        self._weather = setup.weather.at(0.0)
        self._weather_index = 0  # of the route point that it belongs to
        self._owned = ExitStack()
        try:
            with setup.session.watched("set the episode up", 3.0 * setup.timeouts.first_tick_s):
                self._spawn()
                self._settle()
                self.observe()
            self.start_time_s = self.state.time_s
        except RuntimeError as err:
            self.close()
            raise SimulatorError(f"could not set the episode up: {err}") from err
        except BaseException:
            self.close()
            raise

    def apply(self, control: Control) -> None:
        """Send the ego's control and the walkers' for the next tick."""
        session = self.setup.session
        try:
            with session.watched("send the controls", self.setup.timeouts.first_tick_s):
                if not self.is_autopilot:
                    apply_control(self.ego, control)
                self.traffic.advance()
        except RuntimeError as err:
            raise SimulatorError(f"could not send the controls: {err}") from err

    def observe(self) -> tuple[Event, ...]:
        """Tick, read what belongs to the frame, judge it; returns what happened.

        Raises:
            SimulatorError: no answer, or an image of this frame did not come.
        """
        session, weather, clock = self.setup.session, self._weather, self.setup.clock
        with clock.stage("tick"):
            frame = session.tick()
        with clock.stage("images"):
            rig_frame = self.rig.read(frame)
            self.readings = self.mounted.read(frame)
        with clock.stage("world"):
            self.state = self.reader.read(session.snapshot(frame))
        with clock.stage("judge"):
            self.last_events = tuple(self.judge.update(self.state))
        assert self.judge.step is not None  # it has just been updated
        self.progress = self.judge.step.progress
        with clock.stage("views"):
            self.views = self.setup.pipeline.make(
                rig_frame, self.state, is_night=weather.is_night, fog_density=weather.fog_density
            )
        self._change_weather()
        return self.last_events

    def observation(self) -> Observation:
        """What a policy sees now."""
        pose, velocity = self.state.ego.pose, self.state.ego.velocity
        yaw = math.radians(pose.yaw)
        cos, sin = math.cos(yaw), math.sin(yaw)
        dx = self.progress.target_point_world[0] - pose.x
        dy = self.progress.target_point_world[1] - pose.y
        return Observation(
            image=self.views.image,
            speed_mps=velocity[0] * cos + velocity[1] * sin,
            command=self.progress.command,
            target_point=(dx * cos + dy * sin, dy * cos - dx * sin),
            time_s=round(self.state.time_s - self.start_time_s, 6),
            frame=self.state.frame,
            readings=self.readings,
        )

    def use_autopilot(self) -> None:
        """Let the Traffic Manager drive the ego along the route; `apply` leaves it alone."""
        port = self.setup.tm_port
        self.setup.session.owns_manager(port)
        manager = traffic_manager.begin(self.setup.session.client, port, self.spec.seed)
        try:
            self.ego.set_autopilot(True, port)
            self._owned.callback(self.ego.set_autopilot, False, port)
            points = self.route.points[::5]
            manager.set_path(self.ego, [carla.Location(*map(float, p)) for p in points])
            manager.auto_lane_change(self.ego, False)
        except RuntimeError as err:
            raise SimulatorError(f"Traffic Manager on port {port}: {err}") from err
        self.is_autopilot = True

    def close(self) -> None:
        """Remove everything, then tick once so that every client learns of it."""
        limit_s = 2.0 * self.setup.timeouts.first_tick_s
        with self.setup.session.watched("remove the episode's actors", limit_s):
            try:
                self._owned.close()
            except RuntimeError:
                return  # the server is gone, and everything with it

    def _spawn(self) -> None:
        setup = self.setup
        session, spec = setup.session, setup.spec
        session.world.set_weather(carla_weather(self._weather))
        session.world.reset_all_traffic_lights()
        self._owned.callback(self._last_tick)
        self.ego = spawn_ego(session.world, setup.route)
        self._owned.callback(remove_ego, self.ego)
        self.ego.set_light_state(lights_for(self._weather))
        self.traffic = Traffic(session.client, session.world, setup.tm_port, spec.seed)
        self._owned.callback(self.traffic.close)
        vehicles, walkers = traffic_counts(setup.town.name, spec.traffic)
        if vehicles:
            session.owns_manager(setup.tm_port)
        self.placed = self.traffic.spawn(
            vehicles,
            walkers,
            start_pose(setup.route),
            is_night=self._weather.is_night,
        )
        with_thermal = input_kind(spec.input).needs_thermal
        self.rig = self._owned.enter_context(
            SensorRig(
                session.world,
                self.ego,
                setup.camera,
                with_thermal=with_thermal,
                timeout_s=setup.timeouts.frame_s,
            )
        )
        self.mounted = self._owned.enter_context(
            MountedSensors(
                session.world,
                self.ego,
                setup.sensors,
                opendrive=session.map.to_opendrive,
                timeout_s=setup.timeouts.frame_s,
            )
        )
        self.reader = self._owned.enter_context(
            WorldReader(session.world, setup.town.stop_lines, self.ego)
        )

    def _change_weather(self) -> None:
        """Where the weather changes along the route, set that of the route point reached."""
        course, index = self.setup.weather, self.progress.index
        if course.is_constant or index == self._weather_index:
            return
        before, self._weather_index = self._weather, index
        self._weather = course.at(float(self.route.cumulative_m[index]) / self.route.length_m)
        try:
            self.setup.session.world.set_weather(carla_weather(self._weather))
            if lights_for(before) != lights_for(self._weather):
                self.ego.set_light_state(lights_for(self._weather))
            if before.is_night != self._weather.is_night:
                self.traffic.switch_lights(is_night=self._weather.is_night)
        except RuntimeError as err:
            raise SimulatorError(f"could not change the weather: {err}") from err

    def _settle(self) -> None:
        """Tick with the brake on until the suspension is at rest; nothing here is judged."""
        session = self.setup.session
        session.expect_slow_tick()
        wait_s = self.setup.timeouts.first_tick_s
        for _ in range(SETTLE_TICKS):
            self.apply(Control(brake=1.0))
            frame = session.tick()
            self.rig.read(frame, wait_s)
            self.mounted.read(frame, wait_s)
            wait_s = self.setup.timeouts.frame_s
        self.reader.read(session.snapshot(frame))
        self.reader.forget_events(frame)

    def _last_tick(self) -> None:
        """The Traffic Manager aborts the client if its cars and synchronous mode go at once."""
        try:
            self.setup.session.tick()
        except SimulatorError:
            return  # dead already: there is nothing to tell anybody
