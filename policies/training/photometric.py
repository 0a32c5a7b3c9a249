"""The colour changes of TransFuser++ (Jaeger et al. 2023), which SimLingo took over.

Their training applies, in random order and each with probability 0.5, imgaug's GaussianBlur (0, 1),
AdditiveGaussianNoise (0, 0.05 x 255), Dropout (0.01, 0.1), Multiply and LinearContrast (1/1.2, 1.2)
(these four by channel in half of the cases), Grayscale (0, 0.5) and ElasticTransformation
(alpha 0.5 to 1.5, sigma 0.25). The values are theirs, in pixels of this network's smaller picture.
None of them looks like fog or night.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Change = Callable[[Tensor, torch.Generator], Tensor]

BLUR_PX = 1.0
NOISE = 0.05
DROPPED = (0.01, 0.1)
FACTOR = 1.2
GREY = 0.5
SHIFT_PX = (0.5, 1.5)
MIDDLE = 127.0 / 255.0  # about which imgaug's LinearContrast changes
RADIUS_PX = 2  # of the blur's kernel
LUMA = (0.299, 0.587, 0.114)


def photometric(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Each change for a share of the pictures, in an order drawn anew.

    Args:
        images: (B, 3, H, W), 0 to 1.
        probability: of each change, 0 to 1; 0.5 in TransFuser++.
        generator: of all that is drawn.
    """
    for number in torch.randperm(len(CHANGES), generator=generator).tolist():
        chosen = torch.rand(len(images), generator=generator) < probability
        if chosen.any():
            changed = CHANGES[number](images[chosen], generator)
            images = images.index_put((chosen.nonzero()[:, 0],), changed.clamp(0.0, 1.0))
    return images


def blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian blur, with a width of its own for each picture."""
    count, channels = images.shape[:2]
    sigma = BLUR_PX * torch.rand((count, 1), generator=generator).clamp(min=1e-3)
    offset = torch.arange(-RADIUS_PX, RADIUS_PX + 1, dtype=images.dtype)
    kernel = torch.softmax(-0.5 * (offset / sigma) ** 2, dim=1)
    kernel = kernel.repeat_interleave(channels, dim=0)[:, None]  # (B * C, 1, 5)
    padding = (RADIUS_PX,) * 4
    flat = functional.pad(images.flatten(0, 1)[None], padding, mode="replicate")
    flat = functional.conv2d(flat, kernel[:, :, None], groups=len(kernel))
    flat = functional.conv2d(flat, kernel[..., None], groups=len(kernel))
    return flat[0].view_as(images)


def noise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Noise added to each pixel, the same in all channels for half of the pictures."""
    strength = NOISE * torch.rand((len(images), 1, 1, 1), generator=generator)
    drawn = torch.randn(images.shape, generator=generator)
    return images + strength * _by_channel(drawn, generator)


def dropout(images: Tensor, generator: torch.Generator) -> Tensor:
    """Black pixels."""
    low, high = DROPPED
    share = low + (high - low) * torch.rand((len(images), 1, 1, 1), generator=generator)
    drawn = torch.rand(images.shape, generator=generator)
    return torch.where(_by_channel(drawn, generator) < share, 0.0, images)


def multiply(images: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness."""
    return images * _factor(len(images), generator)


def contrast(images: Tensor, generator: torch.Generator) -> Tensor:
    """Contrast about a middle grey."""
    return MIDDLE + (images - MIDDLE) * _factor(len(images), generator)


def grey(images: Tensor, generator: torch.Generator) -> Tensor:
    """A share of the grey picture."""
    share = GREY * torch.rand((len(images), 1, 1, 1), generator=generator)
    luma = (images * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    return torch.lerp(images, luma.expand_as(images), share)


def elastic(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every pixel comes from a place nearby; a sigma of 0.25 leaves the shifts unsmoothed."""
    count, _, height, width = images.shape
    low, high = SHIFT_PX
    reach_px = low + (high - low) * torch.rand((count, 1, 1, 1), generator=generator)
    shift_px = reach_px * (2.0 * torch.rand((count, height, width, 2), generator=generator) - 1.0)
    same = torch.eye(2, 3).expand(count, 2, 3)
    grid = functional.affine_grid(same, list(images.shape), align_corners=False)
    grid = grid + shift_px * torch.tensor([2.0 / width, 2.0 / height])
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _factor(count: int, generator: torch.Generator) -> Tensor:
    """Of each channel, (B, 3, 1, 1); the same in all three for half of the pictures."""
    low, high = 1.0 / FACTOR, FACTOR
    drawn = low + (high - low) * torch.rand((count, 3, 1, 1), generator=generator)
    return _by_channel(drawn, generator)


def _by_channel(drawn: Tensor, generator: torch.Generator) -> Tensor:
    """What was drawn for each channel, or that of the first for all of them."""
    is_common = torch.rand((len(drawn), 1, 1, 1), generator=generator) < 0.5
    return torch.where(is_common, drawn[:, :1].expand_as(drawn), drawn)


CHANGES: tuple[Change, ...] = (blur, noise, dropout, multiply, contrast, grey, elastic)
