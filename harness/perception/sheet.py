"""The poses on which a policy errs most on an arm's picture: a contact sheet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import pandas as pd

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.files import check_file, whole_file
from fusiondrive.types import CameraSpec, Image
from harness.perception.acting import ReadyArm, ready_arms, ready_policies
from harness.perception.drawing import Artist, still_settings, town_session
from harness.perception.poses import FrozenPose, PoseSet, read_poses
from harness.recorder import FONT
from results.counterfactuals import pedal_errors, read_rows, steer_errors
from sensors.thermal_settings import ThermalSettings

TILE = (320, 240)  # width, height
BAR = 24
INK, PAPER = (235, 235, 235), 24
QUALITY = 85
STEER_WEIGHT = 2.0  # a steering error of 0.5 is as bad as braking in place of full throttle
CLEAR = "clear"


@dataclass(frozen=True, kw_only=True)
class SheetOptions:
    """Options of `sheet`."""

    rows: Annotated[Path, Flag("folder or rows.parquet of harness.perception act", "PATH")]
    out: Annotated[Path, Flag("a picture, such as sheet.jpg", "FILE")]
    policy: Annotated[str, Flag("whose errors are shown, by name or NAME=WEIGHTS")] = "cilrs"
    arms: Annotated[tuple[str, ...], Flag("default: all of the rows", "ARM")] = ()
    level: Annotated[tuple[str, ...], Flag("default: all of the rows", "NAME")] = ()
    each: Annotated[int, Flag("poses of each arm and level, of drives apart", at_least=1)] = 3
    fuser_weights: Annotated[
        Path | None, Flag("of the arm `student` or a plug-in fuser", "FILE")
    ] = None

    poses: Annotated[Path | None, Flag("a pose set; default: the shipped one", "FILE")] = None

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


class Line(NamedTuple):
    """One pose of the sheet."""

    level: str
    arm: str
    pose: FrozenPose
    text: str


def run(options: SheetOptions, words: list[str]) -> str:
    """Draw the worst poses of each arm: visible, thermal, the arm's picture, and the clear day.

    Args:
        options: of the command.
        words: not looked at.
    """
    check_file(options.out, "--out")
    found, rows = read_poses(options.poses), read_rows(options.rows)
    sets = set(rows["pose_set"])
    if sets != {found.digest}:
        raise ConfigError(
            f"{options.rows}: its rows are of pose set {', '.join(sorted(sets))}, --poses is "
            f"{found.digest}; give theirs"
        )
    policy = ready_policies((options.policy,))[0]
    own = rows[(rows["policy"] == policy.name) & (rows["policy_weights"] == policy.weights)]
    if own.empty:
        raise ConfigError(f"{options.rows}: no rows of policy '{policy.name}' ({policy.weights})")
    lines = worst(own, found, options)
    names = list(dict.fromkeys(("rgb", *(line.arm for line in lines))))
    arms = {item.arm.name: item for item in ready_arms(names, options.fuser_weights)}
    for name, ready in arms.items():
        if ready.is_swapped:
            raise ConfigError(f"arm '{name}' has no picture of its own on a sheet; leave it out")
    thermal = next((text for text in own["thermal"] if text), "")
    drawn = _drawn(lines, arms, found, policy.camera, still_settings(thermal))
    sheet = np.concatenate([_header(), *(drawn[line] for line in lines)], axis=0)
    colours = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)
    settings = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    data = cv2.imencode(options.out.suffix or ".jpg", colours, settings)[1]
    with whole_file(options.out) as draft:
        draft.write_bytes(data.tobytes())
    return f"{options.out}: {len(lines)} poses"


def worst(rows: pd.DataFrame, found: PoseSet, options: SheetOptions) -> list[Line]:
    """The poses with the greatest errors of each level and arm, one a drive.

    Raises:
        ConfigError: an arm or level is not in the rows.
    """
    for kind, names, column in (
        ("arm", options.arms, "arm"),
        ("level", options.level, "level"),
    ):
        for name in names:
            if name not in set(rows[column]):
                raise unknown_name(kind, name, sorted(set(rows[column])))
    poses = {pose.key: pose for pose in found.poses}
    lines = []
    for (level, arm), part in rows.groupby(["level", "arm"], sort=False):
        if (options.arms and arm not in options.arms) or (
            options.level and level not in options.level
        ):
            continue
        errors = pedal_errors(part) + STEER_WEIGHT * steer_errors(part)
        ordered = part.assign(error=errors).sort_values(["error", "pose"], ascending=[False, True])
        for _, row in ordered.drop_duplicates("drive").head(options.each).iterrows():
            pose = poses[str(row["pose"])]
            lines.append(Line(str(level), str(arm), pose, _said(row, pose)))
    return lines


def _said(row: pd.Series, pose: FrozenPose) -> str:
    seen, clear = (
        f"steer {row[steer]:+.2f} throttle {row[throttle]:.2f} brake {row[brake]:.2f}"
        for steer, throttle, brake in (
            ("steer", "throttle", "brake"),
            ("clear_steer", "clear_throttle", "clear_brake"),
        )
    )
    cause = "" if pose.gap_m is None else f", {pose.cause} at {pose.gap_m:.0f} m"
    place = f"{pose.key}, {3.6 * pose.forward_speed_mps:.0f} km/h{cause}"
    return f"{row['level']} {row['arm']}: {seen}; by clear day {clear}; {place}"


def _drawn(
    lines: Sequence[Line],
    arms: Mapping[str, ReadyArm],
    found: PoseSet,
    camera: CameraSpec,
    settings: ThermalSettings,
) -> dict[Line, Image]:
    """The strip of each line."""
    by_town: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_town[line.pose.town].append(line)
    tiles: dict[Line, list[Image]] = {line: [] for line in lines}
    for town, own in by_town.items():
        with town_session(town, found.facts) as session:
            for level in dict.fromkeys(line.level for line in own):
                with Artist(session, level, camera, settings) as artist:
                    for line in own:
                        if line.level == level:
                            rgb, thermal = (seen := artist.draw(line.pose)).frame.rgb, seen.thermal
                            grey = np.repeat(thermal[:, :, None], 3, axis=2)  # (H, W, 3)
                            tiles[line] += [rgb, grey, arms[line.arm].image(rgb, thermal)]
            with Artist(session, CLEAR, camera, settings, with_thermal=False) as artist:
                for line in own:
                    tiles[line].append(artist.draw(line.pose).frame.rgb)
    return {
        line: np.concatenate([_bar(line.text), np.concatenate(list(map(_small, own)), axis=1)])
        for line, own in tiles.items()
    }


def _header() -> Image:
    names = ("visible", "thermal (computed, privileged)", "the arm's picture", "clear day")
    return np.concatenate([_bar(name, TILE[0]) for name in names], axis=1)


def _bar(text: str, width: int = 4 * TILE[0]) -> Image:
    bar = np.full((BAR, width, 3), PAPER, np.uint8)
    cv2.putText(bar, text, (6, 16), FONT, 0.42, INK, 1, cv2.LINE_AA)
    return bar


def _small(picture: Image) -> Image:
    return np.asarray(cv2.resize(picture, TILE, interpolation=cv2.INTER_AREA), dtype=np.uint8)
