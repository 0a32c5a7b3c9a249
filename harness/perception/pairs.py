"""Draw poses as pairs for students and teachers: a weather and the clear day of the same pose.

Ten times as many a second as `harness.capture`, which drives between them, and each pose is seen
in every weather. The set is of the same format: `fusionproxy.train --data` and `--clear` read it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError
from fusiondrive.files import check_folder
from fusiondrive.types import Image
from fusionproxy.data import Shard, adopt, read_about, read_index, write_shard
from harness.perception.crew import Beat, guarded, work_off
from harness.perception.draw import CAMERAS
from harness.perception.drawing import Artist, still_settings, town_session
from harness.perception.pose_options import check_levels
from harness.perception.poses import FrozenPose, PoseSet, read_poses
from harness.perception.stage import cast_of
from harness.session import Session
from harness.supervision import Pulse
from scenarios.suite import route_set
from scenarios.weather import preset, weather_name
from sensors.thermal_settings import THERMAL_LOOK, thermal_text

PARTS = ".parts"  # folder of the sets of single towns, until all are there
LEVELS = (
    *("fog:100", "fog", "fog:40", "fog:25", "night", "night:headlights", "night:glare"),
    *("night+fog:60", "night+fog:40"),
)


@dataclass(frozen=True, kw_only=True)
class PairsOptions:
    """Options of `pairs`."""

    poses: Annotated[Path, Flag("a pose set of training towns, see `record --towns`", "FILE")]
    out: Annotated[Path, Flag("folder of the data set", "DIR")]
    level: Annotated[tuple[str, ...], Flag("weathers that every pose is seen in", "NAME")] = LEVELS
    thermal: Annotated[
        tuple[str, ...],
        Flag(
            "settings of the thermal camera, which take turns from pose to pose", read=thermal_text
        ),
    ] = ("fog_ratio=0.5",)
    camera: Annotated[
        tuple[str, ...], Flag("that every pose is seen by", choices=tuple(CAMERAS))
    ] = ("driving",)
    town: Annotated[tuple[str, ...], Flag("whose poses to take; default: all of the set")] = ()
    count: Annotated[int | None, Flag("poses to take of these, evenly over them", at_least=1)] = (
        None
    )
    workers: Annotated[int, Flag("server and client pairs", at_least=1)] = 1

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: a name or value is unknown.
        """
        check_values(self)
        check_levels(self.level)
        for text in self.thermal:
            still_settings(text)


class _Series(NamedTuple):
    """Pictures that become one shard."""

    level: str
    camera: str
    turn: int  # which of the thermal settings

    def poses(self, of_town: Sequence[FrozenPose], turns: int) -> list[FrozenPose]:
        """Those of a town that have this turn; not in step with the levels."""
        shift = LEVELS.index(self.level) if self.level in LEVELS else 0
        return list(of_town[(self.turn + shift) % turns :: turns])


def run(options: PairsOptions, words: list[str]) -> str:
    """Draw the pairs of a set; towns that are there stay.

    Args:
        options: of the command.
        words: not looked at.

    Raises:
        ConfigError: the folder has pairs of other settings, or the set is of validation towns.
    """
    check_folder(options.out, flag="--out")
    found = _chosen(options)
    _check_towns(options, found)
    about = _about(options, found)
    before = read_about(options.out)
    if before is not None and before != about:
        raise ConfigError(f"{options.out} has pairs of other settings: {before}; now {about}")
    towns = found.by_town(options.count)
    here = {shard.sequence for shard in read_index(options.out)}
    missing = [town for town in towns if _place(town) not in here]
    each = len(options.level) * len(options.camera)
    work_off(
        work, options, missing, options.workers, each * sum(len(towns[town]) for town in missing)
    )
    adopt([_part(options.out, town) for town in missing], options.out)
    shutil.rmtree(options.out / PARTS, ignore_errors=True)
    pairs = sum(shard.count for shard in read_index(options.out))
    return f"{options.out}: {pairs} pairs of {len(towns)} towns"


def work(options: PairsOptions, towns: Sequence[str], counter: Any, pulse: Pulse) -> int:
    """A worker: draws some towns, on a fresh server for each."""
    return guarded(lambda beat: _draw(options, towns, beat), counter, pulse)


def _draw(options: PairsOptions, towns: Sequence[str], beat: Beat) -> None:
    found = _chosen(options)
    for town in towns:
        poses, folder = found.by_town(options.count)[town], _part(options.out, town)
        expected = [one for one in _all_series(options) if one.poses(poses, len(options.thermal))]
        if len(read_index(folder)) == len(expected):
            continue
        with town_session(town, found.facts) as session:
            for camera in options.camera:
                _town(session, camera, options, found, poses, beat)


def _town(
    session: Session,
    camera: str,
    options: PairsOptions,
    found: PoseSet,
    poses: Sequence[FrozenPose],
    beat: Beat,
) -> None:
    """Draw a town through a camera: the clear day first, then every weather."""
    town, spec = poses[0].town, CAMERAS[camera]
    folder, turns = _part(options.out, town), len(options.thermal)
    about = _about(options, found)
    clear = _clear(session, camera, poses, options.level)
    for series in _all_series(options):
        chosen = series.poses(poses, turns)
        if series.camera != camera or not chosen:
            continue
        settings = still_settings(options.thermal[series.turn])
        has_car = preset(series.level).has_oncoming_car
        parts: dict[str, list[Image]] = {"degraded": [], "thermal": [], "clear": []}
        with Artist(session, series.level, spec, settings) as artist:
            for pose in chosen:
                picture = artist.draw(pose)
                parts["degraded"].append(picture.frame.rgb)
                parts["thermal"].append(picture.thermal)
                parts["clear"].append(clear[pose.key, has_car])
                beat()
        level = weather_name(series.level).replace(":", "-")
        name = f"{_place(town)}_{camera}_{level}_{series.turn}"
        shard = Shard(name, _place(town), weather_name(series.level), len(chosen))
        write_shard(folder, shard, {key: np.stack(item) for key, item in parts.items()}, about)


def _clear(
    session: Session, camera: str, poses: Sequence[FrozenPose], levels: Sequence[str]
) -> Mapping[tuple[str, bool], Image]:
    """Clear-day pictures by pose; with the oncoming car where one of the levels has it, too."""
    glaring = next((name for name in levels if preset(name).has_oncoming_car), None)
    found: dict[tuple[str, bool], Image] = {}
    plain = still_settings("fog_ratio=0.5")
    with Artist(session, "clear", CAMERAS[camera], plain, with_thermal=False) as artist:
        for pose in poses:
            found[pose.key, False] = artist.draw(pose).frame.rgb
            if glaring is not None:
                with_car = replace(pose, actors=cast_of(pose, preset(glaring)))
                found[pose.key, True] = artist.draw(with_car).frame.rgb
    return found


def _chosen(options: PairsOptions) -> PoseSet:
    found = read_poses(options.poses)
    return found.of_towns(options.town) if options.town else found


def _check_towns(options: PairsOptions, found: PoseSet) -> None:
    """Refuse what students are judged by.

    Raises:
        ConfigError: in one line.
    """
    judged = [town for town in found.by_town() if town in route_set("validation").towns]
    if judged:
        raise ConfigError(
            f"{options.poses}: {', '.join(judged)} are towns of validation, by whose poses "
            "students are judged; record others, such as `record --towns random:401 random:402`"
        )


def _all_series(options: PairsOptions) -> Iterator[_Series]:
    for camera in options.camera:
        for level in options.level:
            for turn in range(len(options.thermal)):
                yield _Series(level, camera, turn)


def _about(options: PairsOptions, found: PoseSet) -> dict[str, Any]:
    """What decides the pictures; kept in the index, without paths of this machine."""
    return {
        "pose_set": found.digest,
        "weathers": list(options.level),
        "thermal": list(options.thermal),
        "cameras": list(options.camera),
        "towns": list(options.town) or "all",
        "count": options.count,
        "look": found.facts.look,
        "thermal_look": THERMAL_LOOK,
        "map": "authored",
    }


def _part(out: Path, town: str) -> Path:
    """Where a town's pairs wait for those of the others."""
    return out / PARTS / _place(town)


def _place(town: str) -> str:
    """A town in the name of a file."""
    return town.replace(":", "_")
