"""Fusion methods by name for tables: classical rules, network files, folders of outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from fusionproxy.classical import RULES, fuse_luma
from fusionproxy.data import U8
from fusionproxy.errors import FusionError
from fusionproxy.formats import weights_hash
from fusionproxy.images import read_rgb
from fusionproxy.inference import OnnxStudent
from fusionproxy.layouts import SHOWN, images_by_stem
from fusionproxy.model import DEFAULT, SHIPPED, FusionProxy
from fusionproxy.pair_source import Pair
from fusionproxy.partners import ByName


class Method(Protocol):
    """What makes a fused image of a pair."""

    name: str  # row in the tables
    source: str  # what it is: a rule, a file with its hash, a folder

    @property
    def is_timed(self) -> bool:
        """Whether `fuse` runs the method here, so that its time means something."""
        ...

    def check(self, names: Sequence[str]) -> None:
        """Raise FusionError where a pair of these names cannot be fused."""
        ...

    def fuse(self, pair: Pair) -> U8:
        """Fused (H, W, 3) RGB of the pair's size."""
        ...


class Rule:
    """A function of the pair."""

    def __init__(
        self, name: str, source: str, function: Callable[[Pair], U8], *, is_timed: bool = True
    ) -> None:
        self.name, self.source, self.is_timed = name, source, is_timed
        self.fuse = function

    def check(self, names: Sequence[str]) -> None:
        """Every pair can be fused."""


class OutputFolder:
    """Somebody's fused images, named as the pairs are."""

    is_timed = False

    def __init__(self, name: str, folder: Path) -> None:
        if not folder.is_dir():
            raise FusionError(f"method '{name}': no folder of outputs at {folder}")
        self.name, self.source = name, "folder of outputs"
        self._folder = folder
        self._images = ByName(images_by_stem(folder))

    def check(self, names: Sequence[str]) -> None:
        """Every pair needs an output; further ones are left alone."""
        missing = [name for name in names if self._images.find(name) is None]
        if missing:
            raise FusionError(
                f"method '{self.name}': {len(missing)} of {len(names)} pairs have no output in "
                f"{self._folder}: {', '.join(missing[:SHOWN])}"
            )

    def fuse(self, pair: Pair) -> U8:
        """Read the output; other aspect ratios than the pair's are refused."""
        path = self._images.find(pair.name)
        if path is None:
            raise FusionError(f"method '{self.name}': no output of pair '{pair.name}'")
        return fit(self.name, pair, read_rgb(path))


def fit(name: str, pair: Pair, image: U8) -> U8:
    """Bring an output to the size the pair is evaluated at."""
    (height, width), (found_h, found_w) = pair.infrared.shape, image.shape[:2]
    if (found_h, found_w) == (height, width):
        return image
    native_h, native_w = pair.native or (height, width)
    if (found_h, found_w) != (native_h, native_w):
        raise FusionError(
            f"method '{name}', pair '{pair.name}': the output is {found_w} x {found_h}, "
            f"the pair {native_w} x {native_h}"
        )
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR))


def _onnx(name: str, path: Path) -> Method:
    student = OnnxStudent(path)
    source = f"{path.name}, SHA-256 {weights_hash(path)}, {student.runtime}"
    return Rule(name, source, lambda pair: student.fuse(pair.visible, pair.infrared))


def _torchscript(name: str, path: Path) -> Method:
    """A scripted module called as `module(infrared, visible)`, images in [0, 1]."""
    from fusionproxy.scripted import ScriptedFuser  # torch takes seconds to import

    module = ScriptedFuser(path)

    def fuse(pair: Pair) -> U8:
        import torch

        infrared = torch.from_numpy(pair.infrared)[None, None].float() / 255  # (1, 1, H, W)
        visible = torch.from_numpy(pair.visible.transpose(2, 0, 1).copy())[None].float() / 255
        fused = module(infrared, visible)[0].clamp(0, 1)  # (3, H, W) or (1, H, W)
        image = torch.round(fused * 255).to(torch.uint8).numpy().transpose(1, 2, 0)
        return fit(name, pair, np.ascontiguousarray(np.broadcast_to(image, pair.visible.shape)))

    return Rule(name, f"{path.name}, SHA-256 {weights_hash(path)}, torch", fuse)


def _student(name: str, path: Path) -> Method:
    """Anything that `FusionProxy.from_pretrained` opens."""
    student = FusionProxy.from_pretrained(path)
    source = f"{student.path.name}, SHA-256 {student.weights_hash()}"
    return Rule(name, source, lambda pair: student.fuse(pair.visible, pair.infrared))


def _shipped() -> Method:
    path = SHIPPED / f"{DEFAULT}.onnx"
    if not path.is_file():
        raise FusionError(f"no shipped student at {path}; name a file with onnx:FILE")
    return _onnx(f"student ({path.stem.removeprefix('student_')})", path)


def _fixed(name: str) -> Method:
    if name in RULES:
        return Rule(name, "rule", lambda p: fuse_luma(p.visible, p.infrared, RULES[name]))
    if name == "visible":
        return Rule(name, "unfused", lambda pair: pair.visible, is_timed=False)
    return Rule(
        name, "unfused", lambda p: cv2.cvtColor(p.infrared, cv2.COLOR_GRAY2RGB), is_timed=False
    )


FIXED = ("visible", "infrared", *RULES, "student")
FILES: Mapping[str, Callable[[str, Path], Method]] = {
    "onnx": _onnx,
    "openvino": _onnx,
    "torchscript": _torchscript,
    "student": _student,
    "folder": OutputFolder,
}


def make_method(spec: str) -> Method:
    """A method from `average`, `onnx:FILE`, `openvino:FILE`, `student:NAME=FILE` and so on.

    Raises:
        FusionError: the name is not known, or its file or folder cannot be used.
    """
    kind, colon, rest = spec.partition(":")
    if not colon and kind in FIXED:
        return _shipped() if kind == "student" else _fixed(kind)
    if kind not in FILES or not rest:
        known = ", ".join([*FIXED, *(f"{kind}:[NAME=]PATH" for kind in FILES)])
        raise FusionError(f"unknown method '{spec}'; known: {known}")
    name, equals, path = rest.partition("=")
    if not equals:
        name, path = Path(rest).stem, rest
    return FILES[kind](name, Path(path).expanduser())


def make_methods(specs: Sequence[str]) -> list[Method]:
    """Methods of a command line; each name once.

    Raises:
        FusionError: as `make_method`, or two have the same name.
    """
    methods = [make_method(spec) for spec in specs]
    names = [method.name for method in methods]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FusionError(f"methods named twice: {', '.join(twice)}; rename with onnx:NAME=FILE")
    return methods


def timed(method: Method, pair: Pair) -> tuple[U8, float]:
    """Fused image and milliseconds; NaN where the method is not run here.

    Raises:
        FusionError: the method gave another shape or type than (H, W, 3) uint8.
    """
    started = time.perf_counter()
    fused = method.fuse(pair)
    elapsed_ms = (time.perf_counter() - started) * 1e3
    if fused.shape != pair.visible.shape or fused.dtype != np.uint8:
        raise FusionError(
            f"method '{method.name}', pair '{pair.name}': expected uint8 {pair.visible.shape}, "
            f"found {fused.dtype} {fused.shape}"
        )
    return fused, elapsed_ms if method.is_timed else float("nan")
