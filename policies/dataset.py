"""Recorded drives on disk: one image array and one measurement table per episode.

`episode_00012.npy` holds the policy's view, (N, 88, 200, 3) uint8, memory-mapped in training;
`episode_00012.parquet` the measurements of the same N frames. The table is written last, so an
episode without one does not exist. `card.json` describes the set.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.types import Command
from policies.cilrs import BRANCHES

COLUMNS: dict[str, str] = {
    "frame": "int64",
    "speed_mps": "float32",
    "command": "int8",  # harness.types.Command
    "steer": "float32",  # the expert's, also where noise drove
    "throttle": "float32",
    "brake": "float32",
    "noise_steer": "float32",  # added to the expert's steering
    "hazard": "str",  # why the expert was slow, or empty
}
CARD = "card.json"


@dataclass(frozen=True)
class Episode:
    """One recorded drive."""

    key: int
    images: NDArray[np.uint8]  # (N, 88, 200, 3), memory-mapped
    table: pd.DataFrame  # (N,) rows, COLUMNS plus town, route, weather, traffic


def save_episode(folder: Path, key: int, images: NDArray[np.uint8], table: pd.DataFrame) -> None:
    """Write images, then the table that makes them count."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"episode_{key:05d}"
    draft = folder / f"{stem}.npy.part"
    with draft.open("wb") as file:
        np.save(file, images)
    draft.replace(folder / f"{stem}.npy")
    draft = folder / f"{stem}.parquet.part"
    table.to_parquet(draft, index=False)
    draft.replace(folder / f"{stem}.parquet")


def recorded_frames(folder: Path) -> dict[int, int]:
    """Frames per finished episode."""
    return {
        int(path.stem.split("_")[1]): len(pd.read_parquet(path, columns=["frame"]))
        for path in sorted(folder.glob("episode_*.parquet"))
    }


def load_episodes(folder: Path) -> list[Episode]:
    """Open every finished episode.

    Raises:
        ConfigError: none is there, or images and table of one differ in length.
    """
    episodes: list[Episode] = []
    for key in recorded_frames(folder):
        stem = folder / f"episode_{key:05d}"
        images = np.load(stem.with_suffix(".npy"), mmap_mode="r")
        table = pd.read_parquet(stem.with_suffix(".parquet"))
        if len(images) != len(table):
            raise ConfigError(f"{stem}: {len(images)} images but {len(table)} measurements")
        if len(table):
            episodes.append(Episode(key, images, table))
    if not episodes:
        raise ConfigError(f"{folder}: no recorded episodes; make some: python -m policies.collect")
    return episodes


def dataset_hash(folder: Path) -> str:
    """SHA-256 (first 12 hex digits) over the measurements and the images' first frames."""
    digest = hashlib.sha256()
    for key in recorded_frames(folder):
        stem = folder / f"episode_{key:05d}"
        table = pd.read_parquet(stem.with_suffix(".parquet"))
        digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
        images = np.load(stem.with_suffix(".npy"), mmap_mode="r")
        digest.update(images[:1].tobytes())
    return digest.hexdigest()[:12]


def write_card(folder: Path, facts: dict[str, object]) -> None:
    """Describe the data set: how it was made and what is in it."""
    frames = recorded_frames(folder)
    card = {
        **facts,
        "episodes": len(frames),
        "frames": sum(frames.values()),
        "hash": dataset_hash(folder),
    }
    draft = folder / f"{CARD}.part"
    draft.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    draft.replace(folder / CARD)


@dataclass(frozen=True)
class Frames:
    """All frames of some episodes as flat arrays, for drawing batches."""

    episodes: list[Episode]
    owner: NDArray[np.int64]  # (F,) position in `episodes`
    row: NDArray[np.int64]  # (F,)
    speeds: NDArray[np.float32]  # (F,) m/s
    branch: NDArray[np.int64]  # (F,)
    actions: NDArray[np.float32]  # (F, 3) steer, throttle, brake

    def __len__(self) -> int:
        return len(self.owner)

    def images(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copy frames; (B,) to (B, 88, 200, 3)."""
        return np.stack([self.episodes[self.owner[i]].images[self.row[i]] for i in index])


def flatten(episodes: list[Episode]) -> Frames:
    """Join the tables of episodes."""
    sizes = [len(episode.table) for episode in episodes]
    table = pd.concat([episode.table for episode in episodes], ignore_index=True)
    branch_of = {int(command): branch for command, branch in BRANCHES.items()}
    return Frames(
        episodes=episodes,
        owner=np.repeat(np.arange(len(episodes)), sizes),
        row=np.concatenate([np.arange(size) for size in sizes]),
        speeds=table["speed_mps"].to_numpy(np.float32),
        branch=np.array([branch_of[int(c)] for c in table["command"]], dtype=np.int64),
        actions=table[["steer", "throttle", "brake"]].to_numpy(np.float32),
    )


def sampling_weights(frames: Frames) -> NDArray[np.float64]:
    """Probability of each frame: commands equally often, rare steering and standing balanced.

    Within a command the frames are split into standing still, and moving by steering magnitude
    (below 0.03, below 0.12, above); each group counts by the root of its size, standing frames by
    a quarter of that: a policy that is fed mostly standing frames learns to stay (inertia).
    """
    steer = np.abs(frames.actions[:, 0])
    standing = (frames.speeds < 0.3) & (frames.actions[:, 2] > 0.0)
    group = np.where(standing, 3, np.digitize(steer, (0.03, 0.12)))
    weights = np.zeros(len(frames))
    for branch in range(len(Command)):
        mine = frames.branch == branch
        for kind in range(4):
            chosen = mine & (group == kind)
            if chosen.any():
                share = 0.25 if kind == 3 else 1.0
                weights[chosen] = share / np.sqrt(chosen.sum())
        if mine.any():
            weights[mine] /= weights[mine].sum()
    return np.asarray(weights / weights.sum())
