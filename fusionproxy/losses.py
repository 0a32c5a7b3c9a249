"""The distillation losses, Eqs. 7 to 12 of the paper (needs torch).

The text of the paper that was at hand lacks the equations, so the forms here are reconstructions.
The fields of `LossConfig` say how sure each is. Every row of Tables 4 (block B) and 7 is a
`LossConfig` (`fusionproxy.ablations`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from fusionproxy.errors import FusionError, missing_extra

try:
    import torch
    from torch import Tensor, nn

    from fusionproxy import metrics
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

PIXEL_NORMS = ("l1", "l2")
ROUTINGS = ("variance", "global")
NORMALISERS = ("training-set", "image")
STRUCTURES = ("gaussian11", "block8")


@dataclass(frozen=True)
class LossConfig:
    """Settings of the distillation loss; all values are reconstructions unless said otherwise."""

    pixel_weight: float = 1.0  # Eq. 12; weights: low confidence, see `calibrated`
    feature_weight: float = 0.1
    structure_weight: float = 0.5
    pixel_norm: str = "l1"  # or l2; confidence 60/40
    uncertainty: bool = True  # inverse variance, Eq. 7; False is row (g)
    variance_floor: float = 1e-3  # eps of Eq. 7 for images in [0, 1]; low confidence
    most_weight: float = 10.0  # bound of max(w) / median(w); ours
    backbones: tuple[str, ...] | None = None  # None takes the whole panel; ("vgg16",) is row (d)
    routing: str = "variance"  # Eq. 8; `global` is row (f)
    temperature: float = 1.0  # tau, high confidence; 0 is argmax, infinity uniform (row e)
    normaliser: str = "training-set"  # whose mean divides a variance; the text also says `image`
    per_channel: bool = True  # divide Eq. 10 by the channel count; ours
    structure: str = "gaussian11"  # SSIM of Eq. 11; `block8` costs a CPU a tenth

    def __post_init__(self) -> None:
        """Check the settings."""
        known = {
            "pixel_norm": PIXEL_NORMS,
            "routing": ROUTINGS,
            "normaliser": NORMALISERS,
            "structure": STRUCTURES,
        }
        for name, choices in known.items():
            value = getattr(self, name)
            if value not in choices:
                raise FusionError(f"unknown {name} '{value}'; known: {', '.join(choices)}")
        for name in ("pixel_weight", "feature_weight", "structure_weight", "temperature"):
            if not getattr(self, name) >= 0:
                raise FusionError(f"{name}: expected 0 or more, found {getattr(self, name)}")
        if not self.variance_floor > 0 or not self.most_weight >= 1:
            raise FusionError("variance_floor must be above 0 and most_weight at least 1")


@dataclass(frozen=True)
class Targets:
    """The ensemble's statistics for a batch; features have unit variance in each channel."""

    mean: Tensor  # (B, 3, H, W), Eq. 4
    variance: Tensor  # (B, 1, H, W), Eq. 5
    features: Mapping[str, Tensor]  # (B, C_m, h, w) by backbone, Eq. 9
    feature_variances: Mapping[str, Tensor]  # (B, 1, h, w) by backbone, Eq. 6


class Losses(NamedTuple):
    """The weighted sum and its three terms, unweighted."""

    total: Tensor
    pixel: Tensor
    feature: Tensor
    structure: Tensor


def pixel_weights(variance: Tensor, config: LossConfig) -> Tensor:
    """Weights of Eq. 7: the inverse variance, bounded, with mean 1 over each image.

    The bound is `most_weight` times the median of the image.

    Args:
        variance: variance of images in [0, 1], (B, 1, H, W).
        config: settings with the floor of the variance and the bound.

    Returns:
        Weights, (B, 1, H, W).
    """
    if not config.uncertainty:
        return torch.ones_like(variance)
    raw = 1.0 / (variance + config.variance_floor)
    median = raw.flatten(1).median(1).values.reshape(-1, 1, 1, 1)
    bounded = raw.minimum(config.most_weight * median)
    return bounded / bounded.mean((1, 2, 3), keepdim=True)


def pixel_loss(fused: Tensor, mean: Tensor, variance: Tensor, config: LossConfig) -> Tensor:
    """Pixel loss of Eq. 7, a scalar: the weighted distance to the ensemble's mean."""
    difference = fused - mean
    distance = difference.abs() if config.pixel_norm == "l1" else difference.square()
    return (pixel_weights(variance, config) * distance.mean(1, keepdim=True)).mean()


def routing_weights(
    variances: Mapping[str, Tensor], mean_variances: Mapping[str, float], config: LossConfig
) -> dict[str, Tensor]:
    """Routing of Eq. 8: softmax over backbones of the normalised variance divided by tau.

    Args:
        variances: variance of the features, (B, 1, h, w) by backbone.
        mean_variances: mean variance over the training set, by backbone.
        config: settings with temperature and normaliser.

    Returns:
        Weights, (B, 1, h, w) by backbone, whose sum over backbones is 1 at each place.
    """
    names = list(variances)
    levels = torch.stack([_level(variances[n], mean_variances, n, config) for n in names])
    if math.isinf(config.temperature):
        weights = torch.full_like(levels, 1.0 / len(names))
    elif config.temperature == 0.0:
        weights = (
            torch.zeros_like(levels).scatter(0, levels.argmax(0, keepdim=True), 1.0)  # ties: first
        )
    else:
        weights = torch.softmax(levels / config.temperature, 0)
    return dict(zip(names, weights, strict=True))


def _level(
    variance: Tensor, mean_variances: Mapping[str, float], name: str, config: LossConfig
) -> Tensor:
    if config.normaliser == "image":
        scale = variance.mean((1, 2, 3), keepdim=True)
    else:
        scale = torch.full_like(variance[:, :1, :1, :1], mean_variances[name])
    # An ensemble of one sample has no variance anywhere: every backbone is equally informative.
    return torch.where(scale > 0, variance / scale, torch.zeros_like(variance))


def distances(
    fused: Mapping[str, Tensor], targets: Mapping[str, Tensor], config: LossConfig
) -> dict[str, Tensor]:
    """Squared norm of Eq. 10, (B, 1, h, w) by backbone: the distance of features at each place.

    Raises:
        FusionError: the features of student and cache have different shapes.
    """
    found = {}
    for name, target in targets.items():
        if fused[name].shape != target.shape:
            raise FusionError(
                f"features of '{name}': student {tuple(fused[name].shape)}, "
                f"cache {tuple(target.shape)}; was the cache made with another grid?"
            )
        square = (fused[name] - target).square()
        found[name] = (square.mean if config.per_channel else square.sum)(1, keepdim=True)
    return found


def structure_loss(fused: Tensor, mean: Tensor, config: LossConfig) -> Tensor:
    """Structure loss of Eq. 11, a scalar: 1 - SSIM with the ensemble's mean, over R, G, B."""
    ssim = metrics.ssim if config.structure == "gaussian11" else metrics.block_ssim
    return 1.0 - ssim(fused, mean).mean()


class GlobalWeights(nn.Module):
    """One learned weight for each backbone, the same at all places: row (f) of Table 4.

    The paper does not say how they are learned. A softmax minimised together with the student
    would give all weight to the easiest backbone, so this is the weighting of Kendall et al. 2018:
    the sum of exp(-s_m) L_m + s_m, over the number of backbones.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.log_scales = nn.Parameter(torch.zeros(count))

    def forward(self, losses: Tensor) -> Tensor:
        """Combine (M,) losses into a scalar."""
        return (torch.exp(-self.log_scales) * losses + self.log_scales).mean()


class DistillationLoss(nn.Module):
    """Loss of Eq. 12: the weighted sum of pixel, feature and structure losses.

    Its parameters (`global` routing only) are to be trained together with the student.
    """

    def __init__(self, config: LossConfig, mean_variances: Mapping[str, float]) -> None:
        super().__init__()
        unknown = [n for n in config.backbones or () if n not in mean_variances]
        if unknown:
            known = ", ".join(mean_variances)
            raise FusionError(f"unknown backbone '{unknown[0]}'; the cache has: {known}")
        self.config = config
        self.backbones = tuple(config.backbones or mean_variances)
        self.mean_variances = dict(mean_variances)
        self.weights = GlobalWeights(len(self.backbones)) if config.routing == "global" else None

    def forward(
        self,
        fused: Tensor,
        features: Mapping[str, Tensor],
        targets: Targets,
        feature_factor: float = 1.0,
    ) -> Losses:
        """Compute the losses of a batch.

        Args:
            fused: the student's images, (B, 3, H, W) in [0, 1].
            features: their features by backbone, scaled as those of `targets`; without any the
                feature loss is left out.
            targets: statistics of the ensemble.
            feature_factor: multiplier of the feature loss in the total, for trainings in which not
                every batch has one.
        """
        pixel = pixel_loss(fused, targets.mean, targets.variance, self.config)
        structure = structure_loss(fused, targets.mean, self.config)
        needed = self.config.feature_weight > 0 and features
        feature = self.feature_loss(features, targets) if needed else torch.zeros_like(pixel)
        total = (
            self.config.pixel_weight * pixel
            + self.config.feature_weight * feature_factor * feature
            + self.config.structure_weight * structure
        )
        return Losses(total, pixel, feature, structure)

    def feature_loss(self, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Feature loss of Eq. 10, a scalar: the routed distance to the mean features."""
        chosen = {name: targets.features[name] for name in self.backbones}
        apart = distances(features, chosen, self.config)
        if self.weights is not None:
            combined: Tensor = self.weights(torch.stack([d.mean() for d in apart.values()]))
            return combined
        variances = {name: targets.feature_variances[name] for name in self.backbones}
        routing = routing_weights(variances, self.mean_variances, self.config)
        return torch.stack([routing[n] * apart[n] for n in self.backbones]).sum(0).mean()


def gradient_norms(losses: Losses, fused: Tensor) -> dict[str, float]:
    """Norm of the gradient of each unweighted term with respect to the fused image."""
    found = {}
    for name in ("pixel", "feature", "structure"):
        term: Tensor = getattr(losses, name)
        if not term.requires_grad:
            found[name] = 0.0
            continue
        (gradient,) = torch.autograd.grad(term, fused, retain_graph=True)
        found[name] = float(gradient.norm())
    return found


def calibrated(
    config: LossConfig, norms: Mapping[str, float], shares: Mapping[str, float]
) -> LossConfig:
    """Settings whose weights give each term its share of the pixel term's gradient.

    Args:
        config: settings; their pixel weight stays.
        norms: results of `gradient_norms`, averaged over some batches.
        shares: for `feature` and `structure`, the wanted ratio of the term's weighted norm to that
            of the pixel term.
    """

    def weight(name: str, now: float) -> float:
        if norms[name] <= 0:
            return now
        return shares[name] * config.pixel_weight * norms["pixel"] / norms[name]

    return replace(
        config,
        feature_weight=weight("feature", config.feature_weight),
        structure_weight=weight("structure", config.structure_weight),
    )
