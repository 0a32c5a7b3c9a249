"""Int8 versions of exported students: calibration on pairs, and what they lose (extra `int8`)."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusionproxy.data import hold_out
from fusionproxy.errors import FusionError
from fusionproxy.inference import OnnxStudent, unit_planes
from fusionproxy.pair_source import Pair, PairSource
from fusionproxy.quality.registry import choose, measure

LEAST_DB = 38.0  # of int8 against fp32
# Layers that become int8, by preset. Stems and the last layers stay exact, since they see and make
# every pixel: with them the worst of eight RoadScene pairs has 37.5 dB, without them 39.0. Sums and
# products between layers stay exact, too: as int8 they cost 5 dB and are slower than fp32.
LAYERS: Mapping[str, str] = {
    "cpu": r"/(depthwise|expand|project|phi)/|/(down|lateral)\.",
    "ultralight": r"/(depthwise|expand|project)/",
    "paper": r"^/student/(infrared|visible|heads|up)",
}
WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")


@dataclass(frozen=True)
class Calibration:
    """Which pairs set the ranges and which measure the loss."""

    source: PairSource
    width: int = 640
    height: int = 480
    most: int = 48  # that calibrate
    most_measured: int = 20

    def split(self) -> tuple[list[int], list[int]]:
        """Indices that calibrate and that measure, by sequence; the same of a single sequence."""
        held = hold_out(self.source.sequences)
        every = range(len(self.source))
        measuring = [i for i in every if self.source.sequences[i] in held] or list(every)
        calibrating = [i for i in every if self.source.sequences[i] not in held]
        return _evenly(calibrating, self.most), _evenly(measuring, self.most_measured)

    def load(self, indices: Sequence[int]) -> Iterator[Pair]:
        """Pairs at the size of calibration."""
        for index in indices:
            yield self.source.load(index).resized(self.width, self.height)


def _evenly(items: Sequence[int], most: int) -> list[int]:
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[int(place)] for place in places]


def import_nncf() -> Any:
    """The quantizer.

    Raises:
        FusionError: it is not installed.
    """
    try:
        import nncf
    except ModuleNotFoundError as err:
        raise FusionError(
            f"the module '{err.name}' is not installed; int8 needs the extra 'int8': "
            "pip install 'fusiondrive[int8]'"
        ) from err
    nncf.set_log_level(logging.ERROR)
    return nncf


def write_int8(onnx: Path, path: Path, preset: str, pairs: Sequence[Pair]) -> int:
    """Write an ONNX student as IR with int8 layers; returns how many layers those are.

    Raises:
        FusionError: nncf is not installed, or the student has no such layers.
    """
    nncf = import_nncf()
    import openvino

    model = openvino.Core().read_model(onnx)
    weighted = [op for op in model.get_ops() if op.get_type_name() in WEIGHTED]
    pattern = re.compile(LAYERS[preset])
    names = [op.get_friendly_name() for op in weighted]
    kept = [name for name in names if not pattern.search(name)]
    if len(kept) == len(names):
        raise FusionError(f"{onnx}: no layers of preset '{preset}' to quantize")
    others = {op.get_type_name() for op in model.get_ops()} - {*WEIGHTED, "Constant", "Parameter"}
    data = nncf.Dataset([unit_planes(pair.visible, pair.infrared) for pair in pairs])
    quantized = nncf.quantize(
        model,
        data,
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(pairs),
        ignored_scope=nncf.IgnoredScope(names=kept, types=sorted(others), validate=False),
    )
    openvino.save_model(quantized, path, compress_to_fp16=False)
    return len(names) - len(kept)


def psnr_db(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """Peak signal-to-noise ratio of 8-bit images; infinite where they are equal."""
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def loss_of(exact: Path, quantized: Path, pairs: Sequence[Pair]) -> dict[str, Any]:
    """PSNR of int8 against fp32 in 8 bits, and the metrics of both."""
    students = {"fp32": OnnxStudent(exact), "int8": OnnxStudent(quantized)}
    chosen = choose()
    ratios, values = [], {name: [] for name in students}  # type: ignore[var-annotated]
    for pair in pairs:
        fused = {name: item.fuse(pair.visible, pair.infrared) for name, item in students.items()}
        ratios.append(min(psnr_db(fused["fp32"], fused["int8"]), 99.0))
        for name, image in fused.items():
            found = measure(image, pair.infrared, pair.visible, chosen)
            values[name].append([found[item.title] for item in chosen])
    means = {name: np.nanmean(np.array(rows), axis=0) for name, rows in values.items()}
    return {
        "psnr_db": {"mean": float(np.mean(ratios)), "worst": float(min(ratios))},
        "metrics": {
            item.title: {name: float(mean[i]) for name, mean in means.items()}
            for i, item in enumerate(chosen)
        },
    }


def quantize(onnx: Path, path: Path, preset: str, calibration: Calibration) -> dict[str, Any]:
    """Write and judge an int8 student; returns what its card says.

    Raises:
        FusionError: its outputs are too far from fp32, or the pairs cannot be read.
    """
    calibrating, measuring = calibration.split()
    layers = write_int8(onnx, path, preset, list(calibration.load(calibrating)))
    measured = list(calibration.load(measuring))
    loss = loss_of(onnx, path, measured)
    if not loss["psnr_db"]["mean"] > LEAST_DB:
        raise FusionError(
            f"int8 has a PSNR of {loss['psnr_db']['mean']:.1f} dB against fp32, expected above "
            f"{LEAST_DB:g}; calibrate with more pairs of the kind that will be fused"
        )
    return {
        "layers": layers,
        "calibrated_on": len(calibrating),
        "measured_on": len(measuring),
        "held_out": not set(calibrating) & set(measuring),
        "size": f"{calibration.width}x{calibration.height}",
        "data_sha256_12": calibration.source.card()["sha256_12"],
        **loss,
    }
