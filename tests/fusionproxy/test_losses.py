"""Distillation losses against hand calculations and loops in float64; their gradients."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fusionproxy import evaluate_misalignment
from fusionproxy.ablations import ABLATIONS, ablation
from fusionproxy.errors import FusionError
from fusionproxy.losses import (
    DistillationLoss,
    LossConfig,
    Losses,
    Targets,
    calibrated,
    gradient_norms,
    pixel_loss,
    pixel_weights,
    routing_weights,
)
from fusionproxy.misalignment import Misalignment, displace

PANEL = {"vgg16": 3, "dino": 5}
MEANS = {"vgg16": 0.7, "dino": 1.9}


def random_case(size: int = 12, seed: int = 0) -> tuple[Tensor, dict[str, Tensor], Targets]:
    make = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=make, dtype=torch.float64)

    features = {name: draw(2, c, 4, 4) for name, c in PANEL.items()}
    targets = Targets(
        draw(2, 3, size, size),
        draw(2, 1, size, size) * 0.01,
        {name: draw(2, c, 4, 4) for name, c in PANEL.items()},
        {name: draw(2, 1, 4, 4) for name in PANEL},
    )
    return draw(2, 3, size, size), features, targets


def brute_force_pixel(fused: Tensor, targets: Targets, config: LossConfig) -> float:
    total = 0.0
    batch, _, height, width = fused.shape
    for b in range(batch):
        places = [(y, x) for y in range(height) for x in range(width)]
        raw = [1 / (float(targets.variance[b, 0, y, x]) + config.variance_floor) for y, x in places]
        middle = sorted(raw)[(len(raw) - 1) // 2]
        raw = [min(w, config.most_weight * middle) for w in raw]
        mean = sum(raw) / len(raw)
        for w, (y, x) in zip(raw, places, strict=True):
            apart = [abs(float(fused[b, c, y, x] - targets.mean[b, c, y, x])) for c in range(3)]
            if config.pixel_norm == "l2":
                apart = [a * a for a in apart]
            weight = w / mean if config.uncertainty else 1.0
            total += weight * sum(apart) / 3
    return total / (batch * height * width)


def brute_force_feature(features: dict[str, Tensor], targets: Targets, config: LossConfig) -> float:
    names = config.backbones or tuple(PANEL)
    total, places = 0.0, 0
    for b, y, x in np.ndindex(2, 4, 4):
        levels = []
        for name in names:
            scale = MEANS[name]
            if config.normaliser == "image":
                scale = float(targets.feature_variances[name][b].mean())
            levels.append(float(targets.feature_variances[name][b, 0, y, x]) / scale)
        if config.temperature == 0:
            top = [float(i == int(np.argmax(levels))) for i in range(len(names))]
        elif math.isinf(config.temperature):
            top = [1.0] * len(names)
        else:
            top = [math.exp(level / config.temperature) for level in levels]
        for weight, name in zip(top, names, strict=True):
            apart = features[name][b, :, y, x] - targets.features[name][b, :, y, x]
            square = sum(float(a) ** 2 for a in apart)
            square /= PANEL[name] if config.per_channel else 1
            total += weight / sum(top) * square
        places += 1
    return total / places


CASES = {
    **{name: LossConfig(**row.loss) for name, row in ABLATIONS.items() if name != "4f"},
    "argmax": LossConfig(temperature=0.0),
    "l2": LossConfig(pixel_norm="l2"),
    "image": LossConfig(normaliser="image"),
    "sum over channels": LossConfig(per_channel=False),
    "tight bound": LossConfig(most_weight=1.2, variance_floor=1e-4),
}


@pytest.mark.parametrize("name", CASES)
def test_terms_equal_loops_over_pixels(name: str) -> None:
    config = CASES[name]
    fused, features, targets = random_case()
    found = DistillationLoss(config, MEANS)(fused, features, targets)
    pixel = brute_force_pixel(fused, targets, config)
    feature = brute_force_feature(features, targets, config)
    assert float(found.pixel) == pytest.approx(pixel, rel=1e-12)
    assert float(found.feature) == pytest.approx(feature, rel=1e-12)
    total = pixel + 0.1 * feature + 0.5 * float(found.structure)
    assert float(found.total) == pytest.approx(total, rel=1e-12)


def test_pixel_loss_by_hand() -> None:
    # 1/(s2 + eps) = 1000, 1000, 500, 250: median (lower) 500, nothing is bounded, mean 687.5
    variance = torch.tensor([0.0, 0.0, 1e-3, 3e-3], dtype=torch.float64).reshape(1, 1, 2, 2)
    weights = pixel_weights(variance, LossConfig())
    expected = torch.tensor([1000, 1000, 500, 250], dtype=torch.float64) / 687.5
    assert torch.allclose(weights.flatten(), expected)
    mean = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    fused = mean.clone()
    fused[0, :, 1, 1] = 0.3  # the least certain pixel
    loss = pixel_loss(fused, mean, variance, LossConfig())
    assert float(loss) == pytest.approx(0.3 * (250 / 687.5) / 4)


def test_weight_of_a_pixel_is_bounded_by_the_median() -> None:
    variance = torch.full((1, 1, 1, 5), 0.999, dtype=torch.float64)  # raw weight 1
    variance[..., 0] = 0.0  # raw weight 1000, bounded to 10
    weights = pixel_weights(variance, LossConfig())
    assert float(weights.max() / weights.median()) == pytest.approx(10.0)
    assert float(weights.mean()) == pytest.approx(1.0)


def test_routing_by_hand() -> None:
    variances = {"a": torch.tensor([[[[2.0]]]]), "b": torch.tensor([[[[3.0]]]])}
    found = routing_weights(variances, {"a": 1.0, "b": 3.0}, LossConfig(temperature=0.5))
    assert float(found["a"]) == pytest.approx(math.exp(4) / (math.exp(4) + math.exp(2)))


def test_routing_of_an_ensemble_of_one_is_uniform() -> None:
    zeros = {name: torch.zeros(1, 1, 2, 2) for name in PANEL}
    for normaliser in ("training-set", "image"):
        config = LossConfig(normaliser=normaliser)
        found = routing_weights(zeros, dict.fromkeys(PANEL, 0.0), config)
        assert all(torch.equal(w, torch.full_like(w, 0.5)) for w in found.values())


@pytest.mark.parametrize("structure", ["gaussian11", "block8"])
@pytest.mark.parametrize("name", ["4c", "4d", "4e", "4f", "4g", "7-0.1"])
def test_gradients(name: str, structure: str) -> None:
    config = LossConfig(**ablation(name).loss, structure=structure)
    fused, features, targets = random_case(12)
    loss = DistillationLoss(config, MEANS).double()

    def total(image: Tensor, *given: Tensor) -> Tensor:
        return loss(image, dict(zip(PANEL, given, strict=True)), targets).total

    inputs = [x.requires_grad_() for x in (fused, *features.values())]
    assert torch.autograd.gradcheck(total, inputs, fast_mode=True)


def test_learned_global_weights_keep_every_backbone() -> None:
    _, features, targets = random_case()
    loss = DistillationLoss(LossConfig(routing="global"), MEANS).double()
    optimizer = torch.optim.Adam(loss.parameters(), 0.05)
    for _ in range(400):
        optimizer.zero_grad()
        loss.feature_loss(features, targets).backward()
        optimizer.step()
    assert loss.weights is not None
    # the optimum of exp(-s) L + s is s = log L
    each = [float((features[n] - targets.features[n]).square().mean()) for n in PANEL]
    assert loss.weights.log_scales.tolist() == pytest.approx(np.log(each).tolist(), abs=0.02)


def test_structure_is_zero_for_equal_images() -> None:
    fused, features, targets = random_case()
    same = dataclasses.replace(targets, mean=fused)
    assert float(DistillationLoss(LossConfig(), MEANS)(fused, features, same).structure) < 1e-7


def test_calibrated_weights_give_the_wanted_shares() -> None:
    fused, features, targets = random_case()
    fused.requires_grad_()
    dependent = {name: x * fused.mean() for name, x in features.items()}
    losses = DistillationLoss(LossConfig(), MEANS)(fused, dependent, targets)
    norms = gradient_norms(losses, fused)
    config = calibrated(LossConfig(), norms, {"feature": 0.25, "structure": 0.5})
    assert config.feature_weight * norms["feature"] == pytest.approx(0.25 * norms["pixel"])
    assert config.structure_weight * norms["structure"] == pytest.approx(0.5 * norms["pixel"])


def test_features_are_not_needed_where_their_weight_is_zero() -> None:
    fused, _, targets = random_case()
    found = DistillationLoss(LossConfig(feature_weight=0.0), MEANS)(fused, {}, targets)
    assert isinstance(found, Losses)
    assert float(found.feature) == 0.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"routing": "varaince"}, "unknown routing 'varaince'; known: variance, global"),
        ({"temperature": float("nan")}, "temperature: expected 0 or more"),
        ({"variance_floor": 0.0}, "variance_floor"),
    ],
)
def test_wrong_settings_are_clear_errors(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(FusionError, match=message):
        LossConfig(**wrong)  # type: ignore[arg-type]


def test_unknown_backbone_and_grid_are_clear_errors() -> None:
    with pytest.raises(FusionError, match="unknown backbone 'dinov3'; the cache has: vgg16, dino"):
        DistillationLoss(LossConfig(backbones=("dinov3",)), MEANS)
    fused, features, targets = random_case()
    small = {name: x[..., :2] for name, x in features.items()}
    with pytest.raises(FusionError, match="another grid"):
        DistillationLoss(LossConfig(), MEANS)(fused, small, targets)


def test_displacement_equals_that_of_the_evaluation() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
    smooth = np.asarray(torch.nn.functional.avg_pool2d(
        torch.from_numpy(image)[None].float(), 5, 1, 2)[0].round().to(torch.uint8))  # fmt: skip
    expected = evaluate_misalignment.displace(smooth, (3.25, -1.5), 2.0)
    shift, angle = torch.tensor([[3.25, -1.5]]), torch.tensor([2.0])
    found = displace(torch.from_numpy(smooth)[None, None].float(), shift, angle)[0, 0].numpy()
    assert np.abs(found - expected).max() < 2.5  # OpenCV places to 1/32 pixel and rounds


def test_drawn_motions_stay_in_their_bounds_and_repeat() -> None:
    level = Misalignment(5.0, 2.0)
    shift, angle = level.draw(np.random.default_rng(1), 500)
    again, _ = level.draw(np.random.default_rng(1), 500)
    assert torch.equal(shift, again)
    assert 4.9 < float(shift.abs().max()) <= 5.0
    assert 1.9 < float(angle.abs().max()) <= 2.0
