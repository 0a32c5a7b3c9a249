"""Asks about every arm's images of the poses of a set, and keeps the answers of each unit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fusiondrive.errors import ConfigError
from fusiondrive.files import whole_file
from fusiondrive.parquet import read_frame, write_frame
from harness.perception.asking_options import AskingOptions
from harness.perception.crew import Beat, guarded, work_off
from harness.perception.drawing import town_session
from harness.perception.poses import FrozenPose, PoseSet, read_poses
from harness.perception.unit import Asked, answers, check_swaps, units_of
from harness.supervision import Pulse
from scenarios.weather import preset, weather_name
from sensors.thermal_settings import THERMAL_LOOK


def ask(options: AskingOptions, asked: Asked, found: PoseSet) -> None:
    """Answer all units; those that are in the folder are not asked again.

    Raises:
        ConfigError: the folder has answers of other settings, or arms cannot be swapped.
        SimulatorError: workers die again and again.
    """
    towns = found.by_town(options.count)
    for poses in towns.values():
        check_swaps(poses, asked.arms)
    options.out.mkdir(parents=True, exist_ok=True)
    _hold_settings(options, found, asked)
    units = units_of(list(towns), options.level)
    total = sum(len(towns[unit.town]) for unit in units if not unit.path(options.out).is_file())
    work_off(work, options, list(towns), options.workers, total)


def work(options: AskingOptions, towns: Sequence[str], counter: Any, pulse: Pulse) -> int:
    """A worker: answers the units that are not there yet, on a fresh server for each town."""
    return guarded(lambda beat: _ask(options, towns, beat), counter, pulse)


def answered(
    options: AskingOptions, asked: Asked, found: PoseSet, commit: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All answers, each with what is known of its pose and how it was drawn.

    Returns:
        Answers to the levels, in their order; and those to the clear-day pictures.
    """
    towns = found.by_town(options.count)
    about = pd.DataFrame([_about(pose) for poses in towns.values() for pose in poses])
    units = units_of(list(towns), options.level)
    frames = {unit: read_frame(unit.path(options.out)) for unit in units}
    parts = [
        frames[unit]
        for level in options.level
        for unit in units
        if not unit.is_reference and unit.weather == level
    ]
    clear = [frame for unit, frame in frames.items() if unit.is_reference]
    thermal = {item.arm.name: options.thermal for item in asked.arms if item.needs_thermal}
    ranges = {name: preset(name).range_m for name in ("clear", *options.level)}
    ranges_m = {
        weather_name(name): None if value is None else round(value, 1)
        for name, value in ranges.items()
    }
    made = []
    for group in (parts, clear):
        frame = pd.concat(group, ignore_index=True).merge(about, on="pose", validate="many_to_one")
        frame["range_m"] = frame["level"].map(ranges_m)
        frame["look"] = found.facts.look
        frame["thermal"] = frame["arm"].map(thermal).fillna("")
        frame["thermal_look"] = frame["arm"].map(dict.fromkeys(thermal, THERMAL_LOOK))
        frame["pose_set"], frame["commit"] = found.digest, commit
        made.append(frame)
    return made[0], made[1]


def _ask(options: AskingOptions, towns: Sequence[str], beat: Beat) -> None:
    found, asked = read_poses(options.poses), options.asked()
    for town in towns:
        planned = units_of([town], options.level)
        units = [item for item in planned if not item.path(options.out).is_file()]
        if not units:
            continue
        poses = found.by_town(options.count)[town]
        with town_session(town, found.facts) as session:
            for unit in units:
                one = asked.reference() if unit.is_reference else asked
                _write(answers(session, poses, unit.weather, one, beat), unit.path(options.out))


def _write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    with whole_file(path) as draft:
        write_frame(pd.DataFrame(list(rows)), draft, compression="ZSTD")


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


def _hold_settings(options: AskingOptions, found: PoseSet, asked: Asked) -> None:
    """Keep what decides the answers beside them, and refuse to mix others among them.

    Raises:
        ConfigError: the folder has answers of other settings.
    """
    settings = {
        "pose_set": found.digest,
        "count": options.count,
        **asked.identity(),
        "thermal": options.thermal,
        "thermal_look": THERMAL_LOOK,
        "look": found.facts.look,
    }
    path = options.out / "settings.json"
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        keys = [*settings, *(key for key in before if key not in settings)]
        other = next((key for key in keys if before.get(key) != settings.get(key)), None)
        if other is not None:
            raise ConfigError(
                f"{options.out} has answers with other {other} ({before.get(other)}, now "
                f"{settings.get(other)}); give another --out"
            )
        return
    with whole_file(path) as draft:
        draft.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
