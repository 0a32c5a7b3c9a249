"""The colour changes of TransFuser++, each by what it must and must not do."""

from __future__ import annotations

import pytest
import torch

from policies.training.photometric import (
    CHANGES,
    DROPPED,
    FACTOR,
    MIDDLE,
    NOISE,
    Change,
    blur,
    contrast,
    dropout,
    elastic,
    grey,
    multiply,
    noise,
    photometric,
)


def drawn(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return 0.2 + 0.6 * torch.rand((64, 3, 24, 32), generator=drawn(0))


@pytest.mark.parametrize("change", CHANGES)
def test_a_seed_repeats_and_another_does_not(images: torch.Tensor, change: Change) -> None:
    once, again, other = (change(images, drawn(seed)) for seed in (3, 3, 4))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert once.shape == images.shape


@pytest.mark.parametrize("change", [blur, grey, elastic])
def test_a_plain_grey_picture_stays(change: Change) -> None:
    plain = torch.full((8, 3, 24, 32), 0.4)
    assert torch.allclose(change(plain, drawn()), plain, atol=1e-6)


def test_blur_is_between_none_and_one_pixel(images: torch.Tensor) -> None:
    point = torch.zeros((200, 3, 9, 9))
    point[:, :, 4, 4] = 1.0
    spread = blur(point, drawn())
    assert torch.allclose(spread.sum(dim=(2, 3)), torch.ones(200, 3), atol=1e-5)
    middle = spread[:, 0, 4, 4]
    one_pixel = torch.softmax(-0.5 * torch.arange(-2.0, 3.0) ** 2, 0)[2] ** 2
    assert middle.min() >= one_pixel - 1e-6
    assert middle.max() > 0.99


def test_noise_has_its_strength_and_is_common_to_the_channels_of_half(
    images: torch.Tensor,
) -> None:
    added = noise(images, drawn()) - images
    assert 0.3 * NOISE < added.std() < 0.8 * NOISE
    is_common = (added[:, :1] - added).abs().amax(dim=(1, 2, 3)) < 1e-6
    assert 0.25 < is_common.float().mean() < 0.75


def test_dropout_blackens_a_share(images: torch.Tensor) -> None:
    share = (dropout(images, drawn()) == 0.0).float().mean(dim=(1, 2, 3))
    assert 0.5 * DROPPED[0] < share.min() < share.max() < 1.3 * DROPPED[1]


@pytest.mark.parametrize(("change", "middle"), [(multiply, 0.0), (contrast, MIDDLE)])
def test_factors_are_one_a_channel_and_in_range(
    images: torch.Tensor, change: Change, middle: float
) -> None:
    factor = (change(images, drawn()) - middle) / (images - middle)
    sure = (images - middle).abs() > 0.05
    per_channel = torch.where(sure, factor, torch.nan).nanmedian(dim=3).values.nanmedian(2).values
    assert per_channel.min() >= 1.0 / FACTOR - 1e-3
    assert per_channel.max() <= FACTOR + 1e-3
    error = torch.where(sure, factor - per_channel[:, :, None, None], 0.0)
    assert error.abs().max() < 1e-3


def test_grey_keeps_the_luma_and_half_of_the_colour(images: torch.Tensor) -> None:
    changed = grey(images, drawn())
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    assert torch.allclose((changed * luma).sum(1), (images * luma).sum(1), atol=1e-5)
    kept = (changed[:, 0] - changed[:, 2]).std(dim=(1, 2)) / (images[:, 0] - images[:, 2]).std(
        dim=(1, 2)
    )
    assert 0.5 - 1e-3 < kept.min() < 0.7
    assert 0.8 < kept.max() < 1.0


def test_elastic_moves_less_than_two_pixels() -> None:
    ramp = torch.arange(32.0).view(1, 1, 1, 32).expand(16, 3, 24, 32) / 32.0
    moved_px = 32.0 * (elastic(ramp, drawn()) - ramp).abs()
    assert 0.2 < moved_px[..., 2:-2].mean() < 0.8
    assert moved_px[..., 2:-2].max() <= 1.5 + 1e-3


def test_none_changes_nothing_and_all_stay_in_range(images: torch.Tensor) -> None:
    assert torch.equal(photometric(images, 0.0, drawn()), images)
    changed = photometric(images, 0.5, drawn())
    assert not torch.equal(changed, images)
    assert changed.min() >= 0.0
    assert changed.max() <= 1.0
    untouched = (changed == images).all(dim=3).all(dim=2).all(dim=1)
    assert untouched.float().mean() < 0.2
