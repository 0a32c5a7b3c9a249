"""A second task for training alone: where the route goes in the picture.

The steering of one moment says little about the place of a turn; points of the route ahead say
where its exit is. Predicting them beside the actions teaches the shared features to see junctions
(auxiliary tasks: Chen et al. 2019, "Learning by cheating"; Prakash et al. 2021). The head is thrown
away after training: the policy stays CILRS.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from policies.cilrs_network import NetworkConfig
from policies.training.dataset import PATH

SCALE_M = 10.0  # of the head's outputs


class PathHead(nn.Module):
    """Features that the branches share to the route ahead, for each command."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Linear(config.joined_features, config.hidden),
                nn.ReLU(inplace=True),
                nn.Linear(config.hidden, len(PATH)),
            )
            for _ in range(config.branches)
        )

    def forward(self, joined: Tensor, branch: Tensor) -> Tensor:
        """(B, joined_features) and (B,) to (B, len(PATH)) metres, of each sample's command."""
        paths = torch.stack([head(joined) for head in self.branches], dim=1)
        return SCALE_M * paths[torch.arange(len(branch)), branch]


def path_loss(predicted_m: Tensor, path_m: Tensor) -> Tensor:
    """Mean absolute error over the samples whose path was recorded, in `SCALE_M`; 0 if none was.

    Args:
        predicted_m: (B, len(PATH)).
        path_m: (B, len(PATH)), NaN where it was not recorded.
    """
    known = ~torch.isnan(path_m).any(dim=1)
    errors = (predicted_m[known] - path_m[known]).abs().div(SCALE_M)
    return errors.sum() / max(1, errors.numel())
