"""The least time that a network can take on a machine, from its layers as OpenVINO runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_BYTES = {"f32": 4, "i32": 4, "f16": 2, "bf16": 2, "u8": 1, "i8": 1, "i64": 8, "boolean": 1}
_FREE = ("Parameter", "Input", "Result", "Output", "Constant", "Const", "Reshape")


@dataclass(frozen=True)
class Layer:
    """One layer as it runs: fused with what follows it, reorders among them."""

    kind: str
    gflop: float
    megabytes: float  # read and written, weights included


def layers_of(compiled: Any) -> list[Layer]:
    """Layers of a compiled OpenVINO model of fixed shapes."""
    found = []
    for op in compiled.get_runtime_model().get_ops():
        kind = op.get_rt_info()["layerType"].astype(str)
        if kind in _FREE:
            continue
        bytes_ = sum(_size(item) for item in (*op.inputs(), *op.outputs()))
        found.append(Layer(kind, _gflop(op, kind), bytes_ / 1e6))
    return found


def _size(port: Any) -> int:
    shape = list(port.get_shape())
    return int(np.prod(shape)) * _BYTES.get(port.get_element_type().get_type_name(), 4)


def _gflop(op: Any, kind: str) -> float:
    """Two a weight and output pixel, of convolutions; of matrix products two a pair."""
    if kind not in ("Convolution", "FullyConnected", "MatMul") or len(op.inputs()) < 2:
        return 0.0
    out, weight = list(op.output(0).get_shape()), list(op.input(1).get_shape())
    if kind == "Convolution":  # (out, in, kh, kw), or (groups, out, in, kh, kw)
        taps = int(np.prod(weight)) / out[1]
    else:
        taps = list(op.input(0).get_shape())[-1]
    return float(2 * np.prod(out) * taps / 1e9)


def least_ms(layers: list[Layer], gflops: float, gbytes: float) -> float:
    """Sum over layers of the longer of computing and moving; nothing else is counted.

    Args:
        layers: of `layers_of`.
        gflops: of the machine's matrix product, GFLOP/s.
        gbytes: of its copies, GB/s.
    """
    return sum(max(layer.gflop / gflops, layer.megabytes / 1e3 / gbytes) * 1e3 for layer in layers)
