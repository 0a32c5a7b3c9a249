"""Ask frozen policies what they would do on every arm's picture of the same poses."""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import AgentError, ConfigError, FusionDriveError, SimulatorError
from fusiondrive.files import check_folder, whole_file
from fusiondrive.provenance import source_commit
from harness.checks import check_weathers
from harness.perception.acting import ReadyArm, check_looks, ready_arms, ready_policies
from harness.perception.drawing import still_settings, town_session
from harness.perception.plot import write_plot
from harness.perception.poses import FrozenPose, PoseSet, read_poses
from harness.perception.unit import REFERENCE, Asked, answers, check_swaps
from harness.supervision import (
    EXIT_BAD_INPUT,
    EXIT_SIMULATOR,
    MAX_DEATHS,
    Child,
    Pulse,
    how_it_died,
)
from results.counterfactual_table import distance_table, error_table
from results.counterfactuals import CLUSTERS, write_rows
from results.terminal import show
from scenarios.route_weather import ROUTE_WEATHER
from scenarios.weather import preset, weather_name
from sensors.thermal_settings import THERMAL_LOOK, thermal_text

POLL_S = 0.5


@dataclass(frozen=True, kw_only=True)
class ActOptions:
    """Options of `act`."""

    poses: Annotated[Path, Flag("a pose set of harness.perception record", "FILE")]
    out: Annotated[Path, Flag("folder of rows, tables and plot", "DIR")]
    level: Annotated[tuple[str, ...], Flag("weathers, such as fog:40 night:glare", "NAME")] = (
        *("fog", "night:glare"),
    )
    arms: Annotated[tuple[str, ...], Flag("as in harness.run; rgb must be among them", "ARM")] = (
        *("rgb", "dehaze", "thermal", "distilled", "oracle", "oracle:blanked"),
    )
    policy: Annotated[tuple[str, ...], Flag("frozen ones, by name or NAME=WEIGHTS", "POLICY")] = (
        "cilrs",
    )
    fuser_weights: Annotated[
        Path | None, Flag("of the arm `student` or a plug-in fuser", "FILE")
    ] = None
    thermal: Annotated[str, Flag("of the thermal camera, as in harness.run", read=thermal_text)] = (
        "fog_ratio=0.5"
    )
    count: Annotated[
        int | None, Flag("poses to take of the set, evenly over it; default: all", at_least=1)
    ] = None
    cluster: Annotated[str, Flag("what intervals resample", choices=CLUSTERS)] = "drive"
    workers: Annotated[int, Flag("server and client pairs", at_least=1)] = 1

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: a name or value is unknown.
        """
        check_values(self)
        check_weathers(self.level)
        if ROUTE_WEATHER in self.level:
            raise ConfigError(f"level '{ROUTE_WEATHER}' is a route file's weather; leave it out")
        still_settings(self.thermal)

    def asked(self) -> Asked:
        """Arms and policies, built.

        Raises:
            ConfigError: one of them cannot be asked.
        """
        arms = ready_arms(self.arms, self.fuser_weights)
        return Asked(arms, ready_policies(self.policy), still_settings(self.thermal))


@dataclass(frozen=True)
class Unit:
    """A town in one weather; its answers are a file."""

    town: str
    weather: str
    is_reference: bool = False

    def path(self, out: Path) -> Path:
        """The file."""
        level = REFERENCE if self.is_reference else f"level-{weather_name(self.weather)}"
        name = f"{self.town}_{level}".replace(":", "-").replace("+", "-")
        return out / "units" / f"{name}.parquet"


def run(options: ActOptions, words: list[str]) -> str | int:
    """Ask, and print tables; what was answered before is not asked again.

    Args:
        options: of the command.
        words: not looked at.
    """
    check_folder(options.out, flag="--out")
    found = read_poses(options.poses)
    towns, asked = found.by_town(options.count), options.asked()
    check_looks(asked.policies, asked.arms, found)
    for poses in towns.values():
        check_swaps(poses, asked.arms)
    options.out.mkdir(parents=True, exist_ok=True)
    _hold_settings(options, found, asked)
    commit, units = source_commit(), _units(options, list(towns))
    total = sum(len(towns[unit.town]) for unit in units if not unit.path(options.out).is_file())
    _work_off(options, list(towns), total)
    frame = collect(options, found, asked.arms, commit)
    write_rows(frame, options.out / "rows.parquet")
    tables = [error_table(frame, options.cluster), distance_table(frame)]
    with whole_file(options.out / "table.md") as draft:
        draft.write_text("\n".join(table.markdown() for table in tables), encoding="utf-8")
    write_plot(frame, options.out / "brakings.png")
    show(tables)
    print(f"rows, tables and plot: {options.out}", file=sys.stderr)
    return ""


def collect(
    options: ActOptions, found: PoseSet, arms: Sequence[ReadyArm], commit: str
) -> pd.DataFrame:
    """All rows of a run's units, each with its clear-day answer and what is known of its pose."""
    towns = found.by_town(options.count)
    about = pd.DataFrame([_about(pose) for poses in towns.values() for pose in poses])
    units = _units(options, list(towns))
    frames = {unit: pd.read_parquet(unit.path(options.out)) for unit in units}
    clear = pd.concat([frame for unit, frame in frames.items() if unit.is_reference])
    keys = ["pose", "policy", "policy_weights"]
    clear = clear[[*keys, "steer", "throttle", "brake"]].rename(
        columns={name: f"clear_{name}" for name in ("steer", "throttle", "brake")}
    )
    parts = [
        frames[unit].merge(clear, on=keys, validate="many_to_one").merge(about, on="pose")
        for level in options.level
        for unit in units
        if not unit.is_reference and unit.weather == level
    ]
    frame = pd.concat(parts, ignore_index=True)
    ranges = {weather_name(name): preset(name).range_m for name in options.level}
    thermal = {item.arm.name: options.thermal for item in arms if item.needs_thermal}
    frame["range_m"] = frame["level"].map(
        {name: None if value is None else round(value, 1) for name, value in ranges.items()}
    )
    frame["look"] = found.facts.look
    frame["thermal"] = frame["arm"].map(thermal).fillna("")
    frame["thermal_look"] = frame["arm"].map(dict.fromkeys(thermal, THERMAL_LOOK))
    frame["pose_set"], frame["commit"] = found.digest, commit
    return frame


def _about(pose: FrozenPose) -> dict[str, Any]:
    return {
        "pose": pose.key,
        "town": pose.town,
        "drive": pose.cluster,
        "expert_steer": pose.steer,
        "expert_throttle": pose.throttle,
        "expert_brake": pose.brake,
        "speed_mps": pose.forward_speed_mps,
        "cause": pose.cause,
        "gap_m": pose.gap_m,
        "hazard": pose.hazard,
    }


def _units(options: ActOptions, towns: Sequence[str]) -> list[Unit]:
    """All units in the order in which they are worked off: a town's reference first."""
    return [
        unit
        for town in towns
        for unit in (
            Unit(town, "clear", is_reference=True),
            *(Unit(town, level) for level in options.level),
        )
    ]


def _hold_settings(options: ActOptions, found: PoseSet, asked: Asked) -> None:
    """Keep what decides the answers beside them, and refuse to mix others among them.

    Raises:
        ConfigError: the folder has answers of other settings.
    """
    settings = {
        "pose_set": found.digest,
        "count": options.count,
        "arms": [[item.arm.name, item.facts.weights] for item in asked.arms],
        "policies": [[item.name, item.weights] for item in asked.policies],
        "thermal": options.thermal,
        "thermal_look": THERMAL_LOOK,
        "look": found.facts.look,
    }
    path = options.out / "settings.json"
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        other = next((key for key in settings if before.get(key) != settings[key]), None)
        if other is not None:
            raise ConfigError(
                f"{options.out} has answers with other {other} ({before.get(other)}, now "
                f"{settings[other]}); give another --out"
            )
        return
    with whole_file(path) as draft:
        draft.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _work_off(options: ActOptions, towns: Sequence[str], total: int) -> None:
    """Let workers answer what is missing, with progress on one line.

    Raises:
        ConfigError: a worker has said that it cannot be asked so.
        SimulatorError: workers die again and again.
    """
    if not total:
        return
    workers = min(options.workers, len(towns))
    counter = multiprocessing.get_context("spawn").Value("q", 0)
    shares = [list(towns[number::workers]) for number in range(workers)]
    crew = [Child(work, (options, share, counter)) for share in shares]
    deaths, progress = 0, _Progress(total)
    try:
        while True:
            codes = [child.exit_code() for child in crew]
            if progress.show(counter.value):
                deaths = 0
            if EXIT_BAD_INPUT in codes:
                raise ConfigError("these poses cannot be asked about as told")
            for child, code in zip(crew, codes, strict=True):
                if code:
                    deaths += 1
                    if deaths > MAX_DEATHS * workers:
                        how = how_it_died(code)
                        raise SimulatorError(f"workers died {deaths} times, last: {how}")
                    child.begin()
            if all(code == 0 for code in codes):
                return
            time.sleep(POLL_S)  # of this display only
    finally:
        print(file=sys.stderr)
        for child in crew:
            child.end()


class _Progress:
    """One line of progress; its rate leaves the starts of servers out before the first picture."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._first: tuple[float, int] | None = None

    def show(self, done: int) -> bool:
        """Say how many pictures are done; returns whether there are more than before."""
        if done == self._done:
            return False
        now, self._done = time.monotonic(), done
        if self._first is None:
            self._first = now, done
        rate = (done - self._first[1]) / max(now - self._first[0], POLL_S)
        text = f"\r{done} of {self._total} pictures, {rate:.1f}/s "
        print(text, end="", file=sys.stderr, flush=True)
        return True


def work(options: ActOptions, towns: Sequence[str], counter: Any, pulse: Pulse) -> int:
    """A worker: answers the units of some towns, on a fresh server for each town."""

    def beat() -> None:
        pulse.beat()
        with counter.get_lock():
            counter.value += 1

    try:
        found, asked = read_poses(options.poses), options.asked()
        for town in towns:
            units = [item for item in _units(options, [town]) if not _is_done(item, options)]
            if units:
                poses = found.by_town(options.count)[town]
                with town_session(town, found.facts) as session:
                    for unit in units:
                        one = asked.reference() if unit.is_reference else asked
                        rows = answers(session, poses, unit.weather, one, beat)
                        _write_unit(rows, unit.path(options.out))
    except SimulatorError as err:
        print(f"\n{err}", file=sys.stderr)
        return EXIT_SIMULATOR
    except (AgentError, FusionDriveError, OSError) as err:
        print(f"\nerror: {err}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def _is_done(unit: Unit, options: ActOptions) -> bool:
    return unit.path(options.out).is_file()


def _write_unit(rows: Sequence[dict[str, Any]], path: Path) -> None:
    with whole_file(path) as draft:
        pd.DataFrame(list(rows)).to_parquet(draft, index=False, compression="zstd")
