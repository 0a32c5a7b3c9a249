"""The frozen panel of backbones, whose features share one grid (needs torch and timm)."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fusiondrive.provenance import bytes_hash
from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.foundations.specs import HUB, RANDOM, BackboneSpec
from fusionproxy.foundations.standins import PIP_WEIGHTS, pip_state, read_tensors

try:
    import timm
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

SILENT = 0.05  # channels below this share of the mean standard deviation are left out
SMALLEST_GRID = 2


class Backbone(nn.Module):
    """One frozen network up to one layer; gradients flow only to the image."""

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.spec = spec
        network = _load(spec)
        self.is_vgg = spec.architecture.startswith("vgg")
        if self.is_vgg:
            self.network: nn.Module = network.features[: spec.layer + 1]
            for layer in self.network:
                if isinstance(layer, nn.ReLU):
                    layer.inplace = False
        else:
            network.prune_intermediate_layers([spec.layer], prune_norm=True, prune_head=True)
            self.network = network
        self.weights_hash = _hash(self.network)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(spec.mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).reshape(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> Tensor:
        """Compute features (B, C, h, w) at the network's stride from RGB (B, 3, H, W) in [0, 1]."""
        size = [max(1, round(side / self.spec.patch)) * self.spec.patch for side in image.shape[2:]]
        if size != list(image.shape[2:]):
            image = F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
        x = (image - self.mean) / self.std
        if self.is_vgg:
            return torch.as_tensor(self.network(x))
        found: list[Tensor] = self.network.forward_intermediates(  # type: ignore[operator]
            x, indices=[self.spec.layer], intermediates_only=True, stop_early=True
        )
        return found[0]

    def train(self, mode: bool = True) -> Backbone:
        """Stay in evaluation mode, since the panel is frozen."""
        return super().train(False)


class Panel(nn.Module):
    """Several backbones whose features share one grid.

    Features are resampled bilinearly to 1/`stride` of the image and divided by `scales`, the
    standard deviation of each channel over the training set (see `ScaleEstimate`).
    """

    def __init__(self, specs: Sequence[BackboneSpec], stride: int = 16) -> None:
        super().__init__()
        if stride < 1:
            raise FusionError(f"grid stride: expected 1 or more, found {stride}")
        self.stride = stride
        self.backbones = nn.ModuleDict({spec.slot: Backbone(spec) for spec in specs})
        self.scales: dict[str, Tensor] = {}

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the backbones, in order."""
        return tuple(self.backbones)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the common grid for an image."""
        found = (round(height / self.stride), round(width / self.stride))
        if min(found) < SMALLEST_GRID:
            least = SMALLEST_GRID * self.stride
            raise FusionError(f"an image of {height} x {width} has no grid; at least {least} px")
        return found

    def raw(self, image: Tensor, slots: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Compute unscaled features on the common grid, (B, C, h, w) by slot."""
        grid = self.grid(image.shape[2], image.shape[3])
        found = {}
        for slot in self.slots if slots is None else slots:
            x = self.backbones[slot](image)
            if x.shape[2:] != grid:
                x = F.interpolate(x, grid, mode="bilinear", align_corners=False)
            found[slot] = x
        return found

    def forward(self, image: Tensor, slots: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Compute scaled features, (B, C, h, w) by slot, of RGB (B, 3, H, W) in [0, 1]."""
        raw = self.raw(image, slots)
        missing = [slot for slot in raw if slot not in self.scales]
        if missing:
            raise FusionError(f"the panel has no scales yet for: {', '.join(missing)}")
        return {slot: x / self.scales[slot].to(x) for slot, x in raw.items()}

    def set_scales(self, scales: Mapping[str, Tensor]) -> None:
        """Set the standard deviation of each channel, (C,) by slot.

        Channels that hardly vary over the training set are set to zero, as over half of the VGG
        stand-in's are. The first images of a student excite them, and divided by a tiny standard
        deviation they would outweigh all others a million times.
        """
        self.scales = {
            slot: s.masked_fill(s <= SILENT * s.mean(), torch.inf).reshape(1, -1, 1, 1)
            for slot, s in scales.items()
        }

    def card(self) -> list[dict[str, Any]]:
        """Facts about the panel for model cards and a cache's identity, without local paths."""
        return [_describe(self.backbones[slot]) for slot in self.slots]  # type: ignore[arg-type]


class ScaleEstimate:
    """Running estimate of each channel's standard deviation over images and places."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, Tensor, Tensor]] = {}

    def add(self, features: Mapping[str, Tensor]) -> None:
        """Add unscaled features, (B, C, h, w) by slot."""
        for slot, x in features.items():
            rows = x.detach().double().transpose(0, 1).flatten(1)  # (C, N)
            count, mean = float(rows.shape[1]), rows.mean(1)
            squares = (rows - mean[:, None]).square().sum(1)
            if slot in self._sums:  # Chan et al. 1979: merging two sets
                n, m, s = self._sums[slot]
                total = n + count
                squares = s + squares + (mean - m).square() * (n * count / total)
                mean = m + (mean - m) * (count / total)
                count = total
            self._sums[slot] = (count, mean, squares)

    def scales(self) -> dict[str, Tensor]:
        """The standard deviations so far, (C,) float32 by slot."""
        return {slot: (s / n).sqrt().float() for slot, (n, _, s) in self._sums.items()}


def _describe(backbone: Backbone) -> dict[str, Any]:
    spec = backbone.spec
    note = ""
    if spec.weights.startswith("pip:"):
        note = PIP_WEIGHTS[spec.weights[4:]].note
    source = spec.weights
    if source not in (HUB, RANDOM) and not source.startswith("pip:"):
        source = f"file:{Path(source).name}"
    return {
        "slot": spec.slot,
        "architecture": spec.hub_name if spec.tag and source == HUB else spec.architecture,
        "layer": spec.layer,
        "weights": source,
        "weights_sha256_12": backbone.weights_hash,
        "stands_for": spec.stands_for,
        "note": note,
    }


def _hash(network: nn.Module) -> str:
    weights = sorted(network.state_dict().items())
    return bytes_hash(
        part
        for key, value in weights
        for part in (key.encode(), value.detach().cpu().contiguous().numpy().tobytes())
    )


def _load(spec: BackboneSpec) -> Any:
    options: dict[str, Any] = {"num_classes": 0} if not spec.architecture.startswith("vgg") else {}
    if "vit_" in spec.architecture and not spec.architecture.startswith("samvit"):
        options["dynamic_img_size"] = True
    if spec.weights == HUB:
        return _from_hub(spec, options)
    if spec.weights == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return timm.create_model(spec.architecture, pretrained=False, **options)
    if spec.weights.startswith("pip:"):
        network = timm.create_model(spec.architecture, pretrained=False)
        network.load_state_dict(pip_state(spec.weights[4:], network), strict=False)
        return network
    return _from_file(spec, Path(spec.weights), options)


def _from_hub(spec: BackboneSpec, options: dict[str, Any]) -> Any:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return timm.create_model(spec.hub_name, pretrained=True, **options)
    except (OSError, HfHubHTTPError) as err:
        raise FusionError(
            f"weights of '{spec.slot}' ({spec.hub_name}) cannot be had from the Hugging Face hub "
            f"({type(err).__name__}). On a connected machine run `huggingface-cli download "
            f"timm/{spec.hub_name}` and give `--weights {spec.slot}=model.safetensors` here, or "
            "take `--panel standin` (weights that pip brings; the card will say so)"
        ) from err


def _from_file(spec: BackboneSpec, path: Path, options: dict[str, Any]) -> Any:
    if path.suffix not in (".safetensors", ".pth", ".pt", ".bin"):
        raise FusionError(f"{path}: expected .safetensors, .pth, .pt or .bin")
    state = read_tensors(path)
    network = timm.create_model(spec.architecture, pretrained=False, **options)
    # timm's filters also take the original keys of OpenAI, Meta and torchvision
    convert = getattr(inspect.getmodule(type(network)), "checkpoint_filter_fn", None)
    try:
        state = convert(state, network) if convert else state
        missing = network.load_state_dict(state, strict=False).missing_keys
    except (RuntimeError, KeyError, AttributeError) as err:
        raise FusionError(f"{path} does not fit {spec.architecture}: {str(err)[:300]}") from err
    trunk = "features." if spec.architecture.startswith("vgg") else ""
    missing = [key for key in missing if key.startswith(trunk)]
    if missing:
        shown = ", ".join(missing[:3])
        raise FusionError(
            f"{path} does not fit {spec.architecture}: {len(missing)} tensors are missing, "
            f"such as {shown}"
        )
    return network
