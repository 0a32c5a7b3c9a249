"""The training task of the `oracle` student: the clear-day rendering of the same pose.

It is an upper bound: no real camera has such a target.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusionproxy.data import Pairs, data_hash, open_split, read_about
from fusionproxy.errors import FusionError, missing_extra

try:
    import torch
    from torch import Tensor, nn

    from fusionproxy import metrics
    from fusionproxy.student import luma_of
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

U8 = NDArray[np.uint8]
Batch = dict[str, Tensor]  # infrared (B,1,h,w), visible and clear (B,3,h,w), in [0, 1]


@dataclass(frozen=True)
class OracleConfig:
    """Settings of the oracle's loss and crops."""

    crop_height: int = 128
    crop_width: int = 192
    ssim_weight: float = 0.3
    gradient_weight: float = 0.5


class OracleTask:
    """Batches of captured pairs and the distance to their clear-day pictures."""

    label = "oracle"

    def __init__(self, folder: Path, config: OracleConfig, batch: int) -> None:
        self.folder, self.config, self.batch = folder, config, batch
        self.training, self.validation = open_split(folder)
        self.modules: nn.Module | None = None  # nothing of its own to train

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

    def loss(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Compute the distance to the clear picture; `total` is the weighted sum of its terms.

        The terms are L1 on colours, L1 on image gradients, and 1 - SSIM of the luma.
        """
        clear = batch["clear"]
        dx = (fused.diff(dim=3) - clear.diff(dim=3)).abs().mean()
        dy = (fused.diff(dim=2) - clear.diff(dim=2)).abs().mean()
        structure = 1.0 - metrics.block_ssim(luma_of(fused), luma_of(clear)).mean()
        pixel = (fused - clear).abs().mean()
        weighted = self.config.gradient_weight * (dx + dy) + self.config.ssim_weight * structure
        return {"total": pixel + weighted, "pixel": pixel, "structure": structure}

    def validate(self, student: nn.Module, most: int) -> dict[str, dict[str, float]]:
        """Measure the distances on held-out sequences, by weather; see `validate` below."""
        return validate(student, self.validation, most)

    @torch.no_grad()
    def samples(self, student: nn.Module, rows: int = 6) -> U8:
        """RGB picture with a row for each sample: degraded, thermal, fused, clear."""
        lines = []
        for index in np.linspace(0, len(self.validation) - 1, rows).astype(int):
            low, heat, high = self.validation.sample(int(index))
            batch = to_tensors(heat[None], low[None], high[None])
            fused = student(batch["infrared"], batch["visible"])[0]
            image = (fused.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
            lines.append(
                np.hstack([low, np.repeat(np.asarray(heat)[:, :, None], 3, 2), image, high])
            )
        return np.asarray(np.vstack(lines), dtype=np.uint8)

    def facts(self) -> Mapping[str, str]:
        """Facts about the data that the weights record: hash and looks."""
        about = read_about(self.folder) or {}
        found = {
            name: [] if about.get(key) is None else [int(about[key])]
            for name, key in (("looks", "look"), ("thermal_looks", "thermal_look"))
        }
        texts = {name: json.dumps(looks) for name, looks in found.items()}
        return {"data_hash": data_hash(self.folder), **texts}


def to_tensors(thermal: U8, degraded: U8, clear: U8) -> Batch:
    """Convert bytes (B, H, W[, 3]) to planes in [0, 1], (B, 1 or 3, H, W)."""
    low, high = (
        torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32) / 255)
        for x in (degraded, clear)
    )
    heat = torch.from_numpy(thermal[:, None].astype(np.float32) / 255)
    return {"infrared": heat, "visible": low, "clear": high}


@torch.no_grad()
def validate(student: nn.Module, pairs: Pairs, most: int = 80) -> dict[str, dict[str, float]]:
    """Mean L1, PSNR (dB) and SSIM to the clear picture, by weather.

    They are measured for the student, for its visible input and for average fusion.
    """
    sums: dict[str, dict[str, list[float]]] = {}
    for index in range(0, len(pairs), max(1, len(pairs) // most)):
        low, heat, high = pairs.sample(index)
        batch = to_tensors(heat[None], low[None], high[None])
        thermal, degraded, clear = batch["infrared"], batch["visible"], batch["clear"]
        images = {
            "student": student(thermal, degraded),
            "input": degraded,
            "average": (degraded + 0.5 * (thermal - luma_of(degraded))).clamp(0, 1),
        }
        entry = sums.setdefault(pairs.weathers[index], {})
        for name, image in images.items():
            for metric in (metrics.l1, metrics.psnr, metrics.ssim):
                key = f"{name}_{metric.__name__}"
                entry.setdefault(key, []).append(float(metric(image, clear)))
    return {
        weather: {"n": float(len(next(iter(entry.values())))), **_means(entry)}
        for weather, entry in sorted(sums.items())
    }


def _means(entry: dict[str, list[float]]) -> dict[str, float]:
    return {key: round(float(np.mean(values)), 5) for key, values in entry.items()}
