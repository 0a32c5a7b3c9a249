"""Names of the files that a student comes in, and their hashes; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fusiondrive.provenance import file_hash

TENSORS = ".safetensors"
TORCHSCRIPT = ".torchscript"
IR = ".xml"  # OpenVINO; its weights are beside it in a .bin
INT8 = ".int8.xml"
# suffix by the name that `fusionproxy.export --formats` takes
EXPORTS: Mapping[str, str] = {
    "onnx": ".onnx",
    "openvino": IR,
    "int8": INT8,
    "torchscript": TORCHSCRIPT,
}
# what `FusionProxy.from_pretrained` prefers in a folder, first to last
PREFERRED = (".onnx", IR, TORCHSCRIPT, TENSORS)


def stem_of(path: Path) -> str:
    """Name that the files of one student share: `s` of `s.onnx` and of `s.int8.xml`."""
    name = path.name
    suffix = INT8 if name.endswith(INT8) else path.suffix
    return name.removesuffix(suffix)


def beside(path: Path, suffix: str) -> Path:
    """The same student's file of another suffix."""
    return path.with_name(stem_of(path) + suffix)


def weights_hash(path: Path) -> str:
    """SHA-256 of a weights file, with the .bin of an OpenVINO IR; first 12 hex digits."""
    weights = path.with_suffix(".bin")
    is_split = path.suffix == IR and weights.is_file()
    return file_hash(path, weights) if is_split else file_hash(path)
