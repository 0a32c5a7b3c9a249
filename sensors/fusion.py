"""Fusing the visible and the thermal image into one RGB image: the student and plain methods."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError, WeightsError, unknown_name

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

ENTRY_POINTS = "fusiondrive.fusers"
PYRAMID_LEVELS = 5
HASH_DIGITS = 12


class Fuser(Protocol):
    """What turns a pair of aligned images into one."""

    @property
    def label(self) -> str:
        """How tables call it."""

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Fuse (H, W, 3) RGB and (H, W) grey into (H, W, 3) RGB."""

    def weights_hash(self) -> str:
        """First digits of the weights' SHA-256; `none` without weights."""


def _fuse_luma(rgb: U8, thermal: U8, rule: Callable[[U8, U8], U8]) -> U8:
    """Replace the luma of YCbCr (BT.601), keep the colour."""
    ycc = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)
    ycc[:, :, 0] = rule(np.ascontiguousarray(ycc[:, :, 0]), thermal)
    return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), dtype=np.uint8)


def _average(luma: U8, thermal: U8) -> U8:
    return np.asarray(cv2.addWeighted(luma, 0.5, thermal, 0.5, 0.0), dtype=np.uint8)


def _maximum(luma: U8, thermal: U8) -> U8:
    return np.maximum(luma, thermal)


def _bands(image: U8) -> list[F32]:
    """Laplacian pyramid, finest first; the last entry is the coarse remainder."""
    current: F32 = image.astype(np.float32)
    bands: list[F32] = []
    while len(bands) < PYRAMID_LEVELS and min(current.shape) >= 8:
        coarse = cv2.pyrDown(current)
        size = (current.shape[1], current.shape[0])
        bands.append(np.asarray(current - cv2.pyrUp(coarse, dstsize=size), dtype=np.float32))
        current = np.asarray(coarse, dtype=np.float32)
    return [*bands, current]


def _laplacian(luma: U8, thermal: U8) -> U8:
    """The stronger detail of the two in each band; the mean of the remainders."""
    ours, theirs = _bands(luma), _bands(thermal)
    fused: F32 = 0.5 * (ours[-1] + theirs[-1])
    for a, b in zip(reversed(ours[:-1]), reversed(theirs[:-1]), strict=True):
        detail = np.where(np.abs(a) >= np.abs(b), a, b)
        size = (a.shape[1], a.shape[0])
        fused = np.asarray(cv2.pyrUp(fused, dstsize=size) + detail, dtype=np.float32)
    return np.clip(np.rint(fused), 0, 255).astype(np.uint8)


class LumaFuser:
    """A fixed rule on luma and thermal grey; has no weights."""

    def __init__(self, label: str, rule: Callable[[U8, U8], U8], weights: Path | None) -> None:
        if weights is not None:
            raise ConfigError(f"fuser '{label}' takes no weights, but was given {weights}")
        self.label = label
        self._rule = rule

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Fuse luma by the rule; colour is the visible image's."""
        return _fuse_luma(rgb, thermal, self._rule)

    def weights_hash(self) -> str:
        """There are none."""
        return "none"


def default_student() -> Path:
    """The student that ships with the package."""
    import fusionproxy

    return Path(fusionproxy.__file__).parent / "weights" / "student_oracle.onnx"


class StudentFuser:
    """FusionProxy's distilled student on the CPU runtime."""

    def __init__(self, weights: Path | None) -> None:
        self._path = weights or default_student()
        if not self._path.is_file():
            raise WeightsError(
                f"no fusion student at {self._path}; train one with "
                "`python -m fusionproxy.train` and `python -m fusionproxy.export`, or choose one "
                "of the fusers average, laplacian, max"
            )
        from fusionproxy.inference import OnnxStudent

        self._student = OnnxStudent(self._path)
        # Named after its file: the target of `oracle` was the clear-day rendering of the same pose.
        self.label = f"student ({self._path.stem.removeprefix('student_')})"

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Run the network on a pair of images."""
        return np.asarray(self._student.fuse(rgb, thermal), dtype=np.uint8)

    def weights_hash(self) -> str:
        """First digits of the SHA-256 of the weights file."""
        return hashlib.sha256(self._path.read_bytes()).hexdigest()[:HASH_DIGITS]


FUSERS: Mapping[str, Callable[[Path | None], Fuser]] = {
    "student": StudentFuser,
    "average": lambda weights: LumaFuser("average", _average, weights),
    "max": lambda weights: LumaFuser("max", _maximum, weights),
    "laplacian": lambda weights: LumaFuser("laplacian", _laplacian, weights),
}


def fuser_names() -> tuple[str, ...]:
    """Names that `make_fuser` accepts, those of installed plug-ins included."""
    return (*FUSERS, *(p.name for p in entry_points(group=ENTRY_POINTS) if p.name not in FUSERS))


def make_fuser(name: str, weights: Path | None = None) -> Fuser:
    """Build a fuser by name; third parties register theirs as entry points.

    Raises:
        ConfigError: the name is not known.
        WeightsError: its weights are missing.
    """
    if name in FUSERS:
        return FUSERS[name](weights)
    for plug_in in entry_points(group=ENTRY_POINTS):
        if plug_in.name == name:
            fuser: Fuser = plug_in.load()(weights)
            return fuser
    raise unknown_name("fuser", name, fuser_names())
