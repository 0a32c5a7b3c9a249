"""One drive of the expert after another, recorded: what is driven where, and what is kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError, FusionDriveError, SimulatorError
from fusiondrive.paths import path_text
from fusiondrive.types import Control, EpisodeContext, Observation, WorldState
from policies.base import Policy
from policies.expert import ExpertConfig, ExpertPolicy
from policies.framing import FRAMINGS, framing
from policies.loading import load_cilrs
from policies.training.dataset import save_episode
from policies.training.drivers import Driver, NoisyExpert, SharedWheel
from policies.training.noise import SteeringNoise
from policies.training.views import EpisodeRecorder, side_cameras
from scenarios.hazards.kinds import ROUTE, check_speed, read_hazards
from scenarios.route_xml import town_name
from scenarios.spec import EpisodeSpec
from sensors.decode import bgra_pixels, decode_rgb

if TYPE_CHECKING:
    from harness.simulation import Simulation

logger = logging.getLogger(__name__)

WEATHER_SHARES = {"clear": 0.4, "cloudy": 0.2, "sunset": 0.2, "wet": 0.2}
TRAFFIC_SHARES = {"empty": 0.6, "regular": 0.4}
ROUTES = 160
NOISY_EPISODES = 0.85
MAX_STEPS = 4000
WORLD_DRIVES = 2  # in a row in one town and scenery: a change costs a start of the server
ATTEMPTS = 3


@dataclass(frozen=True)
class CollectConfig:
    """Everything that changes what is recorded; part of the data card."""

    towns: Annotated[
        tuple[str, ...], Flag("such as Town02 random:7", names=("--town",), read=town_name)
    ]
    frames: int
    seed: Annotated[int, Flag("of routes, weathers and noise", at_least=0)] = 1
    obey_lights: bool = True
    maps: Annotated[
        str | None, Flag("folder with official .xodr files", metavar="DIR", read=path_text)
    ] = None
    driver: Annotated[
        str | None,
        Flag(
            "policy weights: it drives and the expert answers (DAgger)",
            metavar="FILE",
            read=path_text,
        ),
    ] = None
    expert_share: Annotated[
        float, Flag("of the time at the wheel, with --driver", at_least=0, at_most=1)
    ] = 0.3
    rescue_m: Annotated[
        float,
        Flag("off the route the expert takes the wheel, with --driver", more_than=0),
    ] = 2.0
    cameras: Annotated[
        Literal[1, 3],
        Flag("3 adds one turned by 30 degrees to each side, with the steering it calls for"),
    ] = 1
    sceneries: Annotated[
        int,
        Flag(
            "of each town, from server seeds 0, 1, ...: other houses, trees and crossings",
            at_least=1,
        ),
    ] = 1
    framing: Annotated[
        str,
        Flag("camera pose and rows of the image that the network is fed", choices=tuple(FRAMINGS)),
    ] = "coiltraine"
    hazards: Annotated[
        str, Flag("that the expert meets: none, all, or NAME,NAME", read=read_hazards)
    ] = ""
    speed_kmh: Annotated[
        int | None, Flag("that the expert drives at where the road allows it; default 35")
    ] = None

    def __post_init__(self) -> None:
        """Check the settings."""
        check_values(self)
        check_speed(self.speed_kmh)
        if self.hazards == ROUTE:
            raise ConfigError("hazards 'route': the routes are drawn here, no file gives any")
        if self.frames < 1:
            raise ConfigError("nothing to record: --frames or --hours have to be more than 0")

    def world(self, key: int) -> World:
        """Where an episode is driven; a few in a row share it."""
        turn, place = divmod(key // WORLD_DRIVES, len(self.towns))
        return World(self.towns[place], turn % self.sceneries)


@dataclass(frozen=True)
class World:
    """A town with one of its sceneries."""

    town: str
    scenery: int  # seed of the server

    def routes_name(self, seed: int) -> str:
        """File of the routes to record on, the same for all sceneries."""
        return f"routes_{self.town.replace(':', '-')}_seed{seed}.xml"


def open_simulation(config: CollectConfig, world: World, out: Path) -> Simulation:
    """A server of the world's own; its town's routes are drawn where they are not there yet."""
    from harness.env_config import EnvConfig
    from harness.server import ServerSpec
    from harness.simulation import Simulation
    from scenarios.generate import draw_route_file

    maps = None if config.maps is None else Path(config.maps)
    server = ServerSpec(town=world.town, maps=maps, seed=world.scenery)
    camera = framing(config.framing).camera
    sensors = side_cameras(camera) if config.cameras == 3 else ()
    file = out / world.routes_name(config.seed)
    simulation = Simulation(
        EnvConfig(server, camera=camera, town=world.town, route_file=file, sensors=sensors)
    )
    try:
        if not file.is_file():
            carla_map = simulation.town(world.town).map
            draw_route_file(carla_map, world.town, file, seed=config.seed, count=ROUTES)
    except FusionDriveError:
        simulation.close()
        raise
    return simulation


def record_with_retries(
    simulation: Simulation, config: CollectConfig, key: int, out: Path, stop: Any
) -> None:
    """Record an episode; where the simulator fails, again.

    Raises:
        SimulatorError: it failed every time.
    """
    for attempt in range(ATTEMPTS):
        try:
            record_episode(simulation, config, key, out, stop)
            return
        except SimulatorError as err:
            logger.warning("episode %d, attempt %d: %s", key, attempt + 1, err)
            if attempt == ATTEMPTS - 1:
                raise


def draw_spec(config: CollectConfig, key: int) -> EpisodeSpec:
    """Route, weather and traffic of an episode, from seed and number alone."""
    rng = np.random.default_rng((config.seed, key))
    weather = rng.choice(list(WEATHER_SHARES), p=list(WEATHER_SHARES.values()))
    traffic = rng.choice(list(TRAFFIC_SHARES), p=list(TRAFFIC_SHARES.values()))
    return EpisodeSpec(
        town=config.world(key).town,
        route_id=f"{key % ROUTES:02d}",
        weather=str(weather),
        input="rgb",
        fuser="none",
        policy="expert",
        seed=int(rng.integers(2**31)),
        traffic=str(traffic),
        hazards=config.hazards,
        speed_kmh=config.speed_kmh,
    )


def record_episode(
    simulation: Simulation, config: CollectConfig, key: int, out: Path, stop: Any
) -> None:
    """Drive one route with the expert, disturbed by noise, and save what is worth learning."""
    from harness.rollout import Stopped, rollout

    spec = draw_spec(config, key)
    expert = ExpertPolicy(ExpertConfig(obey_lights=config.obey_lights))
    drive = simulation.begin(spec)
    recorder = EpisodeRecorder(expert, framing(config.framing).preprocessing)
    pupil = _Recorded(expert, _make_driver(config, key, drive.context()), recorder)
    outcome = ""
    try:
        score = rollout(drive, pupil, should_stop=lambda: stop.is_set() or drive.steps >= MAX_STEPS)
        outcome = score.outcome.value
    except Stopped:
        if drive.steps < MAX_STEPS:
            return
    crashed = outcome not in ("success", "") and config.driver is None
    images, table = recorder.finish(spec, look=simulation.session.look, crashed=crashed)
    save_episode(out, key, images, table)
    logger.info("episode %d: %s, %s after %d steps", key, spec, outcome or "cut", drive.steps)


class _Recorded(Policy):
    """Drives as the driver will, and records what the expert would have done."""

    is_privileged = True

    def __init__(self, expert: ExpertPolicy, driver: Driver, recorder: EpisodeRecorder) -> None:
        self._expert, self._driver, self._recorder = expert, driver, recorder

    def reset(self, context: EpisodeContext) -> None:
        """Give the expert its route; the driver has been made for it."""
        self._expert.reset(context)

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """The driver's control; the expert's is the label."""
        assert state is not None  # it is privileged
        control = self._expert.act(observation, state)
        applied = self._driver.drive(observation, control, self._expert.off_m)
        noise_steer = applied.steer - control.steer
        self._recorder.add(observation, state, control, noise_steer, _side_images(observation))
        return applied


def _side_images(observation: Observation) -> dict[str, NDArray[np.uint8]]:
    """RGB of the cameras to the sides, by name; empty where none are mounted."""
    images = {name: reading.data for name, reading in observation.readings.items()}
    return {
        name: decode_rgb(bgra_pixels(image.raw_data, image.height, image.width))
        for name, image in images.items()
    }


def _make_driver(config: CollectConfig, key: int, context: EpisodeContext) -> Driver:
    rng = np.random.default_rng((config.seed, key, 1))
    if config.driver is not None:
        policy = load_cilrs(Path(config.driver))
        return SharedWheel(policy, context, config.expert_share, rng, config.rescue_m)
    return NoisyExpert(SteeringNoise(rng) if rng.random() < NOISY_EPISODES else None)
