"""The network of detector and segmenter: a timm backbone, a slim pyramid, heads at stride 4.

Heads and losses follow TTFNet (Liu et al., "Training-Time-Friendly Network for Real-Time Object
Detection", AAAI 2020), which follows CenterNet ("Objects as Points", Zhou et al. 2019): a map of
centres for each kind, the four sides of the box, and beside them the distance.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from perceivers.kinds import KINDS, SEGMENTS

SIDE_PX = 16.0  # of a box's side that the head says as 1
PRIOR = 0.01  # of a centre, before anything is learnt
MIDDLE, SPREAD = 127.5, 64.0  # of pixels


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that shapes the network."""

    backbone: str = "mobilenetv3_small_100"  # of timm, with features at strides 4, 8, 16 and 32
    channels: int = 32  # of the pyramid

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


class Maps(NamedTuple):
    """What the network says, each at a quarter of the picture's size (h, w)."""

    centres: Tensor  # (B, kinds, h, w) logits
    sides: Tensor  # (B, 4, h, w) px from the cell to left, top, right and bottom; positive
    distance: Tensor  # (B, 1, h, w) logarithm of metres over the focal length in pixels
    segments: Tensor  # (B, classes, h, w) logits


class PerceiverNetwork(nn.Module):
    """Detector and segmenter on one backbone; pictures have sides that 32 divides."""

    def __init__(self, config: NetworkConfig) -> None:
        import timm  # takes seconds, which a command that only parses can do without

        super().__init__()
        self.config = config
        self.backbone = timm.create_model(
            config.backbone, features_only=True, pretrained=False, out_indices=(1, 2, 3, 4)
        )
        width, sizes = config.channels, self.backbone.feature_info.channels()
        self.lateral = nn.ModuleList([nn.Conv2d(size, width, 1) for size in sizes])
        self.smooth = nn.ModuleList([_block(width) for _ in sizes[:-1]])
        self.head = _block(width)
        self.boxes = nn.Conv2d(width, len(KINDS) + 5, 1)
        self.segments = nn.Conv2d(width, len(SEGMENTS), 1)
        with torch.no_grad():
            assert self.boxes.bias is not None  # it has one
            self.boxes.bias[: len(KINDS)] = float(torch.logit(torch.tensor(PRIOR)))

    def forward(self, picture: Tensor) -> Maps:
        """From (B, 3, H, W) RGB, 0 to 255."""
        levels = self.backbone((picture - MIDDLE) / SPREAD)
        merged = self.lateral[-1](levels[-1])
        for number in reversed(range(len(levels) - 1)):
            larger = functional.interpolate(merged, scale_factor=2.0, mode="nearest")
            merged = self.smooth[number](self.lateral[number](levels[number]) + larger)
        found = self.boxes(self.head(merged))
        kinds = len(KINDS)
        return Maps(
            centres=found[:, :kinds],
            sides=SIDE_PX * functional.softplus(found[:, kinds : kinds + 4]),
            distance=found[:, kinds + 4 :],
            segments=self.segments(merged),
        )


class Exported(nn.Module):
    """The network as it is shipped: two outputs, one for each consumer."""

    def __init__(self, network: PerceiverNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Scores, sides and distance in one map, (B, kinds + 5, h, w); logits of segments."""
        maps = self.network(picture)
        scores = torch.sigmoid(maps.centres)
        return torch.cat([scores, maps.sides, maps.distance], dim=1), maps.segments


def _block(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
