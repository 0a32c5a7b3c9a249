"""Fusing the visible and the thermal image into one RGB image: the student and plain methods."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError, WeightsError, unknown_name
from fusionproxy.classical import RULES, Rule, fuse_luma
from fusionproxy.errors import FusionError
from fusionproxy.formats import IR, beside

U8 = NDArray[np.uint8]

ENTRY_POINTS = "fusiondrive.fusers"
WEIGHTS = (".onnx", IR)  # files that drive; the others need torch
BLANKED = ":blanked"  # behind a fuser's name
BLANK = 128  # grey level of the plane


class Fuser(Protocol):
    """What turns a pair of aligned images into one."""

    @property
    def label(self) -> str:
        """How tables call it."""

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Fuse (H, W, 3) RGB and (H, W) grey into (H, W, 3) RGB."""

    def weights_hash(self) -> str:
        """First digits of the weights' SHA-256; `none` without weights."""


class LumaFuser:
    """A fixed rule on luma and thermal grey; has no weights."""

    def __init__(self, label: str, rule: Rule, weights: Path | None) -> None:
        if weights is not None:
            raise ConfigError(f"fuser '{label}' takes no weights, but was given {weights}")
        self.label = label
        self._rule = rule

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Fuse luma by the rule; colour is the visible image's."""
        return fuse_luma(rgb, thermal, self._rule)

    def weights_hash(self) -> str:
        """There are none."""
        return "none"


class BlankedFuser:
    """A control: any fuser, fed a grey plane in place of the infrared image.

    What it still gains over RGB cannot come from infrared.
    """

    def __init__(self, fuser: Fuser) -> None:
        self._fuser = fuser
        self.label = f"{fuser.label}, infrared blanked"

    @property
    def looks(self) -> tuple[int, ...]:
        """Versions of the pictures that the wrapped fuser was trained on."""
        found: tuple[int, ...] = getattr(self._fuser, "looks", ())
        return found

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Fuse (H, W, 3) RGB with a plane of value 128; the infrared image is not looked at."""
        return self._fuser.fuse(rgb, np.full_like(thermal, BLANK))

    def weights_hash(self) -> str:
        """Hash of the wrapped fuser's weights."""
        return self._fuser.weights_hash()


def shipped_student(name: str) -> Path:
    """The file of a student that ships with the package, such as `oracle`."""
    import fusionproxy

    return Path(fusionproxy.__file__).parent / "weights" / f"student_{name}.onnx"


class StudentFuser:
    """FusionProxy's distilled student on the CPU runtime."""

    def __init__(self, weights: Path | None) -> None:
        self._path = weights or shipped_student("oracle")
        if not self._path.is_file():
            raise WeightsError(
                f"no fusion student at {self._path}; train one with "
                "`python -m fusionproxy.train` and `python -m fusionproxy.export`, or choose one "
                "of the fusers average, laplacian, max"
            )
        if self._path.suffix not in WEIGHTS:
            raise WeightsError(
                f"{self._path}: the harness drives with {' or '.join(WEIGHTS)}, which need no "
                "torch; export the student with `python -m fusionproxy.export`"
            )
        from fusionproxy.inference import OnnxStudent

        try:
            self._student = OnnxStudent(self._path)
        except FusionError as err:
            raise WeightsError(str(err)) from err
        # Named after its file: the target of `oracle` was the clear-day rendering of the same pose.
        self.label = f"student ({self._path.stem.removeprefix('student_')})"

    @property
    def looks(self) -> tuple[int, ...]:
        """Versions of the look of the pictures it was trained on; empty where unknown."""
        card = beside(self._path, ".json")
        try:
            return tuple(json.loads(card.read_text(encoding="utf-8")).get("looks", ()))
        except (OSError, ValueError, AttributeError):  # weights drive without a card
            return ()

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Run the network on a pair of images."""
        return np.asarray(self._student.fuse(rgb, thermal), dtype=np.uint8)

    def weights_hash(self) -> str:
        """First digits of the SHA-256 of the weights file."""
        return self._student.weights_hash()


def _shipped(name: str, weights: Path | None) -> Fuser:
    if weights is not None:
        raise ConfigError(
            f"fuser '{name}' names the student that ships; for {weights} choose fuser 'student'"
        )
    return StudentFuser(shipped_student(name))


FUSERS: Mapping[str, Callable[[Path | None], Fuser]] = {
    "student": StudentFuser,
    "distilled": lambda weights: _shipped("distilled", weights),
    "oracle": lambda weights: _shipped("oracle", weights),
    "average": lambda weights: LumaFuser("average", RULES["average"], weights),
    "max": lambda weights: LumaFuser("max", RULES["max"], weights),
    "laplacian": lambda weights: LumaFuser("laplacian", RULES["laplacian"], weights),
}


def fuser_names() -> tuple[str, ...]:
    """Names that `make_fuser` accepts, plug-ins included; each also with `:blanked` behind it."""
    return (*FUSERS, *(p.name for p in entry_points(group=ENTRY_POINTS) if p.name not in FUSERS))


def make_fuser(name: str, weights: Path | str | None = None) -> Fuser:
    """Build a fuser by name; third parties register theirs as entry points.

    Args:
        name: one of `fuser_names()`; the ending `:blanked` makes it a `BlankedFuser`.
        weights: a student's file; None takes the shipped one.

    Raises:
        ConfigError: the name is not known.
        WeightsError: its weights are missing.
    """
    weights = None if weights is None else Path(weights)
    if name.endswith(BLANKED):
        return BlankedFuser(make_fuser(name.removesuffix(BLANKED), weights))
    if name in FUSERS:
        return FUSERS[name](weights)
    for plug_in in entry_points(group=ENTRY_POINTS):
        if plug_in.name == name:
            fuser: Fuser = plug_in.load()(weights)
            return fuser
    raise unknown_name("fuser", name, fuser_names())
