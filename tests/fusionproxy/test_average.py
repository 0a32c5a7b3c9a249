"""What trainers share: the average of the weights is what it was before torch had one."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from fusionproxy.training import averaged, rate_factor, restore_average


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))


def wander(net: nn.Module) -> None:
    """Other weights and statistics, as a training step leaves them."""
    net(torch.rand(5, 3, 8, 8))
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.1 * torch.randn_like(weight))


def lerp_by_hand(average: dict[str, Tensor], net: nn.Module, keep: float) -> None:
    for name, theirs in net.state_dict().items():
        if theirs.is_floating_point():
            average[name].lerp_(theirs, 1.0 - keep)
        else:
            average[name].copy_(theirs)


def test_the_average_equals_one_by_hand_to_the_bit_and_goes_on_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = network()
    average = averaged(net, 0.6)
    by_hand = {name: value.clone() for name, value in net.state_dict().items()}
    for step in range(1, 13):
        wander(net)
        average.update_parameters(net)
        lerp_by_hand(by_hand, net, min(0.6, (1 + step) / (10 + step)))
        if step == 4:  # a run that is broken here and goes on
            torch.save(average.module.state_dict(), tmp_path / "weights.pth")
            average = averaged(network(), 0.6)
            restore_average(average, torch.load(tmp_path / "weights.pth"), step)
    found = average.module.state_dict()
    assert list(found) == list(by_hand)  # checkpoints keep their keys
    assert all(torch.equal(found[name], by_hand[name]) for name in by_hand)
    assert int(found["1.num_batches_tracked"]) == 12
    assert not average.module.training


def test_statistics_are_the_mean_over_batches() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3).eval()
    norm(torch.rand(4, 3, 2, 2))
    batches = [torch.rand(4, 3, 2, 2) + number for number in range(3)]
    update_bn(iter(batches), norm)
    means = torch.stack([batch.mean(dim=(0, 2, 3)) for batch in batches])
    torch.testing.assert_close(norm.running_mean, means.mean(dim=0))
    assert (norm.momentum, norm.training) == (0.1, False)


@pytest.mark.parametrize("least", [0.01, 0.02])
def test_the_rate_rises_in_line_and_falls_in_a_cosine(least: float) -> None:
    assert rate_factor(0, 200, 0.0, least) == pytest.approx(1 / 200)
    assert rate_factor(99, 200, 0.0, least) == pytest.approx(0.5)
    assert rate_factor(400, 200, 0.5, least) == pytest.approx((1 + least) / 2)
    assert rate_factor(400, 200, 1.0, least) == pytest.approx(least)
