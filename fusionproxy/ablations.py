"""Rows of the paper's Table 4 (ablation) and Table 7 (temperature) as settings, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fusionproxy.errors import FusionError

DUAL = ("mask_difuser", "ddfm")


@dataclass(frozen=True)
class Ablation:
    """What one row changes; everything else stays as the run's other settings have it.

    The paper's own rows stand on its full setting, `--preset paper` and a cache of both teachers
    with K = 4.
    """

    title: str
    teachers: tuple[str, ...] | None = None  # of the cache; None takes what it has
    samples: int | None = None  # of each teacher
    loss: Mapping[str, Any] = field(default_factory=dict)  # fields of LossConfig
    student: str | None = None


ABLATIONS: Mapping[str, Ablation] = {
    # Table 4, block A: the ensemble
    "4a": Ablation("one teacher, K = 1", ("mask_difuser",), 1),
    "4b": Ablation("one teacher, mean of K = 8", ("mask_difuser",), 8),
    "4c": Ablation("two teachers, K = 4 each", DUAL, 4),
    # block B: the supervision
    "4d": Ablation("VGG-only perceptual loss", loss={"backbones": ("vgg16",)}),
    "4e": Ablation("multi-FM, uniform weighting", loss={"temperature": math.inf}),
    "4f": Ablation("multi-FM, learned global weights", loss={"routing": "global"}),
    "4g": Ablation("without uncertainty weighting", loss={"uncertainty": False}),
    "4h": Ablation("full dual-signal"),
    # block C: the student
    "4i": Ablation("ultra-light CNN", student="ultralight"),
    "4j": Ablation("EfficientFormer V2-S1", student="efficientformerv2_s1"),
    "4k": Ablation("MobileNetV4-Conv-M", student="mobilenetv4_conv_m"),
    "4l": Ablation("ConvNeXt V2 (default)", student="paper"),
    # Table 7: temperature; the rows between are reconstructed, confidence 65 %
    "7-0.1": Ablation("near hard argmax", loss={"temperature": 0.1}),
    "7-0.5": Ablation("sharp soft routing", loss={"temperature": 0.5}),
    "7-1": Ablation("softmax (default)", loss={"temperature": 1.0}),
    "7-2": Ablation("smoothed soft routing", loss={"temperature": 2.0}),
    "7-10": Ablation("near uniform", loss={"temperature": 10.0}),
    "7-inf": Ablation("uniform", loss={"temperature": math.inf}),
}


def ablation(name: str) -> Ablation:
    """Look a row up by name."""
    if name not in ABLATIONS:
        raise FusionError(f"unknown ablation '{name}'; known: {', '.join(ABLATIONS)}")
    return ABLATIONS[name]
