"""Mask-DiFuser: the two corrupted views, the network, sampling."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fusionproxy.errors import FusionError
from fusionproxy.teachers.corruption import DEGRADATIONS, CorruptionConfig, corrupt
from fusionproxy.teachers.diffusion import make_scheduler
from fusionproxy.teachers.mask_difuser import MaskDiFuserPipeline, pipeline_of
from fusionproxy.teachers.mask_difuser_net import MaskDiFuserNet, network_config


def tiny_network(patch: int = 1) -> MaskDiFuserNet:
    torch.manual_seed(0)
    network = MaskDiFuserNet(**network_config("tiny"), patch=patch, refine=4 * (patch - 1))
    torch.nn.init.normal_(network.last.weight, std=0.02)
    if network.refinement is not None:
        torch.nn.init.normal_(network.refinement[-1].weight, std=0.02)
    return network.eval()


def image(size: int = 128) -> np.ndarray:
    return np.random.default_rng(0).random((size, size, 3), np.float32)


def test_views_lose_opposite_halves_and_hold_the_image_together() -> None:
    clean = image()
    config = CorruptionConfig(grey_share=1.0, other_share=0.0)
    first, second = corrupt(clean, np.random.default_rng(1), config)
    lost = [(view != clean).any(2) for view in (first, second)]
    assert (lost[0] ^ lost[1]).all()
    assert lost[0].mean() == pytest.approx(0.5)
    grey = {
        float(v) for view, gone in zip((first, second), lost, strict=True) for v in view[gone][0]
    }
    assert len(grey) == 1  # one level for both


def test_shares_of_grey_and_degraded_patches() -> None:
    clean = image(512)
    first, _ = corrupt(clean, np.random.default_rng(2))
    patches = first.reshape(64, 8, 64, 8, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 192)
    whole = clean.reshape(64, 8, 64, 8, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 192)
    grey = (patches.max(1) == patches.min(1)).mean()
    kept = (patches == whole).all(1).mean()
    assert grey == pytest.approx(0.45, abs=0.02)
    assert kept == pytest.approx(0.45, abs=0.02)  # the rest is degraded


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_degradations_change_the_image_within_its_range(name: str) -> None:
    clean = image(32)
    found = DEGRADATIONS[name](clean, np.random.default_rng(3))
    assert found.shape == clean.shape
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1
    assert np.abs(found - clean).mean() > 0.001


def test_odd_sizes_are_corrupted_too() -> None:
    first, second = corrupt(image(37), np.random.default_rng(0))
    assert first.shape == second.shape == (37, 37, 3)


def test_sources_are_exchangeable_in_the_blocks() -> None:
    # z1 and z2 swap with the sources; only the gate and the mixing tell them apart
    network = tiny_network()
    x, a, b = (torch.randn(1, 3, 32, 32) for _ in range(3))
    ordered = network(x, torch.tensor([500]), a, b)
    assert ordered.shape == x.shape
    assert not torch.allclose(ordered, network(x, torch.tensor([500]), b, a))


@pytest.mark.parametrize("patch", [1, 2])
def test_every_parameter_learns(patch: int) -> None:
    network = tiny_network(patch).train()
    x, a, b = (torch.randn(2, 3, 32, 32) for _ in range(3))
    network(x, torch.tensor([3, 900]), a, b).square().mean().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None]
    assert not silent


@pytest.mark.parametrize("patch", [1, 4])
def test_samples_fit_any_size_and_follow_their_noise(patch: int) -> None:
    pipeline = pipeline_of(tiny_network(patch), make_scheduler())
    infrared, visible = torch.rand(1, 1, 35, 50), torch.rand(1, 3, 35, 50)

    def sample(seed: int) -> Tensor:
        return pipeline(infrared, visible, torch.Generator().manual_seed(seed))

    assert sample(0).shape == (1, 3, 35, 50)
    assert torch.equal(sample(0), sample(0))
    assert not torch.equal(sample(0), sample(1))


def test_a_perfect_predictor_gives_the_clean_image() -> None:
    pipeline = pipeline_of(tiny_network(), make_scheduler("sample"))
    clean = torch.rand(1, 3, 32, 32)
    pipeline.network.forward = lambda x, t, a, b: clean * 2 - 1
    found = pipeline(torch.rand(1, 1, 32, 32), torch.rand(1, 3, 32, 32))
    assert torch.allclose(found, clean, atol=1e-5)


@pytest.mark.parametrize("patch", [1, 2])
def test_saved_pipeline_comes_back(patch: int, tmp_path: Path) -> None:
    pipeline = pipeline_of(tiny_network(patch), make_scheduler("sample"))
    pipeline.save_pretrained(tmp_path)
    network = MaskDiFuserNet.from_pretrained(tmp_path / "network", low_cpu_mem_usage=False)
    again = MaskDiFuserPipeline(network, make_scheduler("sample"))
    pair = torch.rand(1, 1, 32, 32), torch.rand(1, 3, 32, 32)
    first, second = (p(*pair, torch.Generator().manual_seed(1)) for p in (pipeline, again))
    assert torch.allclose(first, second, atol=1e-5)


def test_sides_that_do_not_fit_are_a_clear_error() -> None:
    x = torch.zeros(1, 3, 30, 32)
    with pytest.raises(FusionError, match="multiples of 16"):
        tiny_network()(x, torch.tensor([0]), x, x)
    even = torch.zeros(1, 3, 16, 48)
    with pytest.raises(FusionError, match="multiples of 32"):
        tiny_network(4)(even, torch.tensor([0]), even, even)
    pipeline = pipeline_of(tiny_network(), make_scheduler())
    with pytest.raises(FusionError, match="of one size"):
        pipeline(torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 9))
