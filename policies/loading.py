"""Policy files: ours as ONNX with their card, or torch checkpoints of a known family."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import WeightsError
from fusiondrive.provenance import file_hash
from fusionproxy.errors import FusionError
from fusionproxy.runtime import OnnxModel
from policies.base import Policy
from policies.cilrs import (
    BRANCHES,
    FAMILY,
    SHIPPED_WEIGHTS,
    CilrsPolicy,
    LoadedNetwork,
    Prediction,
)
from policies.framing import framing_from


def load_cilrs(weights: Path | None = None, *, bgr: bool = False) -> Policy:
    """Load a policy file: `.onnx` with its card beside it, or a torch checkpoint.

    Args:
        weights: one of ours or of the published families; None takes the shipped one.
        bgr: feed a published network blue first.

    Raises:
        WeightsError: the file is missing or foreign, or torch is needed and not installed.
    """
    path = weights or SHIPPED_WEIGHTS
    if not path.is_file():
        raise WeightsError(f"policy weights {path}: no such file")
    if path.suffix == ".onnx" and not bgr:
        return CilrsPolicy(_load_onnx(path))
    try:
        from policies.checkpoints import load_checkpoint
    except ModuleNotFoundError as err:
        raise WeightsError(
            f"{path.name} needs '{err.name}', which is not installed: "
            f"pip install 'fusiondrive[train]', or use an .onnx file"
        ) from err
    return load_checkpoint(path, bgr=bgr)


class _OnnxNetwork:
    """The exported graph: all branches, (1, 4, 3), then the speed that the image shows, (1, 1)."""

    def __init__(self, path: Path) -> None:
        try:
            self._model = OnnxModel(path)
        except FusionError as err:
            raise WeightsError(f"policy weights: {err}") from err

    def __call__(self, image: NDArray[np.float32], speed: NDArray[np.float32]) -> Prediction:
        actions, seen_speed = self._model(image, speed)
        return Prediction(np.asarray(actions[0], dtype=np.float32), float(seen_speed[0, 0]))


def _load_onnx(path: Path) -> LoadedNetwork:
    card_path = path.with_suffix(".json")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
    except OSError as err:
        raise WeightsError(
            f"{path}: its card {card_path.name} is missing; it says how to prepare the image"
        ) from err
    except ValueError as err:
        raise WeightsError(f"{card_path}: broken JSON: {err}") from err
    if not isinstance(card, dict) or card.get("family") != FAMILY:
        raise WeightsError(f"{card_path}: expected family '{FAMILY}'; not a policy of this project")
    return LoadedNetwork(
        network=_OnnxNetwork(path),
        framing=framing_from(card, str(card_path)),
        branches=BRANCHES,
        weights_hash=file_hash(path),
        resumes=bool(card.get("resumes", True)),
        looks=tuple(card.get("looks", ())),
    )
