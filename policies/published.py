"""Networks of published checkpoints, with the parameter names of their authors.

Sources read: felipecode/coiltraine, zhejz/carla-roach (agents/cilrs), autonomousvision/transfuser
(cilrs). Dropout is left out: it has no parameters and does nothing when driving.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.resnet import BasicBlock, ResNet

_RESNETS: Mapping[str, Callable[..., ResNet]] = {
    "resnet18": models.resnet18,
    "resnet34": models.resnet34,
    "resnet50": models.resnet50,
    "resnet101": models.resnet101,
    "resnet152": models.resnet152,
}


class _Layers(nn.Module):
    """The authors' FC: `layers.N.0` is the N-th linear layer; `end` follows the last one."""

    def __init__(self, sizes: Sequence[int], end: type[nn.Module] | None = None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(sizes)):
            activation = nn.ReLU if index < len(sizes) - 2 else end
            tail = [] if activation is None else [activation()]
            layers.append(nn.Sequential(nn.Linear(before, after), *tail))
        self.layers = nn.Sequential(*layers)

    def forward(self, values: Tensor) -> Tensor:
        return cast(Tensor, self.layers(values))


class _Join(nn.Module):
    """Image features first, then measurements."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.after_process = _Layers(sizes, nn.ReLU)

    def forward(self, seen: Tensor, measured: Tensor) -> Tensor:
        return cast(Tensor, self.after_process(torch.cat((seen, measured), dim=1)))


class _Branches(nn.Module):
    """One head for each command; all are computed."""

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branched_modules = nn.ModuleList(heads)

    def forward(self, joined: Tensor) -> Tensor:
        return torch.stack([head(joined) for head in self.branched_modules], dim=1)


class CoiltraineCilrs(nn.Module):
    """The network of the CILRS authors: ResNet-34, 2x2 pooling to 1x3, 1536 features."""

    def __init__(self) -> None:
        super().__init__()
        self.perception = ResNet(BasicBlock, [3, 4, 6, 3])
        self.perception.avgpool = nn.AvgPool2d(2, stride=2)
        self.perception.fc = nn.Linear(1536, 512)
        self.measurements = _Layers((1, 128, 128), nn.ReLU)
        self.join = _Join((640, 512))
        self.speed_branch = _Layers((512, 256, 256, 1))
        self.branches = _Branches([_Layers((512, 256, 256, 3)) for _ in range(4)])

    def forward(self, image: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 88, 200) and (B, 1) to (B, 4, 3) of steer, throttle, brake, and (B, 1)."""
        seen = self.perception(image)  # (B, 512), no activation in theirs
        joined = self.join(seen, self.measurements(speed))
        return self.branches(joined), self.speed_branch(seen)


@dataclass(frozen=True)
class RoachSettings:
    """`policy_init_kwargs` of a carla-roach file, as far as they shape the network."""

    im_shape: tuple[int, ...]  # colours, images, height, width
    input_states: tuple[str, ...]
    acc_as_action: bool
    value_as_supervision: bool
    action_distribution: str | None
    dim_features_supervision: int
    perception_output_neurons: int = 512
    measurements_neurons: tuple[int, ...] = (128, 128)
    join_neurons: tuple[int, ...] = (512,)
    speed_branch_neurons: tuple[int, ...] = (256, 256)
    value_branch_neurons: tuple[int, ...] = (256, 256)
    number_of_branches: int = 6
    branches_neurons: tuple[int, ...] = (256, 256)
    squash_outputs: bool = True
    perception_net: str = "resnet34"

    @classmethod
    def read(cls, kwargs: Mapping[str, Any]) -> RoachSettings:
        """Pick the fields; what only matters in training is passed over.

        Raises:
            ValueError: a field is missing or cannot be driven with; says which.
        """
        names = {field.name for field in fields(cls)}
        lists: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in kwargs.items()
        }
        try:
            settings = cls(**{k: v for k, v in lists.items() if k in names})
        except TypeError as err:
            raise ValueError(f"policy_init_kwargs: {err}") from err
        settings._check()
        return settings

    @property
    def state_size(self) -> int:
        """How many numbers describe the car's state."""
        sizes = {"speed": 1, "vec": 2, "cmd": 6}
        return sum(sizes[name] for name in self.input_states)

    def _check(self) -> None:
        if len(self.im_shape) != 4 or self.im_shape[:2] != (3, 1):
            raise ValueError(f"im_shape {self.im_shape}: one RGB image is supported, (3, 1, H, W)")
        if self.perception_net not in _RESNETS:
            known = ", ".join(_RESNETS)
            raise ValueError(f"unknown perception_net '{self.perception_net}'; known: {known}")
        unknown = set(self.input_states) - {"speed", "vec", "cmd"}
        if unknown:
            raise ValueError(f"unknown input_states {sorted(unknown)}; known: speed, vec, cmd")
        if self.action_distribution not in (None, "beta", "beta_shared"):
            raise ValueError(
                f"unknown action_distribution '{self.action_distribution}'; "
                "known: None, beta, beta_shared"
            )


class RoachCilrs(nn.Module):
    """The imitation network of carla-roach, built from what its file says of itself."""

    def __init__(self, settings: RoachSettings) -> None:
        super().__init__()
        s = settings
        seen = s.perception_output_neurons
        joined = s.dim_features_supervision or s.join_neurons[-1]
        self.perception = _RESNETS[s.perception_net](weights=None)
        if seen != self.perception.fc.out_features:
            self.perception.fc = nn.Linear(self.perception.fc.in_features, seen)
        self.measurements = _Layers((s.state_size, *s.measurements_neurons), nn.ReLU)
        self.join = _Join((s.measurements_neurons[-1] + seen, *s.join_neurons[:-1], joined))
        end_speed, end_action = (nn.Sigmoid, nn.Tanh) if s.squash_outputs else (None, None)
        self.speed_branch = _Layers((seen, *s.speed_branch_neurons, 1), end_speed)
        if s.value_as_supervision:
            self.value_branch = _Layers((joined, *s.value_branch_neurons, 1))
        self._is_beta = s.action_distribution is not None
        hidden = (joined, *s.branches_neurons)
        count = s.number_of_branches
        if s.action_distribution == "beta":
            self.mu_branches = _Branches([_Layers((*hidden, 2), nn.Softplus) for _ in range(count)])
            self.sigma_branches = _Branches(
                [_Layers((*hidden, 2), nn.Softplus) for _ in range(count)]
            )
        elif s.action_distribution == "beta_shared":
            # Both lists hold the same trunk: its weights stand twice in the file.
            trunks = [_Layers(hidden, nn.ReLU) for _ in range(count)]
            self.mu_branches = _Branches([_with_softplus(t, hidden[-1]) for t in trunks])
            self.sigma_branches = _Branches([_with_softplus(t, hidden[-1]) for t in trunks])
        else:
            outputs = 2 if s.acc_as_action else 3
            self.branches = _Branches(
                [_Layers((*hidden, outputs), end_action) for _ in range(count)]
            )

    def forward(self, image: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) and (B, state) to (B, branches, 2 or 3) in [-1, 1], and (B, 1).

        The actions are acceleration and steer, or throttle, steer and brake.
        """
        seen = self.perception(image)
        joined = self.join(seen, self.measurements(state))
        if self._is_beta:
            actions = 2.0 * beta_mode(self.mu_branches(joined), self.sigma_branches(joined)) - 1.0
        else:
            actions = self.branches(joined)
        return actions, self.speed_branch(seen)


def _with_softplus(trunk: nn.Module, size: int) -> nn.Module:
    return nn.Sequential(trunk, nn.Sequential(nn.Linear(size, 2), nn.Softplus()))


def beta_mode(alpha: Tensor, beta: Tensor) -> Tensor:
    """Most likely value of a Beta distribution; its mean where it has no inner peak."""
    peak = (alpha - 1.0) / (alpha + beta - 2.0)
    mean = alpha / (alpha + beta)
    low, high = alpha <= 1.0, beta <= 1.0
    mode = torch.where(low & high, mean, peak)
    mode = torch.where(low & ~high, torch.zeros_like(mode), mode)
    return torch.where(~low & high, torch.ones_like(mode), mode)


class _TransfuserEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = models.resnet18(weights=None)
        self.features.fc = nn.Sequential()


class _TransfuserController(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.vel_in = nn.Sequential(nn.Linear(1, 256), nn.ReLU(), nn.Linear(256, 512))
        self.vel_out = _perceptron(1)
        self.branches = nn.ModuleList(
            nn.Sequential(*_perceptron(3), nn.Sigmoid()) for _ in range(6)
        )


def _perceptron(outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(512, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, outputs),
    )


class TransfuserCilrs(nn.Module):
    """CILRS of the transfuser repository: ResNet-18, the speed added to its features."""

    MAX_THROTTLE = 0.75

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _TransfuserEncoder()
        self.controller = _TransfuserController()

    def forward(self, image: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 256, 256) and (B, 1) m/s to (B, 6, 3) of steer, throttle, brake, and (B, 1)."""
        encoding = self.encoder.features(image) + self.controller.vel_in(speed)  # (B, 512)
        raw = torch.stack([branch(encoding) for branch in self.controller.branches], dim=1)
        scale = raw.new_tensor((2.0, self.MAX_THROTTLE, 1.0))
        shift = raw.new_tensor((1.0, 0.0, 0.0))
        # Theirs adds the speed in place, so that its own prediction sees the sum as well.
        return raw * scale - shift, self.controller.vel_out(encoding)
