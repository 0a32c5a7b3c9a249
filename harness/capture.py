"""Records pairs for the oracle student from the simulator, through the harness's own rig.

    python -m harness.capture --town Town02 random:7 --frames 1500 --out DIR

Towns take turns: a route of one in every weather, then the next; settings of the thermal camera and
speeds take turns from drive to drive. The expert drives; every few steps all actors and traffic
lights are frozen and the same pose is seen in the weather of the drive and on a clear day. A
standing car gives few samples. Thermal images are derived from semantic segmentation and depth
(privileged).
"""

from __future__ import annotations

import contextlib
import itertools
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np

from fusiondrive.cli import Flag, check_values, command_parser, configured, exit_code
from fusiondrive.errors import ConfigError, SimulatorError
from fusiondrive.files import check_folder
from fusiondrive.types import Control
from fusionproxy.data import PARTS, U8, Shard, read_about, read_index, write_shard
from fusionproxy.errors import FusionError
from harness.drive import Drive
from harness.env_config import EnvConfig
from harness.rollout import Stopped, rollout
from harness.server import ServerSpec
from harness.simulation import Simulation
from harness.supervision import Pulse, child_code, supervise
from policies.expert import ExpertPolicy
from scenarios.hazards.kinds import ROUTE, check_speed, read_hazards
from scenarios.route_xml import town_name
from scenarios.spec import EpisodeSpec
from scenarios.weather import carla_weather, preset
from sensors.frame import RigFrame
from sensors.thermal_settings import THERMAL_LOOK, thermal_text

MOST_EMPTY = 20  # drives in a row
POSE_TOLERANCE = 1e-3  # m and degrees: the same scene in two weathers


class Planned(NamedTuple):
    """One drive."""

    town: str
    route: int  # its number among the town's
    weather: str
    thermal: str  # settings of the thermal camera
    speed_kmh: int | None


@dataclass(frozen=True)
class CaptureConfig:
    """What to record."""

    towns: Annotated[
        tuple[str, ...],
        Flag(
            "such as Town02 random:7; Town03 stays unseen by default",
            names=("--town",),
            read=town_name,
        ),
    ] = ("Town02",)
    weathers: Annotated[
        tuple[str, ...], Flag("of the drives", metavar="NAME", names=("--weather",))
    ] = ("fog", "night")
    frames: Annotated[int, Flag("pairs to record", at_least=1)] = 1500
    seed: Annotated[int, Flag("of traffic", at_least=0)] = 0
    every: int = 8  # steps of 0.1 s between samples
    spacing_m: float = 1.0  # least distance to the last sample ...
    standing_steps: int = 50  # ... unless so many steps have passed
    per_drive: Annotated[int, Flag("pairs of one drive at most", at_least=1)] = 60
    maps: Annotated[Path | None, Flag("folder with official .xodr files", metavar="DIR")] = None
    thermal: Annotated[
        tuple[str, ...], Flag("of the thermal camera, as in harness.run", read=thermal_text)
    ] = ("fog_ratio=0.5",)
    hazards: Annotated[
        str, Flag("that the expert meets: none, all, or NAME,NAME", read=read_hazards)
    ] = ""
    speed_kmh: Annotated[
        tuple[int, ...], Flag("that the expert drives at where the road allows it; default 35")
    ] = ()

    def __post_init__(self) -> None:
        """Check the settings."""
        check_values(self)
        for name in self.weathers:
            preset(name)
        for speed in self.speed_kmh:
            check_speed(speed)
        if self.hazards == ROUTE:
            raise ConfigError("hazards 'route': the routes are the town's, no file gives any")

    def plan(self, drive: int) -> Planned:
        """What one of the drives is, counted from 0."""
        turn, weather = divmod(drive, len(self.weathers))
        route, town = divmod(turn, len(self.towns))
        # Not in step with towns and weathers, so that each of these meets them all.
        changing = turn + route + weather
        speeds = self.speed_kmh or (None,)
        return Planned(
            self.towns[town],
            route,
            self.weathers[weather],
            self.thermal[changing % len(self.thermal)],
            speeds[(turn + route) % len(speeds)],
        )


@dataclass
class Capture:
    """An observer of a rollout that collects samples; changes nothing that the drive can see."""

    config: CaptureConfig
    weather: str
    beat: Callable[[], None] = lambda: None  # told of every step
    samples: list[dict[str, U8]] = field(default_factory=list)
    steps: int = 0
    last_step: int = 0
    last_place: tuple[float, float] = (math.inf, math.inf)

    def on_step(self, drive: Drive, control: Control) -> None:
        """Every few steps, freeze the world and look at it in both weathers."""
        self.steps += 1
        self.beat()
        if self.steps % self.config.every or self.is_full:
            return
        pose = drive.state.ego.pose
        has_moved = math.dist(self.last_place, (pose.x, pose.y)) >= self.config.spacing_m
        if has_moved or self.steps - self.last_step >= self.config.standing_steps:
            self.last_step, self.last_place = self.steps, (pose.x, pose.y)
            self.samples.append(sample_pose(drive, self.weather))

    @property
    def is_full(self) -> bool:
        """Whether this drive has given its share."""
        return len(self.samples) >= self.config.per_drive


def sample_pose(drive: Drive, weather: str) -> dict[str, U8]:
    """See the current pose in `weather` and on a clear day; the drive then goes on as it was.

    Raises:
        SimulatorError: the camera or an actor moved between the two pictures.
    """
    session, rig = drive.setup.session, drive.rig
    assert rig is not None, "a capture's simulation has a camera"
    world = session.world
    snapshot = world.get_snapshot()
    moving = [a for a in world.get_actors() if a.type_id.startswith(("vehicle.", "walker."))]
    velocities = {actor.id: snapshot.find(actor.id).get_velocity() for actor in moving}
    world.freeze_all_traffic_lights(True)
    for actor in moving:
        actor.set_simulate_physics(False)
    try:
        degraded = rig.read(session.tick())
        before = session.snapshot(degraded.frame)
        world.set_weather(carla_weather("clear"))
        clear = rig.read(session.tick())
        after = session.snapshot(clear.frame)
    finally:
        world.set_weather(carla_weather(weather))
        world.freeze_all_traffic_lights(False)
        for actor in moving:
            actor.set_simulate_physics(True)
            actor.set_target_velocity(velocities[actor.id])
    _check_still(degraded, clear, [(before.find(a.id), after.find(a.id)) for a in moving])
    atmosphere = preset(weather).atmosphere
    thermal = drive.setup.pipeline.make(degraded, drive.state, atmosphere).thermal
    assert thermal is not None  # the drive's input is `thermal`
    return {"degraded": degraded.rgb, "thermal": thermal, "clear": clear.rgb}


def _check_still(degraded: RigFrame, clear: RigFrame, actors: list[tuple[Any, Any]]) -> None:
    pairs = zip(astuple(degraded.camera_pose), astuple(clear.camera_pose), strict=True)
    moved = max(abs(a - b) for a, b in pairs)
    if moved > POSE_TOLERANCE:
        raise SimulatorError(f"the camera moved by {moved:.4f} between the two weathers")
    for before, after in actors:
        moved_m = before.get_transform().location.distance(after.get_transform().location)
        if moved_m > POSE_TOLERANCE:
            raise SimulatorError(f"actor {after.id} moved by {moved_m:.4f} m between two weathers")


def about_of(config: CaptureConfig) -> dict[str, Any]:
    """What decides the recorded images; kept in the index, without paths of this machine."""
    about = {key: value for key, value in asdict(config).items() if key not in ("frames", "maps")}
    for name in ("towns", "weathers", "thermal", "speed_kmh"):
        about[name] = list(about[name])
    about["thermal_look"] = THERMAL_LOOK
    about["map"] = "authored" if config.maps is None else "from --maps"
    return about


def capture(config: CaptureConfig, out: Path, beat: Callable[[], None] = lambda: None) -> None:
    """Drive route after route until enough samples are there; goes on where it stopped.

    Args:
        config: what to record.
        out: the data set.
        beat: called with every step.
    """
    about = about_of(config)
    found = read_about(out) or {}
    before = {key: value for key, value in found.items() if key != "look"}
    if before and before != about:
        raise FusionError(f"{out} was captured with other settings: {before}; now {about}")
    have = {shard.name: shard.count for shard in read_index(out)}
    if sum(have.values()) >= config.frames:
        print(f"{out} has {sum(have.values())} pairs already")
        return
    first = config.towns[0]
    server = ServerSpec(town=first, maps=config.maps)
    simulation = Simulation(EnvConfig(server=server, town=first, input="thermal"))
    try:
        for town in config.towns:
            simulation.session.check_has(town)
        about["look"] = check_look(out, found, simulation.session.look)
        _fill(simulation, config, out, about, have, beat)
    finally:
        simulation.close()
    print()


def _fill(
    simulation: Simulation,
    config: CaptureConfig,
    out: Path,
    about: dict[str, Any],
    have: dict[str, int],
    beat: Callable[[], None],
) -> None:
    """Make drive after drive that is not there yet, until there are enough samples."""
    started, at_first, empty = time.monotonic(), sum(have.values()), 0
    for drive in itertools.count():
        total = sum(have.values())
        if total >= config.frames:
            return
        planned = config.plan(drive)
        town, weather = planned.town, planned.weather
        name = f"{_place(town)}_{drive:04d}_{weather.replace(':', '-')}"
        if name in have:
            continue
        spec = _spec(simulation, config, drive)
        simulation.use_thermal(planned.thermal)
        samples = drive_once(simulation.begin(spec), Capture(config, weather, beat))
        have[name] = len(samples)
        empty = 0 if samples else empty + 1
        if empty > MOST_EMPTY:
            raise FusionError(f"{empty} drives in a row ended without a sample")
        if samples:
            shard = Shard(name, f"{_place(town)}_route{spec.route_id}", weather, len(samples))
            parts = {part: np.stack([item[part] for item in samples]) for part in PARTS}
            write_shard(out, shard, parts, about)
        total += len(samples)
        pace = (total - at_first) / max(time.monotonic() - started, 1e-6)
        print(f"\r{total}/{config.frames} pairs, {pace:.1f}/s ", end="", flush=True)


def _place(town: str) -> str:
    """A town in the name of a file."""
    return town.replace(":", "_")


def _spec(simulation: Simulation, config: CaptureConfig, drive: int) -> EpisodeSpec:
    planned = config.plan(drive)
    routes = simulation.routes(planned.town)
    return EpisodeSpec(
        town=planned.town,
        route_id=routes[planned.route % len(routes)].route_id,
        weather=planned.weather,
        input="thermal",
        fuser="none",
        policy="expert",
        seed=config.seed + drive + 1,
        traffic="regular",
        hazards=config.hazards,
        speed_kmh=planned.speed_kmh,
    )


def check_look(out: Path, about: dict[str, Any], look: int | None) -> int | None:
    """The look of all pairs of a data set; None where it is not known of the first ones.

    Raises:
        FusionError: the server draws another look than that of the pairs that are there.
    """
    if not about:
        return look
    if about.get("look") not in (None, look):
        raise FusionError(
            f"{out} was captured with look {about['look']}, the server draws {look}; "
            "capture into another --out"
        )
    return about.get("look")


def drive_once(drive: Drive, observer: Capture) -> list[dict[str, U8]]:
    """Samples of one drive; a drive that ends early gives fewer."""
    with contextlib.suppress(Stopped):
        rollout(drive, ExpertPolicy(), observers=(observer,), should_stop=lambda: observer.is_full)
    return observer.samples


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command beside those of `CaptureConfig`."""

    out: Annotated[Path, Flag("folder of the data set")]


def run(arguments: list[str] | None) -> int:
    """Record as a command line says; returns the exit code."""
    parser = command_parser("harness.capture", __doc__, CaptureConfig, Options)
    found = parser.parse_args(arguments)
    config, out = configured(CaptureConfig, found), configured(Options, found).out
    check_folder(out, flag="--out")
    return supervise(_drive, (config, out), lambda: len(read_index(out)))


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: run(arguments), "stopped; the same command goes on")


def _drive(config: CaptureConfig, out: Path, pulse: Pulse) -> int:
    """The child: CARLA's client can abort or hang, and a new child goes on after the last shard."""
    return child_code(lambda: capture(config, out, pulse.beat), died="\nerror: ", refused="error: ")


if __name__ == "__main__":
    sys.exit(main())
