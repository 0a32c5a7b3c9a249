"""Writes a student as ONNX, OpenVINO IR or TorchScript, each for any image size (needs torch)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusionproxy.errors import missing_extra
from fusionproxy.runtime import OnnxModel

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn

    from fusionproxy.scripted import ScriptedFuser
    from fusionproxy.student import Padded
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

EXAMPLE = (300, 400)  # rows, columns while tracing
# rows, columns at which files are compared with torch; most are no multiples of 32
SIZES = ((300, 400), (301, 397), (64, 96), (45, 61))
F32 = NDArray[np.float32]
Runner = Callable[[F32, F32], F32]


def example(height: int, width: int, seed: int = 0) -> tuple[F32, F32]:
    """Infrared (1, 1, H, W) and visible (1, 3, H, W) of noise in [0, 1]."""
    rng = np.random.default_rng(seed)
    shapes = ((1, 1, height, width), (1, 3, height, width))
    infrared, visible = (rng.random(shape, np.float32) for shape in shapes)
    return infrared, visible


def write_onnx(student: Padded, path: Path) -> None:
    """Write a student that takes any image size: infrared (1,1,H,W), visible (1,3,H,W)."""
    images = tuple(torch.from_numpy(image) for image in example(*EXAMPLE))
    sides = {2: "height", 3: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing the border sizes warns; any size is tested
        torch.onnx.export(
            student,
            images,
            str(path),
            input_names=["infrared", "visible"],
            output_names=["fused"],
            opset_version=18,
            dynamo=False,
            dynamic_axes={"infrared": sides, "visible": sides, "fused": sides},
        )


def write_openvino(onnx: Path, path: Path) -> None:
    """Write an ONNX file as OpenVINO IR, `.xml` and `.bin`, at single precision."""
    import openvino

    openvino.save_model(openvino.Core().read_model(onnx), path, compress_to_fp16=False)


class _AnySize(nn.Module):
    """The border of `Padded` in TorchScript, around a traced network that takes multiples."""

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.network, self.multiple = network, multiple

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        height, width = infrared.shape[2], infrared.shape[3]
        right, below = -width % self.multiple, -height % self.multiple
        mode = "reflect" if right < width and below < height else "replicate"
        fused: Tensor = self.network(
            F.pad(infrared, [0, right, 0, below], mode=mode),
            F.pad(visible, [0, right, 0, below], mode=mode),
        )
        return fused[:, :, :height, :width]


def write_torchscript(student: Padded, path: Path) -> None:
    """Write a student as a module called as `module(infrared, visible)`."""
    multiple = student.config.multiple
    size = (2 * multiple, 3 * multiple)
    images = tuple(torch.from_numpy(image) for image in example(*size))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of sizes, TorchScript of its age
        traced = torch.jit.trace(student.student, images, check_trace=False)  # type: ignore[no-untyped-call]
        scripted = torch.jit.script(_AnySize(traced, multiple).eval())
        torch.jit.freeze(scripted).save(str(path))


def openvino_runner(path: Path) -> Runner:
    """Calls an ONNX file or an IR on OpenVINO."""
    model = OnnxModel(path, runtime="openvino")
    return lambda infrared, visible: model(infrared, visible)[0]


def onnxruntime_runner(path: Path) -> Runner:
    """Calls an ONNX file on ONNX Runtime."""
    model = OnnxModel(path, runtime="onnxruntime")
    return lambda infrared, visible: model(infrared, visible)[0]


def torchscript_runner(path: Path) -> Runner:
    """Calls a TorchScript file."""
    module = ScriptedFuser(path)

    def run(infrared: F32, visible: F32) -> F32:
        fused: F32 = module(torch.from_numpy(infrared), torch.from_numpy(visible)).numpy()
        return fused

    return run


# how the files of a format are run: name of the runtime, and its runner
RUNNERS: Mapping[str, Mapping[str, Callable[[Path], Runner]]] = {
    "onnx": {"openvino": openvino_runner, "onnxruntime": onnxruntime_runner},
    "openvino": {"openvino": openvino_runner},
    "int8": {"openvino": openvino_runner},
    "torchscript": {"torchscript": torchscript_runner},
}


def parity(student: Padded, run: Runner) -> dict[str, float]:
    """Largest difference between torch and a file, by image size `WIDTHxHEIGHT`."""
    found = {}
    for height, width in SIZES:
        infrared, visible = example(height, width)
        with torch.no_grad():
            expected = student(torch.from_numpy(infrared), torch.from_numpy(visible)).numpy()
        difference = float(np.abs(run(infrared, visible) - expected).max())
        found[f"{width}x{height}"] = difference
    return found


def quiet() -> None:
    """Keep the converters' own logs off the screen."""
    for name in ("torch.onnx", "nncf", "openvino"):
        logging.getLogger(name).setLevel(logging.ERROR)
