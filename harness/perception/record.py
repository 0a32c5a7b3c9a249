"""Record poses: the expert drives among traffic and hazards, and moments of it are kept."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError, FusionDriveError, MapError, SimulatorError
from fusiondrive.files import check_file, whole_file
from fusiondrive.provenance import source_commit
from fusiondrive.types import CameraSpec, Control, EpisodeContext, Observation, WorldState
from harness.env_config import EnvConfig
from harness.perception.moment import MomentReader, brakes_for_somebody
from harness.perception.poses import FrozenPose, PoseSet, SetFacts, read_poses, write_poses
from harness.perception.sampling import Sampler
from harness.rollout import Stopped, rollout
from harness.server import ServerSpec
from harness.simulation import Simulation
from harness.supervision import EXIT_BAD_INPUT, EXIT_SIMULATOR, Pulse, supervise
from policies.base import Policy
from policies.expert import ExpertPolicy
from scenarios.hazards.kinds import check_speed
from scenarios.route_files import is_random_town, map_identity
from scenarios.route_xml import town_name
from scenarios.spec import EpisodeSpec, check_traffic
from scenarios.suite import route_set

TEST_TOWNS = ("Town02", "Town03")  # whose clear-day pictures no learner may see
EYE = CameraSpec(width=16, height=12)  # nobody looks: the expert knows the world
MOST_STEPS = 3000  # of a drive
MOST_EMPTY = 20  # drives in a row


@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """Options of `record`."""

    out: Annotated[Path, Flag("the pose set, FILE.parquet; its card is written beside it", "FILE")]
    poses: Annotated[int, Flag("how many to keep, the same number of each town", at_least=1)] = 5000
    towns: Annotated[tuple[str, ...], Flag("such as random:1001; default: the route set's")] = ()
    route_set: Annotated[str, Flag("whose towns are recorded, where none are named")] = "validation"
    speed: Annotated[tuple[int, ...], Flag("that drives take turns to go at, km/h", "KMH")] = (
        *(35, 50),
    )
    traffic: Annotated[str, Flag("as in harness.run")] = "regular"
    per_drive: Annotated[int, Flag("poses of one drive at most", at_least=1)] = 40
    seed: Annotated[int, Flag("of traffic, hazards and moments", at_least=0)] = 0

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: a value cannot be, or a town is one of the tests.
        """
        check_values(self)
        check_traffic(self.traffic)
        for speed in self.speed:
            check_speed(speed)
        if self.out.suffix != ".parquet":
            raise ConfigError(f"--out: expected a name that ends in .parquet, found {self.out}")
        for town in self.all_towns:
            if town in TEST_TOWNS:
                raise ConfigError(
                    f"town '{town}': its routes are tests, and clear-day pictures of them stay "
                    "unseen; record in others, such as --route-set validation"
                )
            if not is_random_town(town) and not town.startswith("Town"):
                raise MapError(f"unknown town '{town}'; expected such as random:1001 or Town01")
        if len(set(self.all_towns)) != len(self.all_towns):
            raise ConfigError(f"town given twice: {', '.join(self.all_towns)}")
        if self.poses < len(self.all_towns):
            raise ConfigError(f"--poses: expected {len(self.all_towns)} or more, one of each town")

    @property
    def all_towns(self) -> tuple[str, ...]:
        """The towns to record in."""
        return tuple(map(town_name, self.towns or route_set(self.route_set).towns))

    def share(self, town: str) -> int:
        """Poses of a town."""
        whole, rest = divmod(self.poses, len(self.all_towns))
        return whole + (self.all_towns.index(town) < rest)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the poses, as the file says it."""
        values = {key: value for key, value in asdict(self).items() if key not in ("out", "towns")}
        return {**values, "speed": list(self.speed), "towns": list(self.all_towns)}


class WatchedExpert(Policy):
    """The expert, whose moments are kept."""

    is_privileged = True

    def __init__(self, reader: MomentReader, sampler: Sampler, beat: Callable[[], None]) -> None:
        self._expert = ExpertPolicy()
        self._reader, self._sampler, self._beat = reader, sampler, beat
        self.poses: list[FrozenPose] = []

    def reset(self, context: EpisodeContext) -> None:
        """Give the expert its route."""
        self._expert.reset(context)

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Drive, and keep the moment if it is one to keep."""
        assert state is not None  # it is privileged
        self._beat()
        control = self._expert.act(observation, state)
        hazard, _ = self._reader.hazard(state)
        is_needed = bool(hazard) or brakes_for_somebody(self._expert.hazard, control)
        speed = observation.forward_speed_mps
        if self._sampler.takes(observation.time_s, speed, is_needed=is_needed):
            self.poses.append(self._reader.read(observation, state, control, self._expert))
        self._reader.advance()
        return control


def record_drive(
    simulation: Simulation, spec: EpisodeSpec, number: int, most: int, beat: Callable[[], None]
) -> list[FrozenPose]:
    """Moments of one drive.

    Args:
        simulation: where it is driven.
        spec: what is driven.
        number: of the drive within its town.
        most: moments to keep.
        beat: called with every step.
    """
    drive = simulation.begin(spec)
    sampler = Sampler(spec.seed, most)
    expert = WatchedExpert(MomentReader(drive, number), sampler, beat)
    with suppress(Stopped):
        rollout(drive, expert, should_stop=lambda: sampler.is_full or drive.steps >= MOST_STEPS)
    return expert.poses


class _Recorder:
    """Fills the parts of a set, a town at a time."""

    def __init__(self, options: RecordOptions, beat: Callable[[], None]) -> None:
        self._options, self._beat = options, beat
        self._began_s, self._count = time.monotonic(), 0

    def fill(self) -> None:
        """Record every town that is not there yet."""
        missing = [town for town in self._options.all_towns if not self._has(town)]
        for town in missing:
            # A server of its own each: what was driven before must leave no trace.
            with Simulation(_env(town, self._options)) as simulation:
                poses = self._drive_town(simulation, town)
                session = simulation.session
                maps = {town: map_identity(session.map)}
                facts = SetFacts(session.look, maps, self._options.settings)
                write_poses(poses, facts, part_path(self._options.out, town))
            print(file=sys.stderr)

    def _has(self, town: str) -> bool:
        """Whether a town's part is there.

        Raises:
            ConfigError: it was recorded with other settings.
        """
        path = part_path(self._options.out, town)
        if not path.is_file():
            return False
        found = read_poses(path).facts.settings
        if dict(found) != json.loads(json.dumps(self._options.settings)):
            raise ConfigError(f"{path} was recorded with other settings; remove {path.parent}")
        return True

    def _drive_town(self, simulation: Simulation, town: str) -> list[FrozenPose]:
        options, poses, empty = self._options, list[FrozenPose](), 0
        routes, number = simulation.routes(town), 0
        while len(poses) < options.share(town):
            spec = EpisodeSpec(
                town=town,
                route_id=routes[number % len(routes)].route_id,
                weather="clear",
                input="rgb",
                fuser="none",
                policy="expert",
                seed=(options.seed * 10_000 + number) % 2**31,
                traffic=options.traffic,
                hazards="all",
                speed_kmh=options.speed[number % len(options.speed)],
            )
            most = min(options.per_drive, options.share(town) - len(poses))
            found = record_drive(simulation, spec, number, most, self._beat)
            empty = 0 if found else empty + 1
            if empty > MOST_EMPTY:
                raise SimulatorError(f"{town}: {empty} drives in a row ended without a pose")
            poses, number = [*poses, *found], number + 1
            self._tell(town, len(poses), len(found))
        return poses

    def _tell(self, town: str, done: int, more: int) -> None:
        self._count += more
        pace = self._count / max(time.monotonic() - self._began_s, 1e-6)
        text = f"\r{town}: {done} of {self._options.share(town)} poses, {pace:.2f}/s "
        print(text, end="", file=sys.stderr, flush=True)


def part_path(out: Path, town: str) -> Path:
    """Where a town's poses wait for those of the others."""
    return out.with_suffix(".parts") / f"{town.replace(':', '-')}.parquet"


def card_path(out: Path) -> Path:
    """The card beside a set."""
    return out.with_suffix(".json")


def _env(town: str, options: RecordOptions) -> EnvConfig:
    return EnvConfig(
        server=ServerSpec(town=town), town=town, camera=EYE, traffic=options.traffic, hazards="all"
    )


def work(options: RecordOptions, pulse: Pulse) -> int:
    """The child: CARLA's client can abort or hang, and a new child goes on after the last town."""
    try:
        _Recorder(options, pulse.beat).fill()
    except SimulatorError as err:
        print(f"\nerror: {err}", file=sys.stderr)
        return EXIT_SIMULATOR
    except (FusionDriveError, OSError) as err:
        print(f"error: {err}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def join(options: RecordOptions, about: Mapping[str, str]) -> PoseSet:
    """Put the parts together, write the card, and remove the parts.

    Args:
        options: of the command.
        about: what else the card says: command and commit.
    """
    parts = [part_path(options.out, town) for town in options.all_towns]
    sets = [read_poses(path) for path in parts]
    maps = {town: identity for part in sets for town, identity in part.facts.maps.items()}
    facts = SetFacts(sets[0].facts.look, maps, options.settings)
    poses = tuple(pose for part in sets for pose in part.poses)
    made = write_poses(poses, facts, options.out)
    card = {
        **about,
        "hash": made.digest,
        "bytes": options.out.stat().st_size,
        "version": facts.version,
        "look": facts.look,
        "maps": maps,
        **made.summary(),
    }
    with whole_file(card_path(options.out)) as draft:
        draft.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    for path in parts:
        path.unlink()
    with suppress(OSError):
        parts[0].parent.rmdir()
    return made


def run(options: RecordOptions, words: list[str]) -> str | int:
    """Record a set; the same command goes on where it stopped.

    Args:
        options: of the command.
        words: the command line behind `record`, for the card.
    """
    check_file(options.out, "--out")
    command = shlex.join(["python", "-m", "harness.perception", "record", *words])
    about = {"command": command, "commit": source_commit()}
    code = supervise(work, (options,), lambda: _pieces(options))
    if code:
        return code
    made = join(options, about)
    said = made.summary()
    percent = 100.0 * said["share_needed"]
    return (
        f"{options.out}: {said['poses']} poses of {said['drives']} drives in {said['towns']} "
        f"towns, hash {made.digest}; {percent:.1f} % have a hazard or somebody to brake for"
    )


def _pieces(options: RecordOptions) -> int:
    return sum(part_path(options.out, town).is_file() for town in options.all_towns)
