"""What a user can choose of every step that asks about the arms' images of poses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag
from harness.perception.pose_options import PoseOptions
from harness.perception.unit import Asked
from results.counterfactuals import CLUSTERS


@dataclass(frozen=True, kw_only=True)
class AskingOptions(PoseOptions, ABC):
    """Options that `act` and `perceive` have in common."""

    out: Annotated[Path, Flag("folder of rows, tables and plot", "DIR")]
    level: Annotated[tuple[str, ...], Flag("weathers, such as fog:40 night:glare", "NAME")] = (
        *("fog", "night:glare"),
    )
    arms: Annotated[tuple[str, ...], Flag("as in harness.run; rgb must be among them", "ARM")] = (
        *("rgb", "dehaze", "thermal", "distilled", "oracle", "oracle:blanked"),
    )
    fuser_weights: Annotated[
        Path | None, Flag("of the arm `student` or a plug-in fuser", "FILE")
    ] = None
    cluster: Annotated[str, Flag("what intervals resample", choices=CLUSTERS)] = "drive"

    @abstractmethod
    def asked(self) -> Asked:
        """Arms, and who is asked, built.

        Raises:
            ConfigError: one of them cannot be asked.
        """
