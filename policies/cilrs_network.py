"""The CILRS network in torch (Codevilla et al. 2019), with a timm backbone of any size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import cast

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes; all but the backbone are coiltraine's."""

    backbone: str = "resnet10t"
    slimness: float = 1.0  # 0.5 halves the channels of a timm ResNet; trains 4 times as fast
    image_features: int = 512
    speed_features: int = 128
    joined_features: int = 512
    hidden: int = 256
    branches: int = 4
    dropout: float = 0.5
    height: int = 88
    width: int = 200

    def to_dict(self) -> dict[str, object]:
        """Plain values for a checkpoint."""
        return asdict(self)


def network_config(values: dict[str, object]) -> NetworkConfig:
    """Rebuild from a checkpoint's plain values."""
    return NetworkConfig(**values)  # type: ignore[arg-type]


class Cilrs(nn.Module):
    """Image and speed to the actions of all branches, and the speed read from the image."""

    def __init__(self, config: NetworkConfig, *, pretrained: bool = False) -> None:
        import timm  # takes seconds, which a command that only parses can do without

        super().__init__()
        self.config = config
        self.backbone = timm.create_model(
            config.backbone,
            pretrained=pretrained,
            num_classes=0,
            global_pool="",
            **_slim_options(config.slimness),
        )
        self.pool = nn.AvgPool2d(2)
        with torch.no_grad():
            probe = self.pool(self.backbone.eval()(torch.zeros(1, 3, config.height, config.width)))
        self.backbone.train()
        self.image_fc = nn.Linear(probe.numel(), config.image_features)
        self.speed_encoder = nn.Sequential(
            nn.Linear(1, config.speed_features),
            nn.ReLU(inplace=True),
            nn.Linear(config.speed_features, config.speed_features),
            nn.ReLU(inplace=True),
        )
        joined = config.image_features + config.speed_features
        self.join = nn.Sequential(nn.Linear(joined, config.joined_features), nn.ReLU(inplace=True))
        self.branches = nn.ModuleList(
            _head(config.joined_features, config, 3) for _ in range(config.branches)
        )
        self.speed_branch = _head(config.image_features, config, 1)

    def forward(self, image: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
        """Actions are steer, throttle, brake; speeds are scaled as the input is.

        Args:
            image: (B, 3, H, W), normalised.
            speed: (B, 1), m/s divided by the speed scale.

        Returns:
            (B, branches, 3) and (B, 1).
        """
        seen, joined = self.features(image, speed)
        return self.act(joined), cast(Tensor, self.speed_branch(seen))

    def features(self, image: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen, (B, image_features), and joined with the speed, (B, joined_features)."""
        maps = self.pool(self.backbone(image))  # (B, C, 1, 3)
        seen = torch.relu(self.image_fc(maps.flatten(1)))
        return seen, self.join(torch.cat((seen, self.speed_encoder(speed)), dim=1))

    def act(self, joined: Tensor) -> Tensor:
        """Actions of all branches, (B, branches, 3)."""
        return torch.stack([branch(joined) for branch in self.branches], dim=1)


def _slim_options(slimness: float) -> dict[str, object]:
    """Arguments of timm's ResNet; nothing for 1.0, so that any backbone can be named."""
    if slimness == 1.0:
        return {}
    widths = tuple(8 * round(full * slimness / 8) for full in (64, 128, 256, 512))
    return {"stem_width": 8 * round(32 * slimness / 8), "channels": widths}


def _head(inputs: int, config: NetworkConfig, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, config.hidden),
        nn.ReLU(inplace=True),
        nn.Linear(config.hidden, config.hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(config.dropout),
        nn.Linear(config.hidden, outputs),
    )
