"""One episode under way: everything that is spawned for it, and one control step at a time."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass, replace

import carla

from fusiondrive.errors import MissedTickError, SimulatorError
from fusiondrive.geometry import to_heading
from fusiondrive.timing import StageClock
from fusiondrive.types import (
    CameraSpec,
    Closing,
    Control,
    EpisodeContext,
    Observation,
    Progress,
    Reading,
    Route,
    SensorSpec,
    WorldState,
)
from harness.config import Timeouts
from harness.criteria import CriterionSetup, Event
from harness.criteria.own import make_own
from harness.ego import apply_control, lights_for, remove_ego, spawn_ego, start_pose
from harness.hazard_watch import HazardWatch
from harness.latency import ControlDelay
from harness.scoring import Judge, Score
from harness.session import DELTA_S, Session
from harness.town import LoadedTown
from harness.world import WorldReader
from scenarios import traffic_manager
from scenarios.hazards.course import HazardCourse
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.stage import Stage
from scenarios.oncoming import OncomingCar
from scenarios.route_weather import RouteWeather
from scenarios.spec import EpisodeSpec
from scenarios.street_lamps import DarkStreets
from scenarios.tracker import RouteTracker
from scenarios.traffic import Traffic, traffic_counts
from scenarios.weather import carla_weather
from sensors.elsewhere import ElsewhereRig
from sensors.inputs import NO_VIEWS, InputPipeline, Views, input_kind
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
    camera: CameraSpec | None  # None: no images
    sensors: tuple[SensorSpec, ...]
    timeouts: Timeouts
    tm_port: int
    clock: StageClock
    infrared_route: Route | None = None  # where the infrared image is taken, of the arms `:swapped`
    hazards: tuple[PlacedHazard, ...] | None = None  # None: there are to be none
    criteria: tuple[str, ...] = ()  # of the user's own, see `harness.criteria.own`


class Drive(Closing):
    """Owns the episode's actors and sensors; `close()` removes them.

    After every step these say what there is to see and how it goes: `observation` (a policy's),
    `state` (the world's, with the progress along the route), `views` (all images), `last_events`
    (of the criteria in this step), `control` (what acted in this step). `steps` counts the control
    steps, and `start_time_s` is the simulated time of the first observation.
    """

    observation: Observation
    state: WorldState
    progress: Progress
    views: Views
    last_events: tuple[Event, ...]

    def __init__(self, setup: DriveSetup) -> None:
        """Spawn and settle; the first frame has been observed when this returns.

        Raises:
            SimulatorError: the simulator died, did not answer, or refused an actor.
        """
        self.setup = setup
        self.spec, self.route = setup.spec, setup.route
        self.judge = Judge(
            setup.route,
            setup.town.lanes,
            collision_mode=setup.spec.collision_mode,
            own=make_own(setup.criteria, CriterionSetup(setup.route, setup.town.lanes)),
        )
        self.delay = ControlDelay(setup.spec.latency, setup.clock)
        self.control = Control()
        self.is_autopilot = False
        self.steps = 0
        self.start_time_s = math.inf
        self._tracker = RouteTracker(setup.route)
        self._weather = setup.weather.at(0.0)
        self._weather_index = 0  # of the route point that it belongs to
        self._owned = ExitStack()
        try:
            with setup.session.watched("set the episode up", 3.0 * setup.timeouts.first_tick_s):
                self._spawn()
                self._settle()
                self._observe()
        except MissedTickError:  # the server is well, and the episode is begun again there
            self.close()
            raise
        except RuntimeError as err:
            self._give_up()
            raise SimulatorError(f"could not set the episode up: {err}") from err
        except BaseException:
            self._give_up()
            raise

    def step(self, control: Control) -> tuple[Event, ...]:
        """Drive for 0.1 s of simulated time.

        Args:
            control: of the ego; with a latency it acts later (`self.control` is what acts now),
                and the Traffic Manager's own replaces it after `use_autopilot`.

        Returns:
            What the criteria reported.

        Raises:
            SimulatorError: the simulator died or did not answer, or an image did not come.
        """
        self._play()
        self.control = self.delay.acting(control)
        self._apply(self.control)
        self._observe()
        self.steps += 1
        return self.last_events

    @property
    def is_over(self) -> bool:
        """Whether the episode has come to its end."""
        return self.judge.is_over

    @property
    def elapsed_s(self) -> float:
        """Simulated seconds since the first observation."""
        return self.state.time_s - self.start_time_s

    def score(self) -> Score:
        """The episode's numbers so far."""
        hazards = None if self.watch is None else self.watch.records
        return replace(self.judge.score(), hazards=hazards, latency_ms=self.delay.mean_ms)

    def context(self) -> EpisodeContext:
        """What a policy may prepare for, with the map and the server's address as extras."""
        session = self.setup.session
        extras: dict[str, object] = {
            "map": session.map,
            "host": session.address.host,
            "port": session.address.port,
        }
        speed_kmh = self.spec.speed_kmh
        speed_mps = None if speed_kmh is None else speed_kmh / 3.6
        return EpisodeContext(
            self.spec.town, self.route, self.spec.seed, DELTA_S, extras, speed_mps
        )

    def use_autopilot(self) -> None:
        """Let the Traffic Manager drive the ego along the route; `step` leaves it alone.

        Raises:
            SimulatorError: the Traffic Manager cannot be reached.
        """
        port = self.setup.tm_port
        self.setup.session.owns_manager(port)
        manager = traffic_manager.begin(self.setup.session.client, port, self.spec.seed)
        try:
            self.ego.set_autopilot(True, port)
            self._owned.callback(self.ego.set_autopilot, False, port)
            points = self.route.points[::5]
            manager.set_path(self.ego, [carla.Location(*map(float, p)) for p in points])
            manager.auto_lane_change(self.ego, False)
            if self.spec.speed_kmh is not None:
                manager.set_desired_speed(self.ego, float(self.spec.speed_kmh))
        except RuntimeError as err:
            raise SimulatorError(f"Traffic Manager on port {port}: {err}") from err
        self.is_autopilot = True

    def close(self) -> None:
        """Remove everything, then tick once so that every client learns of it."""
        limit_s = self.setup.timeouts.first_tick_s
        with self.setup.session.watched("remove the episode's actors", limit_s):
            try:
                self._owned.close()
            except RuntimeError:
                return  # the server is gone, and everything with it

    def _give_up(self) -> None:
        """Remove what was spawned before a failure."""
        self.setup.session.hurry()
        self.close()

    def _play(self) -> None:
        """Let the hazards do what they do in the next tick."""
        if self.course is None:
            return
        limit_s = self.setup.timeouts.first_tick_s
        try:
            with (
                self.setup.clock.stage("hazards"),
                self.setup.session.watched("play the hazards", limit_s),
            ):
                self.course.advance(self.state)
        except RuntimeError as err:
            raise SimulatorError(f"could not play the hazards: {err}") from err

    def _apply(self, control: Control) -> None:
        """Send the ego's control and the walkers' for the next tick."""
        session = self.setup.session
        try:
            with session.watched("send the controls", self.setup.timeouts.first_tick_s):
                if not self.is_autopilot:
                    apply_control(self.ego, control)
                self.traffic.advance()
                if self.oncoming is not None:
                    self.oncoming.advance()
                if isinstance(self.rig, ElsewhereRig):
                    self.rig.move(self.progress.distance_m if self.steps else 0.0)
        except RuntimeError as err:
            raise SimulatorError(f"could not send the controls: {err}") from err

    def _observe(self) -> None:
        """Tick, read what belongs to the frame, judge it, and see it as the policy does."""
        session, atmosphere, clock = self.setup.session, self._weather.atmosphere, self.setup.clock
        with clock.stage("tick"):
            frame = session.tick()
        with clock.stage("images"):
            rig_frame = None if self.rig is None else self.rig.read(frame)
            readings = self.mounted.read(frame)
        with clock.stage("world"):
            seen = self.reader.read(session.snapshot(frame))
            self.progress = self._tracker.advance(seen.ego.pose.x, seen.ego.pose.y)
            self.state = replace(seen, progress=self.progress)
        with clock.stage("judge"):
            self.last_events = tuple(self.judge.update(self.state, self.progress))
        if self.watch is not None:
            with clock.stage("hazards"):
                self.watch.observe(self.state, self._weather.extinction_per_m)
        with clock.stage("views"):
            self.views = NO_VIEWS
            if rig_frame is not None:
                self.views = self.setup.pipeline.make(rig_frame, self.state, atmosphere)
        self.start_time_s = min(self.start_time_s, self.state.time_s)
        self.observation = self._seen_by_policy(readings)
        self._change_weather()

    def _seen_by_policy(self, readings: dict[str, Reading]) -> Observation:
        ego, (x, y) = self.state.ego, self.progress.target_point_world
        return Observation(
            image=self.views.image,
            forward_speed_mps=ego.forward_speed_mps,
            command=self.progress.command,
            target_point=to_heading(x - ego.pose.x, y - ego.pose.y, ego.pose.yaw),
            time_s=round(self.elapsed_s, 6),
            frame=self.state.frame,
            readings=readings,
        )

    def _spawn(self) -> None:
        setup = self.setup
        session, spec = setup.session, setup.spec
        session.world.set_weather(carla_weather(self._weather))
        session.world.reset_all_traffic_lights()
        self._owned.callback(self._last_tick)
        self.ego = spawn_ego(session.world, setup.route)
        self._owned.callback(remove_ego, self.ego)
        self.ego.set_light_state(lights_for(self._weather))
        if not self._weather.has_street_lamps:
            self._owned.enter_context(DarkStreets(session.world))
        self.oncoming: OncomingCar | None = None
        if self._weather.has_oncoming_car:
            own = OncomingCar(session.world, session.map, self.ego, spec.seed, DELTA_S)
            self.oncoming = self._owned.enter_context(own)
        self.traffic = Traffic(session.client, session.world, setup.tm_port, spec.seed)
        self._owned.callback(self.traffic.close)
        vehicles, walkers = traffic_counts(setup.town.name, spec.traffic)
        if vehicles:
            session.owns_manager(setup.tm_port)
        start, is_night = start_pose(setup.route), self._weather.is_night
        self.placed = self.traffic.spawn(vehicles, walkers, start, is_night=is_night)
        self._set_hazards()
        self._mount()

    def _set_hazards(self) -> None:
        """Make the course of hazards ready; its actors appear as the ego comes near."""
        setup, session = self.setup, self.setup.session
        self.course: HazardCourse | None = None
        self.watch: HazardWatch | None = None
        if setup.hazards is None:
            return
        stage = Stage(session.client, session.world, is_night=self._weather.is_night)
        self.course = HazardCourse(setup.route, setup.hazards, stage)
        self._owned.callback(self.course.close)
        self.watch = HazardWatch(self.course, setup.camera, DELTA_S)

    def _mount(self) -> None:
        """Attach the cameras and sensors, and whatever else reads the world."""
        setup, world = self.setup, self.setup.session.world
        own, timeout_s = self._owned.enter_context, setup.timeouts.frame_s
        self.rig = None if setup.camera is None else self._mount_cameras(setup.camera)
        opendrive = setup.session.map.to_opendrive
        self.mounted = own(
            MountedSensors(world, self.ego, setup.sensors, opendrive=opendrive, timeout_s=timeout_s)
        )
        self.reader = own(WorldReader(world, setup.town.stop_lines, self.ego))

    def _mount_cameras(self, camera: CameraSpec) -> SensorRig | ElsewhereRig:
        setup, world, own = self.setup, self.setup.session.world, self._owned.enter_context
        elsewhere, timeout_s = setup.infrared_route, setup.timeouts.frame_s
        with_thermal = input_kind(setup.spec.input).needs_thermal and elsewhere is None
        rig = own(
            SensorRig(world, self.ego, camera, with_thermal=with_thermal, timeout_s=timeout_s)
        )
        if elsewhere is None:
            return rig
        return own(ElsewhereRig(world, rig, camera, elsewhere, timeout_s))

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
            self._apply(Control(brake=1.0))
            frame = session.tick()
            if self.rig is not None:
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
