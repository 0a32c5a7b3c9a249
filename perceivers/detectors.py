"""Detectors by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from fusiondrive.errors import ConfigError, unknown_name
from perceivers.detection import Detector
from perceivers.trained import TrainedDetector

DETECTORS: Mapping[str, type[Detector]] = {TrainedDetector.name: TrainedDetector}


def make_detector(
    name: str, weights: Path | None = None, known: Mapping[str, type[Detector]] = DETECTORS
) -> Detector:
    """Build a detector.

    Args:
        name: one of the known, or `pkg.module:Class` of the user's own.
        weights: handed to the class, where they are given.
        known: classes by name.

    Raises:
        ConfigError: there is none of that name, or it cannot be built.
    """
    kind = known.get(name) or _plug_in(name, known)
    try:
        made = kind() if weights is None else kind(weights)  # type: ignore[call-arg]
    except ConfigError:
        raise  # says what is wrong itself
    except (TypeError, ValueError, OSError) as err:
        raise ConfigError(f"detector '{name}' could not be built: {err}") from err
    if not isinstance(made, Detector):
        raise ConfigError(f"detector '{name}' is no perceivers.detection.Detector")
    made.name = name
    return made


def _plug_in(name: str, known: Mapping[str, type[Detector]]) -> type[Detector]:
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise unknown_name("detector", name, (*known, "pkg.module:Class"))
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as err:
        raise ConfigError(f"detector '{name}': {err}") from err
    if not callable(found):
        raise ConfigError(f"detector '{name}': {attribute} is no class")
    return found  # type: ignore[no-any-return]
