"""Recorded drives on disk: one Parquet file per episode, images among the measurements.

`episode_00012.parquet` has a row for each frame: the policy's view as a JPEG (88 x 200, quality
95, colour at full resolution; 8 KB) and what was measured and wanted. A file appears when its
episode is complete. `card.json` describes the set.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import fastparquet
import numpy as np
import pandas as pd
from fastparquet import ParquetFile
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError
from fusiondrive.files import whole_file
from fusiondrive.provenance import bytes_hash
from fusiondrive.types import Command
from policies.cilrs import BRANCHES
from policies.corridor import HazardKind
from policies.expert import PATH_M

COLUMNS: dict[str, str] = {
    "frame": "int64",
    "speed_mps": "float32",
    "command": "int8",  # fusiondrive.types.Command
    "steer": "float32",  # the expert's, also where noise drove
    "throttle": "float32",
    "brake": "float32",
    "wanted_mps": "float32",  # the speed that the expert was after
    "free_mps": "float32",  # the same if there were no traffic lights
    "noise_steer": "float32",  # what was steered, less the expert's steering
    "hazard": "str",  # why the expert was slow, or empty
}
IMAGE = "jpeg"
CARD = "card.json"
CAMERA_YAW = "camera_yaw_deg"  # optional column: how far the camera was turned, right positive
PATH = tuple(  # optional columns: the route ahead in the car's frame, m
    f"path_{ahead_m:02.0f}_{axis}" for ahead_m in PATH_M for axis in ("forward", "right")
)
IN_THE_WAY = [kind.value for kind in (HazardKind.LEAD, HazardKind.CROSSING, HazardKind.WALKER)]
STEP_S = 0.1  # of a drive
LOOK = "look"  # optional column: version of the look that the images have


@dataclass(frozen=True)
class Episode:
    """One recorded drive."""

    key: int
    jpegs: list[bytes]  # N images, 88 x 200
    table: pd.DataFrame  # (N,) rows, COLUMNS plus town, route, weather, traffic


def save_episode(
    folder: Path, key: int, images: list[NDArray[np.uint8]], table: pd.DataFrame
) -> None:
    """Write an episode; it exists when this returns, or not at all.

    Args:
        folder: the data set; made if it is not there.
        key: number of the episode.
        images: N views, each (88, 200, 3) RGB.
        table: N rows.
    """
    path = folder / f"episode_{key:05d}.parquet"
    whole = table.assign(**{IMAGE: [to_jpeg(image) for image in images]})
    texts = {name: "utf8" for name in whole.select_dtypes(exclude="number") if name != IMAGE}
    encoding = {IMAGE: "bytes", **texts}
    with whole_file(path) as draft:
        fastparquet.write(str(draft), whole, object_encoding=encoding, write_index=False)


def to_jpeg(image: NDArray[np.uint8]) -> bytes:
    """Encode an RGB image at quality 95."""
    sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    fine = cv2.imencode(".jpg", image[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 95, *sampling))[1]
    return bytes(fine.tobytes())


def from_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Decode to RGB."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def recorded_frames(folder: Path, known: Mapping[int, int] | None = None) -> dict[int, int]:
    """Frames per finished episode; files of the episodes in `known` are not opened again."""
    counts = dict(known or {})
    for path in sorted(folder.glob("episode_*.parquet")):
        key = int(path.stem.split("_")[1])
        if key not in counts:
            counts[key] = ParquetFile(path).count()
    return counts


def load_episodes(folder: Path) -> list[Episode]:
    """Read every finished episode; images stay encoded.

    Raises:
        ConfigError: none is there, or they lack a column.
    """
    episodes: list[Episode] = []
    for path in sorted(folder.glob("episode_*.parquet")):
        table = ParquetFile(path).to_pandas()
        missing = [name for name in (*COLUMNS, IMAGE) if name not in table]
        if missing:
            raise ConfigError(
                f"{path}: no column {', '.join(missing)}; recorded by another version: record anew"
            )
        if len(table):
            jpegs = table.pop(IMAGE).tolist()
            episodes.append(Episode(int(path.stem.split("_")[1]), jpegs, table))
    if not episodes:
        raise ConfigError(
            f"{folder}: no recorded episodes; make some: python -m policies.training.collect"
        )
    return episodes


def dataset_hash(folder: Path) -> str:
    """SHA-256 (first 12 hex digits) over the measurements and images of all episodes."""
    return bytes_hash(_content(folder))


def _content(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("episode_*.parquet")):
        table = ParquetFile(path).to_pandas()
        yield from table.pop(IMAGE)
        yield pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()


def recorded_looks(folder: Path) -> list[int]:
    """Versions of the look of the images, in order; empty where it was not recorded."""
    looks: set[int] = set()
    for path in folder.glob("episode_*.parquet"):
        file = ParquetFile(path)
        if LOOK in file.columns:
            looks.update(int(look) for look in file.to_pandas([LOOK])[LOOK].unique())
    return sorted(looks)


def recorded_content(folder: Path) -> dict[str, object]:
    """What the driving camera's frames hold, for the card: hours, km, and frames of each kind.

    Frames that were thinned out where the car stood are in neither.
    """
    frames, metres = 0, 0.0
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("command", "town", "weather", "traffic", "hazard")
    }
    for path in sorted(folder.glob("episode_*.parquet")):
        table = ParquetFile(path).to_pandas()
        if CAMERA_YAW in table:
            table = table[table[CAMERA_YAW] == 0.0]
        frames += len(table)
        metres += STEP_S * float(table["speed_mps"].sum()) if len(table) else 0.0
        for name, counter in counts.items():
            if name in table:
                counter.update(value or "none" for value in table[name].tolist())
    named = {Command(int(command)).name.lower(): n for command, n in counts["command"].items()}
    kinds = {f"frames by {name}": dict(sorted(counts[name].items())) for name in counts}
    return {
        "hours": round(frames * STEP_S / 3600.0, 3),
        "km": round(metres / 1000.0, 2),
        **kinds,
        "frames by command": dict(sorted(named.items())),
    }


def write_card(folder: Path, facts: dict[str, object]) -> None:
    """Describe the data set: how it was made and what is in it."""
    frames = recorded_frames(folder)
    card = {
        **facts,
        "episodes": len(frames),
        "frames": sum(frames.values()),
        **recorded_content(folder),
        "hash": dataset_hash(folder),
        "looks": recorded_looks(folder),
    }
    with whole_file(folder / CARD) as draft:
        draft.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def read_card(folder: Path) -> dict[str, Any] | None:
    """What a set says of itself; None where its recording was cut short."""
    path = folder / CARD
    if not path.is_file():
        return None
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as err:
        raise ConfigError(f"{path}: broken JSON: {err}") from err
    return card


@dataclass(frozen=True)
class Frames:
    """All frames of some episodes as flat arrays, for drawing batches."""

    episodes: list[Episode]
    owner: NDArray[np.int64]  # (F,) position in `episodes`
    row: NDArray[np.int64]  # (F,)
    speeds: NDArray[np.float32]  # (F,) m/s
    branch: NDArray[np.int64]  # (F,)
    steer: NDArray[np.float32]  # (F,) the expert's
    wanted: NDArray[np.float32]  # (F,) m/s, the speed that the expert was after
    path: NDArray[np.float32]  # (F, len(PATH)) m, NaN where it was not recorded
    blocked: NDArray[np.bool_]  # (F,) somebody in the way is why the expert was slow
    on_foot: NDArray[np.bool_]  # (F,) and that is a person

    def __len__(self) -> int:
        return len(self.owner)

    def images(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copy frames; (B,) to (B, 88, 200, 3)."""
        return np.stack([from_jpeg(self.episodes[self.owner[i]].jpegs[self.row[i]]) for i in index])


def driving_views(episode: Episode) -> Episode:
    """Without the views to the sides: what the policy will be fed."""
    if CAMERA_YAW not in episode.table:
        return episode
    rows = np.flatnonzero(episode.table[CAMERA_YAW] == 0.0)
    table = episode.table.iloc[rows].reset_index(drop=True)
    return Episode(episode.key, [episode.jpegs[row] for row in rows], table)


def flatten(episodes: list[Episode], *, obey_lights: bool) -> Frames:
    """Join the tables of episodes; without lights, the speed wanted is that of a street without."""
    sizes = [len(episode.table) for episode in episodes]
    table = pd.concat([episode.table for episode in episodes], ignore_index=True)
    branch_of = {int(command): branch for command, branch in BRANCHES.items()}
    return Frames(
        episodes=episodes,
        owner=np.repeat(np.arange(len(episodes)), sizes),
        row=np.concatenate([np.arange(size) for size in sizes]),
        speeds=table["speed_mps"].to_numpy(np.float32),
        branch=np.array([branch_of[int(c)] for c in table["command"]], dtype=np.int64),
        steer=table["steer"].to_numpy(np.float32),
        wanted=table["wanted_mps" if obey_lights else "free_mps"].to_numpy(np.float32),
        path=table.reindex(columns=PATH).to_numpy(np.float32),
        blocked=table["hazard"].isin(IN_THE_WAY).to_numpy(np.bool_),
        on_foot=(table["hazard"] == HazardKind.WALKER.value).to_numpy(np.bool_),
    )


def sampling_weights(frames: Frames) -> NDArray[np.float64]:
    """Probability of each frame: commands equally often, rare steering and stops balanced.

    Within a command the frames are split into standing still, slowing down for a vehicle in the
    way, for a person, and other driving by steering magnitude (below 0.03, below 0.12, above). Each
    group counts by the root of its size, standing frames by a quarter of that: a policy that is fed
    mostly standing frames learns to stay (inertia).
    """
    steer = np.abs(frames.steer)
    standing = (frames.speeds < 0.3) & (frames.wanted < 0.3)
    group = np.where(standing, 3, np.digitize(steer, (0.03, 0.12)))
    slows = frames.blocked & ~standing & (frames.wanted < frames.speeds)
    group[slows] = np.where(frames.on_foot[slows], 5, 4)
    weights = np.zeros(len(frames))
    for branch in range(len(Command)):
        mine = frames.branch == branch
        for kind in range(6):
            chosen = mine & (group == kind)
            if chosen.any():
                share = 0.25 if kind == 3 else 1.0
                weights[chosen] = share / np.sqrt(chosen.sum())
        if mine.any():
            weights[mine] /= weights[mine].sum()
    return np.asarray(weights / weights.sum())
