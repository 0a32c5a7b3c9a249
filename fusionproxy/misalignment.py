"""Misalignment of the infrared input in training, Eq. 14 (needs torch).

The student sees a displaced infrared image; its targets stay those of the aligned pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionproxy.errors import FusionError, missing_extra

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor
except ModuleNotFoundError as err:
    raise missing_extra(err) from err


@dataclass(frozen=True)
class Misalignment:
    """Bounds of the random displacement.

    They are reconstructed, since the paper's text has no numbers; our confidence is 60 %.
    """

    shift_px: float = 5.0  # along each axis, uniform
    angle_deg: float = 2.0  # about the centre, uniform

    def __post_init__(self) -> None:
        """Check the bounds."""
        if self.shift_px < 0 or self.angle_deg < 0:
            raise FusionError(f"misalignment: expected bounds of 0 or more, found {self}")

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        """Draw shifts (count, 2) in pixels, x then y, and angles (count,) in degrees."""
        x = torch.from_numpy(rng.uniform(-1.0, 1.0, (count, 3)).astype(np.float32))
        return x[:, :2] * self.shift_px, x[:, 2] * self.angle_deg


def displace(infrared: Tensor, shift_px: Tensor, angle_deg: Tensor) -> Tensor:
    """Rotate images about their centre (counter-clockwise), then shift them right and down.

    Values are interpolated bilinearly; beyond the edge the image is mirrored.

    Args:
        infrared: images, (B, C, H, W).
        shift_px: shifts in pixels, (B, 2), x then y.
        angle_deg: angles in degrees, (B,).

    Returns:
        The displaced images, (B, C, H, W).
    """
    height, width = infrared.shape[-2:]
    angle = torch.deg2rad(angle_deg.to(infrared))
    shift = shift_px.to(infrared)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    y, x = torch.meshgrid(
        torch.arange(height).to(infrared), torch.arange(width).to(infrared), indexing="ij"
    )
    right = x - centre_x - shift[:, 0, None, None]  # (B, H, W), back from the target
    down = y - centre_y - shift[:, 1, None, None]
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    source_x = cosine * right - sine * down + centre_x
    source_y = sine * right + cosine * down + centre_y
    grid = torch.stack(
        [source_x * 2 / max(width - 1, 1) - 1, source_y * 2 / max(height - 1, 1) - 1], -1
    )
    return F.grid_sample(
        infrared, grid, mode="bilinear", padding_mode="reflection", align_corners=True
    )
