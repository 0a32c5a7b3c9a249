"""Where episodes take place: a server, the loaded town, cameras and fusers; one drive at a time."""

from __future__ import annotations

import atexit
import logging
from contextlib import ExitStack

from fusiondrive.arms import RGB, SWAPPED, Arm
from fusiondrive.errors import ConfigError, MissedTickError, SimulatorError
from fusiondrive.timing import StageClock
from fusiondrive.types import Closing, Route
from harness.checks import pick_route
from harness.drive import Drive, DriveSetup
from harness.env_config import EnvConfig
from harness.messages import TownFacts
from harness.probe import find_free_port
from harness.route_facts import route_facts
from harness.server import RunningServer
from harness.session import Address, Session
from harness.town import LoadedTown
from scenarios.hazards.kinds import ROUTE, design_speed_mps, hazard_names
from scenarios.hazards.placement import PlacedHazard, place_hazards
from scenarios.hazards.roadside import MapRoadside
from scenarios.hazards.route_file import place_file_hazards
from scenarios.route_weather import ROUTE_WEATHER, course_of
from scenarios.spec import EpisodeSpec, RouteSpec, next_route
from sensors.arms import Maker, make_image_maker
from sensors.config import ThermalConfig
from sensors.inputs import InputPipeline, input_kind
from sensors.stress import Stress
from sensors.thermal import ThermalCamera
from sensors.thermal_settings import read_thermal

logger = logging.getLogger(__name__)

SET_UPS = 3  # tries, where the Traffic Manager misses a tick


class Simulation(Closing):
    """Begins drives, and keeps between them what is slow to make.

    Attributes:
        config: what stays the same over the episodes.
        clock: where the wall-clock time of the steps has gone.
        drive: the episode under way; None before the first and after the last one.
    """

    def __init__(self, config: EnvConfig) -> None:
        """Nothing is started before a town or a drive is asked for."""
        self.config = config
        self.clock = StageClock()
        self.drive: Drive | None = None
        self._tm_port: int | None = None
        self._resources = ExitStack()
        self._session: Session | None = None
        self._town: LoadedTown | None = None
        self._makers: dict[Arm, Maker] = {}
        self._thermal: ThermalCamera | None = None
        self._settings = read_thermal(config.thermal)
        self._has_told_of_weather = False

    def change(self, config: EnvConfig) -> None:
        """Take other cameras, thermal settings or routes for the drives to come; all else stays.

        Raises:
            ConfigError: another server is asked for.
        """
        if config == self.config:
            return
        if config.server != self.config.server:
            raise ConfigError("a simulation keeps its server; make another one")
        self.end_drive()
        if config.fuser_weights != self.config.fuser_weights:
            self._makers = {}
        self.config = config
        self._thermal, self._settings = None, read_thermal(config.thermal)

    @property
    def session(self) -> Session:
        """The connection; made at first use.

        Raises:
            ConfigError: the server is of another version, or none of CARLA's.
            SimulatorError: the server does not start or answer.
        """
        if self._session is None:
            server = self._resources.enter_context(RunningServer(self.config.server))
            address = Address(server.host, server.port)
            session = Session(address, self.config.timeouts)
            self._session = self._resources.enter_context(session)
            # A sensor that still listens while the interpreter ends aborts the process.
            atexit.register(self.close)
        return self._session

    def town(self, name: str) -> LoadedTown:
        """Load a town and what is derived from its map; ends the drive that is under way.

        Raises:
            MapError: the server does not have it.
            SimulatorError: the simulator died or did not answer.
        """
        self.end_drive()
        self.session.load(name)
        if self._town is None or self._town.map is not self.session.map:
            self._town = LoadedTown(name, self.session)
        return self._town

    def routes(self, town: str) -> tuple[RouteSpec, ...]:
        """The routes that can be driven in a town, in order.

        Raises:
            MapError: there are none, or no such town.
        """
        return self.town(town).route_specs(self.config.route_file)

    def describe(self, name: str) -> TownFacts:
        """What the server says of a town, which it loads, and of the routes there.

        Raises:
            MapError: it does not have the town, or there are no routes.
            SimulatorError: the simulator died or did not answer.
        """
        town, session = self.town(name), self.session
        specs = town.route_specs(self.config.route_file)
        return TownFacts(
            town=town.name,
            map=town.identity,
            engine=session.engine.value,
            look=session.look,
            version=session.version,
            routes=tuple(route_facts(spec, town.route(spec)) for spec in specs),
        )

    def begin(self, spec: EpisodeSpec) -> Drive:
        """Set an episode up: map if changed, weather, ego, traffic, sensors, settling.

        A set-up in which the Traffic Manager missed a tick is begun again.

        Returns:
            The drive, with its first observation; the next one ends it, and so does `close`.

        Raises:
            ConfigError: the episode names something unknown, or needs a camera where there is none.
            SimulatorError: the simulator died or did not answer.
        """
        if self.config.camera is None and spec.input != RGB:
            raise ConfigError(f"input '{spec.input}' needs a camera: leave camera=None out")
        town = self.town(spec.town)
        picked = pick_route(town.route_specs(self.config.route_file), spec.route_id)
        self._tell_of_weather(spec, picked)
        if spec.hazards == ROUTE and self.config.route_file is None:
            raise ConfigError(f"hazards '{ROUTE}' needs a route_file that gives hazards")
        if self._tm_port is None:
            self._tm_port = find_free_port(1)
        route = town.route(picked)
        setup = DriveSetup(
            session=self.session,
            town=town,
            spec=spec,
            route=route,
            weather=course_of(spec.weather, picked.weather),
            pipeline=self._pipeline(spec),
            camera=self.config.camera,
            sensors=self.config.sensors,
            timeouts=self.config.timeouts,
            tm_port=self._tm_port,
            clock=self.clock,
            infrared_route=self._infrared_route(town, spec),
            hazards=_hazards(spec, picked, route, town),
            criteria=self.config.criteria,
        )
        self.drive = _set_up(setup)
        return self.drive

    def use_thermal(self, settings: str) -> None:
        """Take other settings of the thermal camera for drives that begin from now on.

        Raises:
            ConfigError: they cannot be read.
        """
        self._settings, self._thermal = read_thermal(settings), None

    def end_drive(self) -> None:
        """Remove what the drive under way has spawned, if there is one.

        Raises:
            SimulatorError: the server does not answer, so that no other drive can begin there.
        """
        drive, self.drive = self.drive, None
        if drive is None:
            return
        try:
            self.session.check_answers()
        finally:
            drive.close()

    def close(self) -> None:
        """Remove the actors, give the clock back, stop a server of our own; may be called twice."""
        atexit.unregister(self.close)
        try:
            self.end_drive()
        except SimulatorError as err:
            logger.debug("what the last drive has spawned was not removed: %s", err)
        self._session, self._town = None, None
        self._resources.close()

    def __reduce__(self) -> tuple[type[Simulation], tuple[EnvConfig]]:
        """A copy or pickle has the settings, but no server and no drive of its own."""
        return Simulation, (self.config,)

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

    def _infrared_route(self, town: LoadedTown, spec: EpisodeSpec) -> Route | None:
        if not spec.fuser.endswith(SWAPPED):
            return None
        specs = town.route_specs(self.config.route_file)
        return town.route(next_route(specs, pick_route(specs, spec.route_id).route_id))

    def _pipeline(self, spec: EpisodeSpec) -> InputPipeline:
        arm = Arm(spec.arm, spec.input, spec.fuser)
        if arm not in self._makers:
            self._makers[arm] = make_image_maker(arm, self.config.fuser_weights)
        fuser, enhancer = self._makers[arm]
        thermal = None
        if input_kind(spec.input).needs_thermal:
            if self._thermal is None:
                self._thermal = ThermalCamera(ThermalConfig(fog_ratio=self._settings.fog_ratio))
            thermal = self._thermal
        stress = Stress(self._settings) if thermal and self._settings.has_faults else None
        pipeline = InputPipeline(spec.input, fuser, thermal, self.clock, enhancer, stress)
        pipeline.reset(spec.seed)
        return pipeline


def _set_up(setup: DriveSetup) -> Drive:
    for _ in range(SET_UPS - 1):
        try:
            return Drive(setup)
        except MissedTickError as err:
            logger.warning("%s; it is begun again", err)
            setup.pipeline.reset(setup.spec.seed)
    return Drive(setup)


def _hazards(
    spec: EpisodeSpec, picked: RouteSpec, route: Route, town: LoadedTown
) -> tuple[PlacedHazard, ...] | None:
    """Where an episode's hazards wait; None where it asks for none."""
    if not spec.hazards:
        return None
    roadside, speed_mps = MapRoadside(town.map), design_speed_mps(spec.speed_kmh)
    if spec.hazards == ROUTE:
        return place_file_hazards(route, roadside, picked.hazards, spec.seed)
    return place_hazards(route, roadside, hazard_names(spec.hazards), spec.seed, speed_mps)
