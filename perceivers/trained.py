"""The frozen detector and segmenter: one ONNX file with its card, run without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError, WeightsError
from fusiondrive.provenance import file_hash
from fusiondrive.text import read_text
from fusiondrive.types import CameraSpec, Image
from fusionproxy.errors import FusionError
from fusionproxy.runtime import OnnxModel
from perceivers.decoding import detections
from perceivers.detection import Detection, Detector, Sight, focal_px
from perceivers.kinds import KINDS, SEGMENTS
from perceivers.picture import enlarged, padded

FAMILY = "fusiondrive-perceiver"
SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "perceiver_v1.onnx"


@dataclass(frozen=True)
class Perceiver:
    """The network with what has to be known to use it."""

    model: OnnxModel
    cameras: tuple[CameraSpec, ...]  # whose pictures it was trained on
    looks: tuple[int, ...]  # versions of those pictures
    least_score: float  # of a detection
    weights_hash: str

    def maps(self, picture: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The maps of `perceivers.decoding.detections`, and the logits of segments."""
        found, segments = self.model(padded(picture))
        return found[0], segments[0]


def load_perceiver(weights: Path | None = None) -> Perceiver:
    """Load the network.

    Args:
        weights: an .onnx file with its card, .json, beside it; None takes the shipped one.

    Raises:
        WeightsError: the file or its card is missing, broken or foreign.
    """
    path = weights or SHIPPED_WEIGHTS
    if not path.is_file():
        raise WeightsError(
            f"detector weights {path}: no such file; train them by recipes/detector.sh"
        )
    card_path = path.with_suffix(".json")
    if not card_path.is_file():
        raise WeightsError(f"{path}: its card {card_path.name} is missing beside it")
    try:
        card = json.loads(read_text(card_path))
        if card["family"] != FAMILY:
            raise ValueError(f"family '{card['family']}'")
        if tuple(card["kinds"]) != KINDS or tuple(card["segments"]) != tuple(SEGMENTS):
            raise ValueError(f"kinds {card['kinds']} and segments {card['segments']}")
        return Perceiver(
            model=OnnxModel(path),
            cameras=tuple(CameraSpec(**values) for values in card["cameras"]),
            looks=tuple(card["looks"]),
            least_score=float(card["least_score"]),
            weights_hash=file_hash(path),
        )
    except FusionError as err:
        raise WeightsError(f"detector weights: {err}") from err
    except (ValueError, KeyError, TypeError, ConfigError) as err:
        raise WeightsError(
            f"{card_path}: expected the card of a '{FAMILY}' with kinds {', '.join(KINDS)}, found "
            f"{type(err).__name__}: {err}"
        ) from err


class TrainedDetector(Detector):
    """Finds people, cyclists and cars in clear-day pictures of the simulator, as it was trained."""

    name = "perceiver"

    def __init__(self, weights: Path | None = None) -> None:
        """Load the weights.

        Raises:
            WeightsError: as `load_perceiver`.
        """
        self._perceiver = load_perceiver(weights)
        self.cameras = self._perceiver.cameras
        self.looks = self._perceiver.looks

    def weights_hash(self) -> str:
        """SHA-256 of the file, first 12 hex digits."""
        return self._perceiver.weights_hash

    def detect(self, sight: Sight) -> tuple[Detection, ...]:
        """What is in the image, the surest first."""
        maps, _ = self._perceiver.maps(sight.image)
        return detections(maps, focal_px(sight.camera), self._perceiver.least_score)


class Segmenter:
    """Tells the classes of `perceivers.kinds.SEGMENTS` apart; the same file as the detector's."""

    def __init__(self, weights: Path | None = None) -> None:
        """Load the weights.

        Raises:
            WeightsError: as `load_perceiver`.
        """
        self._perceiver = load_perceiver(weights)

    def weights_hash(self) -> str:
        """SHA-256 of the file, first 12 hex digits."""
        return self._perceiver.weights_hash

    def classes(self, picture: Image) -> NDArray[np.uint8]:
        """Numbers in the order of `SEGMENTS`, (H, W), of a picture, (H, W, 3) uint8 RGB."""
        _, logits = self._perceiver.maps(picture)
        return enlarged(logits, picture.shape[0], picture.shape[1])
