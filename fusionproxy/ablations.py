"""Rows of the paper's Table 4 (ablation) and Table 7 (temperature) as settings, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from fusionproxy.errors import FusionError
from fusionproxy.losses import LossConfig

DUAL = ("mask_difuser", "ddfm")


@dataclass(frozen=True)
class Ablation:
    """What one row changes; everything else is the default."""

    title: str
    teachers: tuple[str, ...] = DUAL
    samples: int = 4  # of each teacher
    loss: LossConfig = field(default_factory=LossConfig)
    student: str = "paper"


ABLATIONS: Mapping[str, Ablation] = {
    # Table 4, block A: the ensemble
    "4a": Ablation("one teacher, K = 1", ("mask_difuser",), 1),
    "4b": Ablation("one teacher, mean of K = 8", ("mask_difuser",), 8),
    "4c": Ablation("two teachers, K = 4 each"),
    # block B: the supervision
    "4d": Ablation("VGG-only perceptual loss", loss=LossConfig(backbones=("vgg16",))),
    "4e": Ablation("multi-FM, uniform weighting", loss=LossConfig(temperature=math.inf)),
    "4f": Ablation("multi-FM, learned global weights", loss=LossConfig(routing="global")),
    "4g": Ablation("without uncertainty weighting", loss=LossConfig(uncertainty=False)),
    "4h": Ablation("full dual-signal"),
    # block C: the student
    "4i": Ablation("ultra-light CNN", student="ultralight"),
    "4j": Ablation("EfficientFormer V2-S1", student="efficientformerv2_s1"),
    "4k": Ablation("MobileNetV4-Conv-M", student="mobilenetv4_conv_m"),
    "4l": Ablation("ConvNeXt V2 (default)"),
    # Table 7: temperature; the rows between are reconstructed, confidence 65 %
    "7-0.1": Ablation("near hard argmax", loss=LossConfig(temperature=0.1)),
    "7-0.5": Ablation("sharp soft routing", loss=LossConfig(temperature=0.5)),
    "7-1": Ablation("softmax (default)", loss=LossConfig(temperature=1.0)),
    "7-2": Ablation("smoothed soft routing", loss=LossConfig(temperature=2.0)),
    "7-10": Ablation("near uniform", loss=LossConfig(temperature=10.0)),
    "7-inf": Ablation("uniform", loss=LossConfig(temperature=math.inf)),
}


def ablation(name: str) -> Ablation:
    """Look a row up by name."""
    if name not in ABLATIONS:
        raise FusionError(f"unknown ablation '{name}'; known: {', '.join(ABLATIONS)}")
    return ABLATIONS[name]
