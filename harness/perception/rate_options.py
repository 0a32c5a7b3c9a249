"""What a user can choose of `harness.perception rate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fusiondrive.cli import Flag
from fusiondrive.types import CameraSpec
from fusionproxy.quality.registry import Chosen, choose, measure
from harness.perception.acting import ready_arms
from harness.perception.asking_options import AskingOptions
from harness.perception.drawing import Picture, still_settings
from harness.perception.unit import Asked

METRICS = ("EN", "MI", "SF", "VIF", "Qabf", "SSIM:gaussian11-sum")
DIGITS = 6


@dataclass(frozen=True)
class AskedMetrics(Asked):
    """The usual metrics of fusion, of every arm's image against its visible and thermal one."""

    chosen: tuple[Chosen, ...]

    @property
    def camera(self) -> CameraSpec:
        """That of drives."""
        return CameraSpec()

    @property
    def needs_labels(self) -> bool:
        """Always: the thermal image is a source of every arm's metrics."""
        return True

    def identity(self) -> dict[str, Any]:
        """The metrics with their variants."""
        return {
            "arms": [[item.arm.name, item.facts.weights] for item in self.arms],
            "metrics": [item.title for item in self.chosen],
        }

    def rows(self, picture: Picture, other: Picture, weather: str) -> list[dict[str, Any]]:
        """Values of each arm's image; the sources are the pose's own, whatever the arm was fed."""
        rows = []
        for ready in self.arms:
            image = ready.image_of(picture, other)
            found = measure(image, picture.thermal, picture.frame.rgb, self.chosen)
            values = {title: round(value, DIGITS) for title, value in found.items()}
            rows.append(self.about(ready, picture, weather) | values)
        return rows


@dataclass(frozen=True, kw_only=True)
class RateOptions(AskingOptions):
    """Options of `rate`."""

    metrics: Annotated[
        tuple[str, ...], Flag("of fusionproxy.evaluate", metavar="NAME[:VARIANT]")
    ] = METRICS

    def asked(self) -> AskedMetrics:
        """Arms and metrics, built.

        Raises:
            ConfigError: an arm cannot be built.
            FusionError: a metric is unknown.
        """
        arms = ready_arms(self.arms, self.fuser_weights)
        return AskedMetrics(arms, still_settings(self.thermal), choose(self.metrics))
