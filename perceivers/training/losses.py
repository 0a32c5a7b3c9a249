"""The losses of TTFNet, with one for the distance and one for the segments."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from perceivers.training.batches import NO_SEGMENT
from perceivers.training.network import Maps

BOXES, DISTANCE, SEGMENTS = 5.0, 1.0, 1.0  # weights beside that of the centres, 1
RARE = (1.0, 1.0, 2.0, 1.0, 3.0, 3.0, 2.0)  # of segments, in their order


def loss_of(maps: Maps, targets: Sequence[Tensor], segments: Tensor) -> Tensor:
    """The whole loss.

    Args:
        maps: what the network says.
        targets: as `perceivers.training.targets.Targets`, with a first axis for the batch.
        segments: (B, h, w).
    """
    centres, asked, sides, distance, weight = targets
    count = weight.sum().clamp(min=1.0)  # of objects
    apart = (maps.distance - distance).abs()
    named = functional.cross_entropy(
        maps.segments, segments, torch.tensor(RARE), ignore_index=NO_SEGMENT
    )
    return (
        focal_loss(maps.centres, centres, asked)
        + BOXES * (weight[:, 0] * box_loss(maps.sides, sides)).sum() / count
        + DISTANCE * (weight * apart).sum() / count
        + SEGMENTS * named
    )


def focal_loss(logits: Tensor, wanted: Tensor, asked: Tensor) -> Tensor:
    """CenterNet's focal loss, (B, kinds, h, w) each; by the number of centres."""
    score = torch.sigmoid(logits).clamp(1e-4, 1.0 - 1e-4)
    is_centre = (wanted == 1.0).float()
    hit = is_centre * torch.log(score) * (1.0 - score) ** 2
    miss = (1.0 - is_centre) * (1.0 - wanted) ** 4 * torch.log(1.0 - score) * score**2
    return -((hit + miss) * asked).sum() / is_centre.sum().clamp(min=1.0)


def box_loss(sides: Tensor, wanted: Tensor) -> Tensor:
    """1 less the generalised IoU of two boxes around the same cell, (B, h, w) from (B, 4, h, w)."""
    width = sides[:, 0] + sides[:, 2]
    height = sides[:, 1] + sides[:, 3]
    wanted_area = (wanted[:, 0] + wanted[:, 2]) * (wanted[:, 1] + wanted[:, 3])
    low, high = torch.minimum(sides, wanted), torch.maximum(sides, wanted)
    shared = (low[:, 0] + low[:, 2]) * (low[:, 1] + low[:, 3])
    hull = (high[:, 0] + high[:, 2]) * (high[:, 1] + high[:, 3])
    joined = width * height + wanted_area - shared
    iou = shared / joined.clamp(min=1e-6)
    return 1.0 - iou + (hull - joined) / hull.clamp(min=1e-6)
