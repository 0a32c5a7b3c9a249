"""Recorded frames as batches of tensors, and which of them are held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusiondrive.errors import ConfigError
from policies.preprocess import Preprocessing
from policies.training.config import TrainConfig
from policies.training.dataset import Frames, driving_views, flatten, load_episodes


def split(config: TrainConfig) -> tuple[Frames, Frames]:
    """Training and validation frames; a route is in one of them, never in both."""
    obey, held_out = config.lights == "obey", config.held_out
    folders = [Path(folder) for folder in config.data]
    episodes = [(f.name, episode) for f in folders for episode in load_episodes(f)]
    owners = [f"{name} {episode.table['route'].iloc[0]}" for name, episode in episodes]
    routes = sorted(set(owners))
    every = max(2, round(1.0 / held_out)) if held_out > 0 else 0
    kept_out = set(routes[every - 1 :: every]) if every else set()
    pairs = [(owner, episode) for owner, (_, episode) in zip(owners, episodes, strict=True)]
    training = [episode for owner, episode in pairs if owner not in kept_out]
    validation = [driving_views(episode) for owner, episode in pairs if owner in kept_out]
    if not training or not validation:
        raise ConfigError(f"{len(routes)} recorded routes are too few to hold some out")
    return flatten(training, obey_lights=obey), flatten(validation, obey_lights=obey)


def to_batch(images: NDArray[np.uint8]) -> Tensor:
    """uint8 (B, H, W, 3) to float (B, 3, H, W) in [0, 1], channels last in memory."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255.0)


def normalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """What `Preprocessing.to_input` does, for a batch."""
    mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1)
    std = torch.tensor(preprocessing.std).view(1, 3, 1, 1)
    return (images - mean) / std
