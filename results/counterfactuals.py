"""What policies would do on pictures of the same poses: rows, and what is measured of them.

A row is a policy's answer to one arm's picture of one pose in one weather, with its answer to the
clear-day picture of the same pose beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusiondrive.arms import RGB
from fusiondrive.errors import ConfigError
from fusiondrive.files import whole_file
from fusiondrive.parquet import read_frame, write_frame
from results.stats import Interval, PairedDifference, paired_bootstrap, paired_points

F64 = NDArray[np.float64]

BRAKES = 0.045  # of a pedal: coiltraine takes a weaker brake than 0.05 for none
SOMEBODY = ("lead", "crossing", "walker")  # causes that have a distance and may be hit
BINS_M = ((0.0, 5.0), (5.0, 10.0), (10.0, 20.0), (20.0, 30.0), (30.0, 80.0))  # from the bumper
CLUSTERS = ("drive", "town")  # what intervals resample
TYPES: dict[str, str] = {
    **{"pose": "string", "town": "string", "drive": "string", "level": "string"},
    **{"range_m": "Float64", "arm": "string", "arm_weights": "string", "policy": "string"},
    **{"policy_weights": "string", "steer": "float64", "throttle": "float64", "brake": "float64"},
    **{"clear_steer": "float64", "clear_throttle": "float64", "clear_brake": "float64"},
    **{"expert_steer": "float64", "expert_throttle": "float64", "expert_brake": "float64"},
    **{"speed_mps": "float64", "cause": "string", "gap_m": "Float64", "hazard": "string"},
    **{"look": "Int64", "thermal": "string", "thermal_look": "Int64", "pose_set": "string"},
    "commit": "string",
}


class Setting(NamedTuple):
    """What arms are compared in."""

    level: str
    policy: str
    policy_weights: str


class Share(NamedTuple):
    """How often something held."""

    share: float | None  # 0 to 1; None where n is 0
    n: int


class Measured(NamedTuple):
    """What is said of an arm in a setting; intervals are over clusters, at 95 %."""

    setting: Setting
    arm: str
    poses: int
    steer: float  # mean difference of the steering from its own by clear day
    steer_interval: Interval
    steer_gain: PairedDifference | None  # against rgb, negative is better; None for rgb itself
    pedal: float  # the same of throttle less brake
    pedal_interval: Interval
    pedal_gain: PairedDifference | None
    came: Share  # of needed brakings
    came_gain: PairedDifference | None  # points against rgb, positive is better
    false: Share  # brakings where neither clear-day answer nor expert brakes
    met: Share  # of the expert's brakings, by the policy's clear-day answer


def write_rows(frame: pd.DataFrame, path: Path, types: Mapping[str, str] = TYPES) -> None:
    """Write rows whole or not at all, with one type a column.

    Args:
        frame: rows, maybe with further columns, which are left out.
        path: the file.
        types: pandas' type of each column.

    Raises:
        OutputError: the file cannot be written.
    """
    with whole_file(path) as draft:
        write_frame(frame[list(types)].astype(types), draft, compression="ZSTD")


def read_rows(path: Path, types: Mapping[str, str] = TYPES, step: str = "act") -> pd.DataFrame:
    """Read rows; a folder stands for the `rows.parquet` in it.

    Args:
        path: the file or folder.
        types: pandas' type of each column that has to be there.
        step: of `harness.perception` that makes such rows, for errors.

    Raises:
        ConfigError: there are none, or they are of something else.
    """
    file = path / "rows.parquet" if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(f"{file}: no such file; expected rows of harness.perception {step}")
    try:
        frame = read_frame(file)
    except Exception as err:  # the reader raises whatever the bytes lead it to
        raise ConfigError(f"{file}: not readable as parquet: {type(err).__name__}: {err}") from err
    missing = sorted(set(types) - set(frame.columns))
    if missing:
        raise ConfigError(
            f"{file}: expected rows of harness.perception {step}, found no column '{missing[0]}'"
        )
    return frame.astype(dict(types))


def settings_of(frame: pd.DataFrame) -> Iterator[tuple[Setting, pd.DataFrame]]:
    """The rows of each setting, in the order of their first row."""
    names = list(Setting._fields)
    for key, part in frame.groupby(names, sort=False):
        yield Setting(*map(str, key)), part


def steer_errors(part: pd.DataFrame) -> F64:
    """Difference of the steering from the policy's own by clear day, 0 to 2."""
    return np.asarray((part["steer"] - part["clear_steer"]).abs(), dtype=np.float64)


def pedal_errors(part: pd.DataFrame) -> F64:
    """The same of throttle less brake, 0 to 2."""
    seen = part["throttle"] - part["brake"]
    clear = part["clear_throttle"] - part["clear_brake"]
    return np.asarray((seen - clear).abs(), dtype=np.float64)


def is_needed(part: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether both the expert and the policy by clear day brake."""
    return _brakes(part, "clear_brake") & _brakes(part, "expert_brake")


def in_bin(part: pd.DataFrame, low_m: float, high_m: float) -> NDArray[np.bool_]:
    """Whether somebody to brake for is so far from the bumper."""
    gap = part["gap_m"].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(part["cause"].isin(SOMEBODY)) & (gap >= low_m) & (gap < high_m)


def came(part: pd.DataFrame) -> Share:
    """Share of needed brakings that come; of one arm in one setting."""
    return _share(_brakes(part, "brake"), is_needed(part))


def came_by_distance(part: pd.DataFrame) -> list[Share]:
    """Share of needed brakings that come, for each of `BINS_M`; of one arm in one setting."""
    needed, brakes = is_needed(part), _brakes(part, "brake")
    return [_share(brakes, needed & in_bin(part, *bounds)) for bounds in BINS_M]


def measure(frame: pd.DataFrame, cluster: str = "drive") -> list[Measured]:
    """Measure every arm of every setting.

    Args:
        frame: rows.
        cluster: `drive` or `town`: what the intervals resample.

    Raises:
        ConfigError: a setting has no arm `rgb`, or an arm lacks poses that rgb has.
    """
    found = []
    for setting, part in settings_of(frame):
        arms = on_same_poses(part, setting.level)
        found += [_measured(setting, name, rows, arms[RGB], cluster) for name, rows in arms.items()]
    return found


def on_same_poses(part: pd.DataFrame, level: str) -> dict[str, pd.DataFrame]:
    """The rows of each arm of a setting, by pose, in the order of those of `rgb`.

    Raises:
        ConfigError: there is no arm `rgb`, or an arm lacks poses that rgb has.
    """
    arms = {str(name): rows.set_index("pose") for name, rows in part.groupby("arm", sort=False)}
    if RGB not in arms:
        raise ConfigError(f"{level}: expected rows of the arm '{RGB}', found none")
    index = arms[RGB].index
    for name, rows in arms.items():
        if set(rows.index) != set(index):
            raise ConfigError(
                f"{level}: arm '{name}' has {len(rows)} poses, '{RGB}' {len(index)}: not the same"
            )
    return {name: rows.loc[index] for name, rows in arms.items()}


def _measured(
    setting: Setting, name: str, rows: pd.DataFrame, base: pd.DataFrame, cluster: str
) -> Measured:
    clusters = list(rows[cluster])
    needed = is_needed(rows)
    calm = ~_brakes(rows, "clear_brake") & ~_brakes(rows, "expert_brake")
    brakes, came_gain = _brakes(rows, "brake"), None
    if name != RGB and needed.any():
        before = _brakes(base, "brake")[needed]
        own = [item for item, is_one in zip(clusters, needed, strict=True) if is_one]
        came_gain = paired_points(list(before), list(brakes[needed]), own)
    numbers = []
    for errors in (steer_errors, pedal_errors):
        values = errors(rows)
        alone = paired_bootstrap(list(np.zeros(len(values))), list(values), clusters)
        gain = None
        if name != RGB:
            gain = paired_bootstrap(list(errors(base)), list(values), clusters)
        numbers.append((alone.mean, alone.interval, gain))
    return Measured(
        setting,
        name,
        len(rows),
        *numbers[0],
        *numbers[1],
        came=_share(brakes, needed),
        came_gain=came_gain,
        false=_share(brakes, calm),
        met=_share(_brakes(rows, "clear_brake"), _brakes(rows, "expert_brake")),
    )


def _brakes(part: pd.DataFrame, column: str) -> NDArray[np.bool_]:
    return np.asarray(part[column] >= BRAKES, dtype=np.bool_)


def _share(holds: NDArray[np.bool_], among: NDArray[np.bool_]) -> Share:
    n = int(among.sum())
    return Share(float(holds[among].mean()) if n else None, n)
