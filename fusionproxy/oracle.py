"""The training task of the `oracle` student: the clear-day rendering of the same pose.

It is an upper bound: no real camera has such a target.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusionproxy.data import data_hash, known_looks, open_split, read_about
from fusionproxy.errors import FusionError, missing_extra

try:
    from fusionproxy.clear_target import Batch, ClearTask, to_tensors
except ModuleNotFoundError as err:
    raise missing_extra(err) from err


@dataclass(frozen=True)
class OracleConfig:
    """Settings of the oracle's loss and crops."""

    crop_height: int = 128
    crop_width: int = 192
    ssim_weight: float = 0.3
    gradient_weight: float = 0.5


class OracleTask(ClearTask):
    """Batches of captured pairs and the distance to their clear-day pictures."""

    label = "oracle"

    def __init__(self, folder: Path, config: OracleConfig, batch: int) -> None:
        self.folder, self.config, self.batch = folder, config, batch
        self.training, validation = open_split(folder)
        super().__init__(config, validation)

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of random crops, half of them mirrored."""
        thermal, degraded, clear = [], [], []
        crop = (self.config.crop_height, self.config.crop_width)
        for index in rng.integers(len(self.training), size=self.batch):
            low, heat, high = self.training.sample(int(index))
            if heat.shape[0] < crop[0] or heat.shape[1] < crop[1]:
                raise FusionError(f"captured images are {heat.shape}, smaller than the crop {crop}")
            y = int(rng.integers(heat.shape[0] - crop[0] + 1))
            x = int(rng.integers(heat.shape[1] - crop[1] + 1))
            step = -1 if rng.random() < 0.5 else 1
            window = (slice(y, y + crop[0]), slice(x, x + crop[1]))
            thermal.append(heat[window][:, ::step])
            degraded.append(low[window][:, ::step])
            clear.append(high[window][:, ::step])
        return to_tensors(np.stack(thermal), np.stack(degraded), np.stack(clear))

    def facts(self) -> Mapping[str, str]:
        """Facts about the data that the weights record: hash and looks."""
        about = read_about(self.folder) or {}
        found = {
            name: known_looks([about], key)
            for name, key in (("looks", "look"), ("thermal_looks", "thermal_look"))
        }
        texts = {name: json.dumps(looks) for name, looks in found.items()}
        return {"data_hash": data_hash(self.folder), **texts}
