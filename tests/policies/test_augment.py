import dataclasses

import torch

from policies.training.augment import Augmentation, augment, swap_scenery

PLAIN = Augmentation(brightness=0.0, contrast=0.0, tint=0.0, noise=0.0)


def batch() -> torch.Tensor:
    """Pictures of one value each: 0, 1/8, 2/8 ..."""
    return (torch.arange(8.0) / 8.0).view(8, 1, 1, 1).expand(8, 3, 88, 200).contiguous()


def test_scenery_comes_from_the_picture_before_and_the_street_stays() -> None:
    images = batch()
    swapped = swap_scenery(images, 1.0, torch.Generator().manual_seed(0))
    changed = swapped != images
    assert torch.equal(swapped[changed], images.roll(1, 0)[changed])
    assert changed.any(dim=(1, 2, 3)).all()
    assert not changed[:, :, 37:].any()  # the street nearby
    assert not changed[:, :, 22:, 76:124].any()  # the own lane ahead
    assert 0.05 < changed.float().mean() < 0.35


def test_no_share_no_change_and_a_seed_repeats() -> None:
    images = batch()
    assert torch.equal(augment(images, PLAIN, torch.Generator()), images)
    swapping = dataclasses.replace(PLAIN, scenery_swap=0.5)
    first, again = (augment(images, swapping, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, images)


def test_light_changes_stay_in_range() -> None:
    images = torch.rand((4, 3, 20, 30), generator=torch.Generator().manual_seed(1))
    lit = augment(images, Augmentation(), torch.Generator().manual_seed(2))
    assert lit.min() >= 0.0
    assert lit.max() <= 1.0
    assert 0.0 < (lit - images).abs().mean() < 0.15
