"""Ask frozen policies what they would do on every arm's picture of the same poses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from fusiondrive.errors import ConfigError
from fusiondrive.files import check_folder, whole_file
from fusiondrive.provenance import source_commit
from harness.perception.act_options import ActOptions
from harness.perception.acting import ReadyArm, check_looks
from harness.perception.asking import work
from harness.perception.crew import work_off
from harness.perception.poses import FrozenPose, PoseSet, read_poses
from harness.perception.tables import write_tables
from harness.perception.unit import Asked, check_swaps, units_of
from results.counterfactuals import write_rows
from scenarios.weather import preset, weather_name
from sensors.thermal_settings import THERMAL_LOOK


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
    commit, units = source_commit(), units_of(list(towns), options.level)
    total = sum(len(towns[unit.town]) for unit in units if not unit.path(options.out).is_file())
    work_off(work, options, list(towns), options.workers, total)
    frame = collect(options, found, asked.arms, commit)
    write_rows(frame, options.out / "rows.parquet")
    write_tables(frame, options.out, options.cluster)
    return ""


def collect(
    options: ActOptions, found: PoseSet, arms: Sequence[ReadyArm], commit: str
) -> pd.DataFrame:
    """All rows of a run's units, each with its clear-day answer and what is known of its pose."""
    towns = found.by_town(options.count)
    about = pd.DataFrame([_about(pose) for poses in towns.values() for pose in poses])
    units = units_of(list(towns), options.level)
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
