"""How training changes its pictures: a little light, and houses of other places.

No lifted blacks: the policy must not have seen anything like fog or night.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from policies.training.photometric import photometric

# Left of the street, right of it, and above: x from, to, y from, to, as shares of the picture. What
# drives in the own lane, and the street's edges nearby, are in none of them.
SCENERY = ((0.0, 0.38, 0.0, 0.42), (0.62, 1.0, 0.0, 0.42), (0.0, 1.0, 0.0, 0.24))
LEAST = 0.4  # of a region's width and height that a patch covers


@dataclass(frozen=True)
class Augmentation:
    """Reach of each change; 0 leaves it out."""

    brightness: float = 0.2
    contrast: float = 0.15
    tint: float = 0.05
    noise: float = 0.01
    scenery_swap: float = 0.0  # chance of each region's patch
    transfuser: float = 0.0  # chance of each change of `photometric`


def augment(images: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    """Patches of scenery, the set of TransFuser++, brightness, contrast, tint, pixel noise.

    Args:
        images: (B, 3, H, W), 0 to 1; so is the answer.
        config: reach of each change.
        generator: of all that is drawn.
    """
    count = len(images)

    def draw(channels: int, reach: float) -> Tensor:
        unit = torch.rand((count, channels, 1, 1), generator=generator)
        return 1.0 + reach * (2.0 * unit - 1.0)

    if config.scenery_swap > 0.0:
        images = swap_scenery(images, config.scenery_swap, generator)
    if config.transfuser > 0.0:
        images = photometric(images, config.transfuser, generator)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - mean) * draw(1, config.contrast) + mean
    images = images * draw(1, config.brightness) * draw(3, config.tint)
    images = images + config.noise * torch.randn(images.shape, generator=generator)
    return images.clamp_(0.0, 1.0)


def swap_scenery(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Put patches of the batch's next picture, from the same place, beside and above the street.

    Networks that see few towns learn houses by heart and steer by them; here the same street comes
    with houses of everywhere.

    Args:
        images: (B, 3, H, W).
        share: chance of a patch, for each region of each picture, 0 to 1.
        generator: of the patches.
    """
    count, _, height, width = images.shape
    x = torch.arange(width).add(0.5).div(width).view(1, 1, 1, width)
    y = torch.arange(height).add(0.5).div(height).view(1, 1, height, 1)
    swapped = torch.zeros((count, 1, height, width), dtype=torch.bool)
    for left, right, top, bottom in SCENERY:
        unit = torch.rand((5, count, 1, 1, 1), generator=generator)
        spans = []
        for low, high, size, place in ((left, right, *unit[:2]), (top, bottom, *unit[2:4])):
            length = (high - low) * (LEAST + (1.0 - LEAST) * size)
            start = low + (high - low - length) * place
            spans.append((start, start + length))
        (x0, x1), (y0, y1) = spans
        swapped |= (x >= x0) & (x < x1) & (y >= y0) & (y < y1) & (unit[4] < share)
    return torch.where(swapped, images.roll(1, dims=0), images)
