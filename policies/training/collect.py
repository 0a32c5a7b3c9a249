"""Record the expert's drives: `python -m policies.training.collect --town Town02 --out DATA`.

Clear weathers only: a policy that has seen fog or night could not tell what a sensor adds there.
Towns given side by side, and `--sceneries` of each, take turns every few drives: a policy that has
seen few houses and trees learns them by heart instead of the street.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import shlex
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError, FusionDriveError, OutputError, SimulatorError
from fusiondrive.files import check_folder, output
from fusiondrive.paths import user_path
from fusiondrive.text import lenient_output
from fusiondrive.types import Control, EpisodeContext, Observation, WorldState
from fusionproxy.errors import FusionError
from harness.supervision import (
    EXIT_BAD_INPUT,
    EXIT_SIMULATOR,
    MAX_DEATHS,
    Child,
    Pulse,
    how_it_died,
)
from policies.base import Policy, camera_of
from policies.expert import ExpertConfig, ExpertPolicy
from policies.framing import FRAMINGS, framing
from policies.loading import load_cilrs
from policies.training.dataset import recorded_frames, save_episode, write_card
from policies.training.drivers import Driver, NoisyExpert, SharedWheel
from policies.training.noise import SteeringNoise
from policies.training.views import EpisodeRecorder, side_cameras
from scenarios.route_xml import town_name
from scenarios.spec import EpisodeSpec
from sensors.decode import bgra_pixels, decode_rgb

if TYPE_CHECKING:
    from harness.simulation import Simulation

logger = logging.getLogger(__name__)

FRAMES_PER_HOUR = 36_000  # ten a second
WEATHER_SHARES = {"clear": 0.4, "cloudy": 0.2, "sunset": 0.2, "wet": 0.2}
TRAFFIC_SHARES = {"empty": 0.6, "regular": 0.4}
ROUTES = 160
NOISY_EPISODES = 0.85
MAX_STEPS = 4000
WORLD_DRIVES = 2  # in a row in one town and scenery: a change costs a start of the server
ATTEMPTS = 3
NO_ROOM = 74  # exit code of a worker that cannot write, EX_IOERR of sysexits.h


@dataclass(frozen=True)
class CollectConfig:
    """Everything that changes what is recorded; part of the data card."""

    towns: tuple[str, ...]
    frames: int
    seed: int
    obey_lights: bool
    maps: str | None
    driver: str | None = None  # weights of the policy that shares the wheel
    expert_share: float = 0.3  # of the time, where a policy shares it
    rescue_m: float = 2.0  # off the route, the expert takes the wheel
    cameras: int = 1  # 3 adds one turned to each side
    sceneries: int = 1  # of each town: houses and trees grow from the server's seed
    framing: str = "coiltraine"  # camera pose and rows of the image

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


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    lenient_output()
    parser = argparse.ArgumentParser(
        prog="python -m policies.training.collect", description=__doc__
    )
    parser.add_argument("--town", required=True, nargs="+", help="such as Town02 random:7")
    parser.add_argument(
        "--sceneries",
        type=int,
        default=CollectConfig.sceneries,
        help="of each town, from server seeds 0, 1, ...: other houses, trees and crossings",
    )
    parser.add_argument("--out", type=user_path, required=True, help="directory of the data set")
    amount = parser.add_mutually_exclusive_group(required=True)
    amount.add_argument("--hours", type=float, help="of driving; 36,000 frames each")
    amount.add_argument("--frames", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="server and client pairs")
    parser.add_argument("--maps", type=user_path, help="directory with official .xodr files")
    lights = parser.add_mutually_exclusive_group()
    lights.add_argument("--obey-lights", dest="obey_lights", action="store_true", default=True)
    lights.add_argument("--ignore-lights", dest="obey_lights", action="store_false")
    parser.add_argument(
        "--driver", type=user_path, help="policy weights: it drives and the expert answers (DAgger)"
    )
    parser.add_argument(
        "--expert-share", type=float, default=0.3, help="of the time at the wheel, with --driver"
    )
    parser.add_argument(
        "--rescue-m",
        type=float,
        default=CollectConfig.rescue_m,
        help="distance from the route at which the expert takes the wheel, with --driver",
    )
    parser.add_argument(
        "--cameras",
        type=int,
        choices=(1, 3),
        default=1,
        help="3 adds views turned by 30 degrees to each side, with the steering that they call for",
    )
    parser.add_argument(
        "--framing",
        choices=tuple(FRAMINGS),
        default=CollectConfig.framing,
        help="camera pose and rows of the image that the network is fed",
    )
    options = parser.parse_args(arguments)
    frames = options.frames or round(options.hours * FRAMES_PER_HOUR)
    maps = None if options.maps is None else str(options.maps)
    driver = None if options.driver is None else str(options.driver)
    config = CollectConfig(
        towns=tuple(town_name(town) for town in options.town),
        frames=frames,
        seed=options.seed,
        obey_lights=options.obey_lights,
        maps=maps,
        driver=driver,
        expert_share=options.expert_share,
        rescue_m=options.rescue_m,
        cameras=options.cameras,
        sceneries=options.sceneries,
        framing=options.framing,
    )
    command = shlex.join(
        ["python", "-m", "policies.training.collect", *(arguments or sys.argv[1:])]
    )
    try:
        check_folder(options.out, flag="--out")
        collect(config, options.out, options.workers, command)
    except (FusionDriveError, FusionError, OSError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


def collect(config: CollectConfig, out: Path, workers: int, command: str) -> None:
    """Run the workers until enough frames are there, then write the data card.

    Raises:
        ConfigError: the number of frames or workers makes no sense.
        SimulatorError: a worker died.
    """
    if not 0.0 <= config.expert_share <= 1.0:
        raise ConfigError(f"--expert-share has to be from 0 to 1, found {config.expert_share}")
    if not config.rescue_m > 0.0:
        raise ConfigError(f"--rescue-m has to be positive, found {config.rescue_m}")
    if config.driver is not None:
        driver = load_cilrs(Path(config.driver))  # a wrong file ends the command here
        if camera_of(driver) != framing(config.framing).camera:
            raise ConfigError(
                f"--driver {config.driver} looks through another camera than that of --framing "
                f"{config.framing}"
            )
    if config.frames < 1 or workers < 1:
        raise ConfigError("nothing to record: --frames, --hours and --workers have to be positive")
    if config.sceneries < 1:
        raise ConfigError(f"--sceneries has to be positive, found {config.sceneries}")
    with output(out):
        out.mkdir(parents=True, exist_ok=True)
    stop = multiprocessing.get_context("spawn").Event()
    crew = [Child(_work, (config, out, (number, workers), stop)) for number in range(workers)]
    try:
        _watch(crew, config.frames, out)
    finally:
        stop.set()
        for worker in crew:
            worker.end(patience_s=60.0)
    write_card(
        out,
        {
            "command": command,
            "config": asdict(config),
            **framing(config.framing).to_dict(),
            "weathers": WEATHER_SHARES,
            "traffic": TRAFFIC_SHARES,
        },
    )


def _watch(crew: list[Child], wanted: int, out: Path) -> None:
    """Print progress on one line until enough is recorded; begin dead workers anew.

    CARLA's client library can end its process (the Traffic Manager does so when it loses an
    actor) or hang in it, so both are met as a simulator's death: what was saved stays.
    """
    counts = recorded_frames(out)
    deaths, episodes = 0, len(counts)
    started, at_first = time.monotonic(), sum(counts.values())
    while True:
        counts = recorded_frames(out, counts)
        frames = sum(counts.values())
        spent_s = time.monotonic() - started
        rate = (frames - at_first) / max(spent_s, 1e-6)
        print(f"\r{frames} of {wanted} frames, {rate:.1f} frames/s ", end="", flush=True)
        if frames >= wanted:
            print()
            return
        if len(counts) > episodes:
            deaths, episodes = 0, len(counts)
        for number, worker in enumerate(crew):
            code = worker.exit_code()
            if not code:
                continue
            if code == EXIT_BAD_INPUT:
                raise ConfigError("nothing can be recorded as asked")
            if code == NO_ROOM:
                raise OutputError(f"{out} takes no more; make room, and the same command goes on")
            deaths += 1
            how = how_it_died(code)
            if deaths > MAX_DEATHS * len(crew):
                raise SimulatorError(f"workers died {deaths} times in a row, last: {how}")
            print(f"\nworker {number} died ({how}); beginning it anew")
            worker.begin()
        time.sleep(1.0)  # of this display only: the workers pace themselves


def _work(config: CollectConfig, out: Path, share: tuple[int, int], stop: Any, pulse: Pulse) -> int:
    """A worker's process, told to stop by its parent."""
    try:
        _record(config, out, share, _Orders(stop, pulse))
    except SimulatorError as err:
        print(f"\nworker {share[0]}: {err}", file=sys.stderr)
        return EXIT_SIMULATOR
    except (FusionDriveError, OSError) as err:
        print(f"\nworker {share[0]}: {err}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


@dataclass(frozen=True)
class _Orders:
    """What a worker hears and says while it drives."""

    stop: Any
    pulse: Pulse

    def is_set(self) -> bool:
        """Give a sign of life; tell whether to stop."""
        self.pulse.beat()
        return bool(self.stop.is_set())


def _record(config: CollectConfig, out: Path, share: tuple[int, int], stop: _Orders) -> None:
    """Record the episodes of every `share[1]`-th world, from `share[0]` on, until told to stop."""
    done = recorded_frames(out)
    number = share[0]
    opened: World | None = None
    with ExitStack() as resources:
        while not stop.is_set():
            first = number * WORLD_DRIVES
            keys = [key for key in range(first, first + WORLD_DRIVES) if key not in done]
            world = config.world(first)
            if keys and world != opened:
                resources.close()
                simulation, opened = _open_simulation(config, world, out), world
                resources.callback(simulation.close)
            for key in keys:
                if not stop.is_set():
                    _record_or_leave(simulation, config, key, out, stop)
            number += share[1]


def _open_simulation(config: CollectConfig, world: World, out: Path) -> Simulation:
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


def _record_or_leave(
    simulation: Simulation, config: CollectConfig, key: int, out: Path, stop: Any
) -> None:
    """End this process where the disk takes no more: a worker begun anew would fare no better."""
    try:
        _record_with_retries(simulation, config, key, out, stop)
    except OutputError as err:
        logger.error("%s", err)
        sys.exit(NO_ROOM)


def _record_with_retries(
    simulation: Simulation, config: CollectConfig, key: int, out: Path, stop: Any
) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
