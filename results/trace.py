"""The steps of one drive, `traces/NAME.parquet` of a run: each column declared with its meaning.

`harness.trace` writes them; here they are read, with nothing but pandas.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from fusiondrive.errors import ConfigError
from fusiondrive.parquet import read_frame
from results.columns import column
from results.frame import column_types
from results.run_folder import TRACES

WALL = "wall_"  # begins the name of a column that differs between equal drives


@dataclass(frozen=True)
class TraceRow:
    """One step: the control, what became of it, and the images then seen."""

    step: int = column("number of the step; 0 is what is seen before the first control")
    time_s: float = column("simulated seconds since step 0")
    x: float = column("position of the ego's origin, m, CARLA's left-handed world frame")
    y: float = column("likewise")
    z: float = column("likewise")
    pitch: float = column("rotation of the ego, degrees")
    yaw: float = column("likewise")
    roll: float = column("likewise")
    vx: float = column("velocity of the ego, m/s, world frame")
    vy: float = column("likewise")
    vz: float = column("likewise")
    throttle: float = column("of the control that led from the step before to this one, 0 to 1")
    steer: float = column("of the same control, -1 to 1, right is positive")
    brake: float = column("of the same control, 0 to 1")
    reverse: bool = column("of the same control: whether the throttle drives backwards")
    hand_brake: bool = column("of the same control")
    command: int = column("of the route here: 1 left, 2 right, 3 straight, 4 follow the lane")
    route_m: float = column("metres along the route")
    deviation_m: float = column("metres beside the route")
    completion: float = column("share of the route, 0 to 1")
    at_red_light: bool = column("whether CARLA says that the ego is at a red light")
    lane_crossings: int = column("messages of CARLA's lane-invasion sensor in this step")
    vehicles: int = column("other vehicles in the world")
    walkers: int = column("walkers in the world")
    collisions: str = column(
        "JSON list of the contacts in this step, counted or not: frame (of the step), other_id (in "
        "order of appearance, 0 is scenery), other_type, kind, impulse (N s), x, y"
    )
    stop_lines: str = column(
        "JSON list of the stop lines within 60 m: light_id (in order of appearance), x, y, yaw, "
        "state (0 red, 1 yellow, 2 green, 3 off, 4 unknown)"
    )
    events: str = column("JSON list of the kinds of events that the criteria reported")
    box_center: str = column("JSON list: centre of the ego's bounding box in its own frame, m")
    box_extent: str = column("JSON list: half sizes of that box, m")
    identity: str = column("of the episode, as in the rows; empty outside of a run")
    forward_speed_mps: float = column("speed along the heading, m/s; negative backwards")
    perceived_mps: float | None = column(
        "speed that the policy read from the image of the step before; missing where it reads none"
    )
    hash_world: str = column(
        "of the poses and velocities of all others and of the state of the stop lines"
    )
    hash_visible: str = column("of the bytes of the camera's RGB image")
    hash_thermal: str | None = column("likewise of the thermal image, where one is made")
    hash_policy: str = column("likewise of the image that the policy is shown")
    delay_ms: float | None = column(
        "delay charged to the control that was chosen for the image of the step before; missing "
        "without --latency"
    )
    wall_step_ms: float | None = column("since the step before, all in all")
    wall_policy_ms: float | None = column("in which the policy chose the control")
    wall_tick_ms: float | None = column("in which the server simulated the step")
    wall_images_ms: float | None = column("of waiting for the images after the tick")
    wall_thermal_ms: float | None = column("in which the thermal image was made of class ids")
    wall_fusion_ms: float | None = column("in which the images were fused")
    wall_enhance_ms: float | None = column("in which the visible image was enhanced")


# A reader can do without the columns that came later: files of old have none of them.
REQUIRED = tuple(item.name for item in fields(TraceRow))[:29]


def to_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Steps with one type a column; what is missing stays missing."""
    types = column_types(TraceRow)
    return pd.DataFrame(rows, columns=list(types), dtype=object).astype(types)


def load_trace(path: Path | str, columns: Collection[str] | None = None) -> pd.DataFrame:
    """The steps of a drive with the types of `TraceRow`; files of old lack its last columns.

    Args:
        path: the file.
        columns: those that are read; None: all of them.

    Raises:
        ConfigError: there is no such file, it is cut off or broken, or it holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; expected the trace of a drive")
    try:
        frame = read_frame(path, columns)
    except Exception as err:  # the reader raises whatever the bytes lead it to
        raise ConfigError(
            f"{path}: expected the steps of a drive, found no whole parquet file "
            f"({type(err).__name__}: {err}); drive the episode again"
        ) from err
    needed = REQUIRED if columns is None else [name for name in REQUIRED if name in columns]
    missing = [name for name in needed if name not in frame]
    if missing:
        raise ConfigError(f"{path}: expected the steps of a drive, found no column '{missing[0]}'")
    types = column_types(TraceRow)
    return frame.astype({name: types[name] for name in types if name in frame})


def load_traces(run: Path | str) -> pd.DataFrame:
    """See `results.load_traces`."""
    folder = Path(run).expanduser() / TRACES
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise ConfigError(f"{folder}: expected the traces of a run, found none")
    return pd.concat([load_trace(path) for path in files], ignore_index=True)
