"""Fusing the visible and the thermal image into one RGB image: the student and plain methods."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiondrive.arms import BLANKED, SWAPPED
from fusiondrive.errors import ConfigError, WeightsError, unknown_name
from fusiondrive.plugins import REFERENCE, announced, build, files_of, find_class, is_reference
from fusiondrive.provenance import bytes_hash, file_blocks, source_hash
from fusionproxy.classical import RULES, Rule, fuse_luma
from fusionproxy.config import BLANK
from fusionproxy.errors import FusionError
from fusionproxy.formats import IR, beside

U8 = NDArray[np.uint8]

ENTRY_POINTS = "fusiondrive.fusers"
WEIGHTS = (".onnx", IR)  # files that drive; the others need torch


class Fuser(ABC):
    """What turns a pair of aligned images into one.

    Only `fuse` has to be written. A class of another package need not even derive from this one:
    what it lacks is taken from here when it is loaded.
    """

    label: str = ""
    """How tables call it; where it is empty, the name under which it is registered."""

    looks: tuple[int, ...] = ()
    """Versions of the embedded renderer's pictures it was trained on; empty where unknown."""

    thermal_looks: tuple[int, ...] = ()
    """Versions of the thermal camera's pictures it was trained on; empty where unknown."""

    @abstractmethod
    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Fuse a visible and an infrared image of the same pixels.

        Args:
            rgb: (H, W, 3) uint8.
            thermal: (H, W) uint8, warm is bright.

        Returns:
            (H, W, 3) uint8 RGB of the same size.
        """

    def weights_hash(self) -> str:
        """SHA-256 (first 12 hex digits) of the weights, or `none` where there are none.

        By default that of the file which defines the class. It is part of an episode's identity.
        """
        return source_hash(type(self))


class LumaFuser(Fuser):
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


class BlankedFuser(Fuser):
    """A control: any fuser, fed a grey plane in place of the infrared image.

    What it still gains over RGB cannot come from infrared.
    """

    def __init__(self, fuser: Fuser) -> None:
        self._fuser = fuser
        self.label = f"{fuser.label}, infrared blanked"
        self.looks = fuser.looks
        self.thermal_looks = fuser.thermal_looks

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Fuse (H, W, 3) RGB with a plane of value 128; the infrared image is not looked at."""
        return self._fuser.fuse(rgb, np.full_like(thermal, BLANK))

    def weights_hash(self) -> str:
        """Hash of the wrapped fuser's weights."""
        return self._fuser.weights_hash()


class SwappedFuser(Fuser):
    """A control: any fuser, in a drive that gives it the infrared image of another route.

    It fuses what it is given; `harness.drive` and `sensors.elsewhere` swap the image.
    """

    def __init__(self, fuser: Fuser) -> None:
        self._fuser = fuser
        self.label = f"{fuser.label}, infrared swapped"
        self.looks = fuser.looks
        self.thermal_looks = fuser.thermal_looks

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Fuse (H, W, 3) RGB with the infrared image of elsewhere, (H, W)."""
        return self._fuser.fuse(rgb, thermal)

    def weights_hash(self) -> str:
        """Hash of the wrapped fuser's weights."""
        return self._fuser.weights_hash()


def shipped_student(name: str) -> Path:
    """The file of a student that ships with the package, such as `oracle`."""
    import fusionproxy

    return Path(fusionproxy.__file__).parent / "weights" / f"student_{name}.onnx"


class StudentFuser(Fuser):
    """FusionProxy's distilled student on the CPU runtime."""

    def __init__(self, weights: Path | None) -> None:
        self._path = weights or shipped_student("oracle")
        self._name = self._path.stem.removeprefix("student_")
        if not self._path.is_file() and self._path == shipped_student(self._name):
            raise WeightsError(
                f"no weights of '{self._name}' yet: expected {self._path}, which "
                "`python -m fusionproxy.export` writes; leave it out until they are there"
            )
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
        self.label = f"student ({self._name})"
        self.looks, self.thermal_looks = _looks_of(beside(self._path, ".json"))

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Run the network on a pair of images."""
        return np.asarray(self._student.fuse(rgb, thermal), dtype=np.uint8)

    def weights_hash(self) -> str:
        """First digits of the SHA-256 of the weights file."""
        return self._student.weights_hash()


class PluginFuser(Fuser):
    """A fuser of somebody else, whose class need not derive from `Fuser`: `fuse` is enough.

    This is the one place that looks what a foreign object has; what it lacks is as in `Fuser`.
    """

    def __init__(self, name: str, fuser: Any, weights: Path | None = None) -> None:
        """Wrap a fuser.

        Args:
            name: how messages and, unless it has a label, tables call it.
            fuser: has `fuse(rgb, thermal)`, and what else of `Fuser` it wants.
            weights: its file or folder; part of the hash.

        Raises:
            ConfigError: it has no `fuse`.
        """
        if not callable(getattr(fuser, "fuse", None)):
            kind = type(fuser).__name__
            raise ConfigError(
                f"fuser '{name}': {kind} is not a Fuser, for it has no fuse(rgb, thermal); "
                "see sensors.fusion.Fuser"
            )
        self._name, self._fuser, self._weights = name, fuser, weights
        self.label = str(getattr(fuser, "label", "") or name)
        self.looks = tuple(getattr(fuser, "looks", ()))
        self.thermal_looks = tuple(getattr(fuser, "thermal_looks", ()))

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Ask the plug-in.

        Raises:
            ConfigError: it answers no image of the right size and type.
        """
        fused = self._fuser.fuse(rgb, thermal)
        if not isinstance(fused, np.ndarray) or fused.dtype != np.uint8 or fused.shape != rgb.shape:
            found = f"a {type(fused).__name__}"
            if isinstance(fused, np.ndarray):
                found = f"{fused.shape} {fused.dtype}"
            raise ConfigError(f"fuser '{self._name}': expected {rgb.shape} uint8, found {found}")
        return fused

    def weights_hash(self) -> str:
        """The plug-in's own, or that of the file which defines its class and of its weights."""
        own = getattr(self._fuser, "weights_hash", None)
        if callable(own):
            return str(own())
        source = source_hash(type(self._fuser))
        if self._weights is None:
            return source
        return bytes_hash(chain([source.encode()], *map(file_blocks, files_of(self._weights))))


def _looks_of(card: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Versions of the visible and of the thermal pictures that a card names."""
    try:
        facts = json.loads(card.read_text(encoding="utf-8"))
        looks = tuple(facts.get("looks", ()))
        # Cards of old name the visible ones alone; the thermal ones of their time were the first.
        return looks, tuple(facts.get("thermal_looks", (1,) if looks else ()))
    except (OSError, ValueError, AttributeError):  # weights drive without a card
        return (), ()


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
    "direct": lambda weights: _shipped("direct", weights),
    "average": lambda weights: LumaFuser("average", RULES["average"], weights),
    "max": lambda weights: LumaFuser("max", RULES["max"], weights),
    "laplacian": lambda weights: LumaFuser("laplacian", RULES["laplacian"], weights),
}


def fuser_names() -> tuple[str, ...]:
    """Names that `make_fuser` accepts, plug-ins included; each also with a modifier behind it."""
    return (*FUSERS, *(name for name in announced(ENTRY_POINTS) if name not in FUSERS))


def is_fuser(name: str) -> bool:
    """Whether a name without a modifier can stand for a fuser; nothing is imported."""
    return name in fuser_names() or is_reference(name)


def make_fuser(name: str, weights: Path | str | None = None) -> Fuser:
    """Build a fuser by name; third parties register theirs as entry points, or name the class.

    Args:
        name: one of `fuser_names()`, or `pkg.module:Class`; the ending `:blanked` makes it a
            `BlankedFuser`, and `:swapped` a `SwappedFuser`.
        weights: a student's file; None takes the shipped one.

    Raises:
        ConfigError: the name is not known, or what is registered under it is no fuser.
        WeightsError: its weights are missing.
    """
    weights = None if weights is None else Path(weights)
    if name.endswith(BLANKED):
        return BlankedFuser(make_fuser(name.removesuffix(BLANKED), weights))
    if name.endswith(SWAPPED):
        return SwappedFuser(make_fuser(name.removesuffix(SWAPPED), weights))
    if name in FUSERS:
        return FUSERS[name](weights)
    target = announced(ENTRY_POINTS).get(name, name)
    if not is_reference(target):
        raise unknown_name("fuser", name, (*fuser_names(), REFERENCE))
    label = f"fuser '{name}'" if name == target else f"fuser '{name}' ({target})"
    return PluginFuser(name, build(find_class(target, label), weights, label), weights)
