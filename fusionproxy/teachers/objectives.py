"""What each teacher learns: its network, a batch, and its loss (needs torch and diffusers)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fusionproxy import metrics
from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.teachers import ddfm, mask_difuser
from fusionproxy.teachers.corruption import Views, corrupt
from fusionproxy.teachers.diffusion import Schedule, draw_like
from fusionproxy.teachers.images import F32, CleanImages
from fusionproxy.teachers.mask_difuser_net import MaskDiFuserNet, network_config
from fusionproxy.teachers.prior import predict, prior_config
from fusionproxy.teachers.weather import weather_views

try:
    import torch
    import torch.nn.functional as F
    from diffusers import UNet2DModel
    from torch import Tensor, nn

    from fusionproxy.draws import drawn
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

CROP_MULTIPLE = 16  # how far most networks shrink an image


class Batch(NamedTuple):
    """Clean crops and, for Mask-DiFuser, their corrupted views; (B, 3, h, w) in [-1, 1]."""

    clean: Tensor
    first: Tensor | None = None
    second: Tensor | None = None

    def to(self, device: str) -> Batch:
        """The same batch on another device."""
        return Batch(*(None if x is None else x.to(device) for x in self))  # type: ignore[arg-type]


@dataclass(frozen=True)
class CropConfig:
    """How crops are drawn."""

    size: int = 64
    batch: int = 16
    infrared_share: float = 0.2  # of the crops; the visible ones are what both papers train on
    weather_share: float = 0.0  # of the visible ones, whose views are made-up weather, not masks


@dataclass(frozen=True)
class LossWeights:
    """Of Mask-DiFuser: the first at all times, the others late, on the clipped clean image.

    The paper adds LPIPS x 10, whose trunk has to be downloaded; it is left out here.
    """

    error: float = 100.0
    colour: float = 100.0
    squares: float = 5.0
    structure: float = 5.0


def ddfm_batch(images: CleanImages, rng: np.random.Generator, crops: CropConfig) -> Batch:
    """Clean crops."""
    found = drawn(rng, crops.batch, lambda own: images.crop(own, crops.size, crops.infrared_share))
    return Batch(_planes(found))


def mask_batch(images: CleanImages, rng: np.random.Generator, crops: CropConfig) -> Batch:
    """Clean crops and their views, masked or in made-up weather."""

    def one(own: np.random.Generator) -> tuple[F32, Views]:
        is_infrared = own.random() < crops.infrared_share
        clean = images.crop(own, crops.size, float(is_infrared))
        has_weather = not is_infrared and own.random() < crops.weather_share
        return clean, (weather_views if has_weather else corrupt)(clean, own)

    found = drawn(rng, crops.batch, one)
    views = [view for _, view in found]
    return Batch(
        _planes([clean for clean, _ in found]),
        _planes([view.first for view in views]),
        _planes([view.second for view in views]),
    )


def _planes(images: list[Any]) -> Tensor:
    stacked = np.stack(images).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(stacked)) * 2 - 1


class Step(NamedTuple):
    """A batch at random times."""

    batch: Batch
    t: Tensor  # (B,)
    noise: Tensor
    noisy: Tensor


def at_random_times(batch: Batch, schedule: Schedule, generator: torch.Generator) -> Step:
    """Add noise of random strength."""
    times = torch.randint(len(schedule.alphas), (len(batch.clean),), generator=generator)
    t = times.to(batch.clean.device)
    noise = draw_like(batch.clean, generator)
    return Step(batch, t, noise, schedule.add_noise(batch.clean, noise, t))


def ddfm_loss(network: nn.Module, step: Step, schedule: Schedule, *, late: bool) -> Tensor:
    """Mean squared error of the prediction (Ho et al. 2020, Eq. 14)."""
    del late
    output = predict(network, step.noisy, step.t).float()
    return F.mse_loss(output, step.noise if schedule.prediction == "epsilon" else step.batch.clean)


def mask_loss(network: nn.Module, step: Step, schedule: Schedule, *, late: bool) -> Tensor:
    """Error of the prediction; late in the training also of the clean image that it stands for."""
    weights = LossWeights()
    clean = step.batch.clean
    output = network(step.noisy, step.t, step.batch.first, step.batch.second).float()
    target = step.noise if schedule.prediction == "epsilon" else clean
    loss = weights.error * F.mse_loss(output, target)
    if not late:
        return loss
    found = (schedule.clean_of(step.noisy, output, step.t).clamp(-1, 1) + 1) / 2
    wanted = (clean + 1) / 2
    colour = 1 - F.cosine_similarity(found + 1e-3, wanted + 1e-3, dim=1).mean()
    structure = 1 - metrics.block_ssim(found, wanted).mean()
    squares = F.mse_loss(found, wanted)
    more = weights.colour * colour + weights.squares * squares + weights.structure * structure
    return loss + more


@dataclass(frozen=True)
class Objective:
    """All that differs between teachers in training."""

    build: Callable[[str], nn.Module]
    draw: Callable[[CleanImages, np.random.Generator, CropConfig], Batch]
    loss: Callable[..., Tensor]
    pipeline: Callable[[Any, Any], Any]


def _prior(size: str) -> nn.Module:
    prior: nn.Module = UNet2DModel(**prior_config(size))
    return prior


def _network(size: str) -> nn.Module:
    network: nn.Module = MaskDiFuserNet(**network_config(size))
    return network


OBJECTIVES: Mapping[str, Objective] = {
    "ddfm": Objective(_prior, ddfm_batch, ddfm_loss, ddfm.pipeline_of),
    "mask_difuser": Objective(_network, mask_batch, mask_loss, mask_difuser.pipeline_of),
}


def objective(name: str) -> Objective:
    """Look a teacher up by name."""
    if name not in OBJECTIVES:
        raise FusionError(f"unknown teacher '{name}'; known: {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]
