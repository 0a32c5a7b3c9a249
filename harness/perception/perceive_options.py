"""What a user can choose of `harness.perception perceive`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fusiondrive.cli import Flag
from fusiondrive.errors import ConfigError
from fusiondrive.types import CameraSpec
from harness.perception.acting import ready_arms
from harness.perception.asking_options import AskingOptions
from harness.perception.draw import CAMERAS
from harness.perception.drawing import Picture, still_settings
from harness.perception.labels import label
from harness.perception.perceived import row_of
from harness.perception.unit import Asked
from perceivers.trained import Perceiver, load_perceiver


@dataclass(frozen=True)
class AskedPerceiver(Asked):
    """What the frozen detector and segmenter find."""

    perceiver: Perceiver
    eye: CameraSpec

    @property
    def camera(self) -> CameraSpec:
        """Through which it looks."""
        return self.eye

    @property
    def needs_labels(self) -> bool:
        """Always: answers are compared with class ids, depth and boxes."""
        return True

    def identity(self) -> dict[str, Any]:
        """Hash of the weights, and the camera."""
        return {
            "arms": [[item.arm.name, item.facts.weights] for item in self.arms],
            "detector": self.perceiver.weights_hash,
            "camera": [self.eye.width, self.eye.height, self.eye.fov_deg],
        }

    def rows(self, picture: Picture, other: Picture, weather: str) -> list[dict[str, Any]]:
        """What of the labels is found in each arm's image."""
        assert picture.frame.tags is not None  # drawn with labels
        objects = label(picture)
        return [
            {
                **self.about(ready, picture, weather),
                "detector_weights": self.perceiver.weights_hash,
                **row_of(
                    self.perceiver,
                    ready.image_of(picture, other),
                    self.eye,
                    objects,
                    picture.frame.tags,
                ),
            }
            for ready in self.arms
        ]


@dataclass(frozen=True, kw_only=True)
class PerceiveOptions(AskingOptions):
    """Options of `perceive`."""

    detector_weights: Annotated[
        Path | None, Flag("of the detector and segmenter; default: the shipped ones", "FILE")
    ] = None
    camera: Annotated[
        str, Flag("driving: 400x300, 100 degrees; braking: 640x480, 50", choices=tuple(CAMERAS))
    ] = "braking"

    def asked(self) -> AskedPerceiver:
        """Arms and the detector, built.

        Raises:
            ConfigError: one of them cannot be asked.
        """
        arms = ready_arms(self.arms, self.fuser_weights)
        perceiver, eye = load_perceiver(self.detector_weights), CAMERAS[self.camera]
        if eye not in perceiver.cameras:
            raise ConfigError(
                f"the detector was not trained for the camera '{self.camera}' "
                f"({eye.width}x{eye.height}, {eye.fov_deg:g} degrees); take another --camera or "
                "train it for this one by recipes/detector.sh"
            )
        return AskedPerceiver(arms, still_settings(self.thermal), perceiver, eye)
