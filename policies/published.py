"""Networks of published checkpoints, with the parameter names of their authors."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet


class _CoilFc(nn.Module):
    """coiltraine's FC module: each layer a Sequential of linear, dropout, ReLU; the last linear."""

    def __init__(self, sizes: tuple[int, ...], *, is_last: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(sizes)):
            linear = nn.Linear(before, after)
            ends = is_last and index == len(sizes) - 2
            layers.append(
                nn.Sequential(linear) if ends else nn.Sequential(linear, nn.Dropout(0.0), nn.ReLU())
            )
        self.layers = nn.Sequential(*layers)

    def forward(self, values: Tensor) -> Tensor:
        return cast(Tensor, self.layers(values))


class _CoilJoin(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.after_process = _CoilFc((640, 512), is_last=False)


class _CoilBranches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branched_modules = nn.ModuleList(
            _CoilFc((512, 256, 256, 3), is_last=True) for _ in range(4)
        )


class CoiltraineCilrs(nn.Module):
    """The network of the CILRS authors: ResNet-34, 2x2 pooling to 1x3, 1536 features."""

    def __init__(self) -> None:
        super().__init__()
        self.perception = ResNet(BasicBlock, [3, 4, 6, 3])
        self.perception.avgpool = nn.AvgPool2d(2, stride=2)
        self.perception.fc = nn.Linear(1536, 512)
        self.measurements = _CoilFc((1, 128, 128), is_last=False)
        self.join = _CoilJoin()
        self.speed_branch = _CoilFc((512, 256, 256, 1), is_last=True)
        self.branches = _CoilBranches()

    def forward(self, image: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 88, 200) and (B, 1) to (B, 4, 3) of steer, throttle, brake, and (B, 1)."""
        seen = self.perception(image)  # (B, 512), no activation in theirs
        joined = self.join.after_process(torch.cat((seen, self.measurements(speed)), dim=1))
        actions = [branch(joined) for branch in self.branches.branched_modules]
        return torch.stack(actions, dim=1), self.speed_branch(seen)
