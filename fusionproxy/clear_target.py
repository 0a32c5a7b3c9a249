"""What students share that learn from a clear picture: batches, distance to it, checks, a sheet."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fusionproxy.errors import missing_extra

try:
    import torch
    from torch import Tensor, nn

    from fusionproxy import metrics
    from fusionproxy.student import luma_of
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

U8 = NDArray[np.uint8]
Batch = dict[str, Tensor]  # infrared (B,1,h,w), visible and clear (B,3,h,w), in [0, 1]


class ClearPairs(Protocol):
    """Pairs with the clear picture that is wanted of them."""

    weathers: list[str]  # one a pair

    def __len__(self) -> int:
        """Number of pairs."""
        ...

    def sample(self, index: int) -> tuple[U8, U8, U8]:
        """Degraded (H, W, 3), thermal (H, W), clear (H, W, 3)."""
        ...


class ClearLoss(Protocol):
    """Settings of the distance to a clear picture."""

    @property
    def ssim_weight(self) -> float:
        """Of 1 - SSIM of the luma."""

    @property
    def gradient_weight(self) -> float:
        """Of the difference of image gradients."""


class ClearTask:
    """What every training task has whose target is a clear picture."""

    modules: nn.Module | None = None  # nothing of its own to train

    def __init__(self, weights: ClearLoss, validation: ClearPairs) -> None:
        """Keep what it is judged by.

        Args:
            weights: of the terms of its loss.
            validation: held-out pairs.
        """
        self._weights, self.validation = weights, validation

    def loss(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Compute the distance to the clear picture, with its terms."""
        return distance(
            fused,
            batch["clear"],
            ssim_weight=self._weights.ssim_weight,
            gradient_weight=self._weights.gradient_weight,
        )

    def validate(self, student: nn.Module, most: int) -> dict[str, dict[str, float]]:
        """Measure the distances on held-out pairs, by weather."""
        return validate(student, self.validation, most)

    def samples(self, student: nn.Module) -> U8:
        """RGB picture with a row for each sample: degraded, infrared, fused, clear."""
        return sheet(student, self.validation)


def to_tensors(thermal: U8, degraded: U8, clear: U8) -> Batch:
    """Convert bytes (B, H, W[, 3]) to planes in [0, 1], (B, 1 or 3, H, W)."""
    low, high = (
        torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32) / 255)
        for x in (degraded, clear)
    )
    heat = torch.from_numpy(thermal[:, None].astype(np.float32) / 255)
    return {"infrared": heat, "visible": low, "clear": high}


def distance(
    fused: Tensor, clear: Tensor, *, ssim_weight: float, gradient_weight: float
) -> dict[str, Tensor]:
    """Distance of images to their clear pictures, (B, 3, h, w) each; `total` is the weighted sum.

    The terms are L1 on colours, L1 on image gradients, and 1 - SSIM of the luma.
    """
    clear = clear.to(fused)
    dx = (fused.diff(dim=3) - clear.diff(dim=3)).abs().mean()
    dy = (fused.diff(dim=2) - clear.diff(dim=2)).abs().mean()
    structure = 1.0 - metrics.block_ssim(luma_of(fused), luma_of(clear)).mean()
    pixel = (fused - clear).abs().mean()
    weighted = gradient_weight * (dx + dy) + ssim_weight * structure
    return {"total": pixel + weighted, "pixel": pixel, "structure": structure}


@torch.no_grad()
def sheet(student: nn.Module, pairs: ClearPairs, rows: int = 6) -> U8:
    """RGB picture with a row for each sample: degraded, thermal, fused, clear.

    Samples of another size than the first are left out.
    """
    lines: list[U8] = []
    for index in np.linspace(0, len(pairs) - 1, rows).astype(int):
        low, heat, high = pairs.sample(int(index))
        if lines and (len(low), 4 * low.shape[1]) != lines[0].shape[:2]:
            continue
        fused = _fuse(student, to_tensors(heat[None], low[None], high[None]))[0]
        image = (fused.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        lines.append(np.hstack([low, np.repeat(np.asarray(heat)[:, :, None], 3, 2), image, high]))
    return np.asarray(np.vstack(lines), dtype=np.uint8)


@torch.no_grad()
def validate(student: nn.Module, pairs: ClearPairs, most: int = 80) -> dict[str, dict[str, float]]:
    """Mean L1, PSNR (dB) and SSIM to the clear picture, by weather.

    They are measured for the student, for its visible input and for average fusion.
    """
    sums: dict[str, dict[str, list[float]]] = {}
    for index in range(0, len(pairs), max(1, len(pairs) // most)):
        low, heat, high = pairs.sample(index)
        batch = to_tensors(heat[None], low[None], high[None])
        thermal, degraded, clear = batch["infrared"], batch["visible"], batch["clear"]
        images = {
            "student": _fuse(student, batch),
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


def _fuse(student: nn.Module, batch: Batch) -> Tensor:
    """What a student on any device makes of a batch, on the CPU."""
    device = next(student.parameters()).device
    fused: Tensor = student(batch["infrared"].to(device), batch["visible"].to(device))
    return fused.cpu()


def _means(entry: dict[str, list[float]]) -> dict[str, float]:
    return {key: round(float(np.mean(values)), 5) for key, values in entry.items()}
