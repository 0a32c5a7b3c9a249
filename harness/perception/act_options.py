"""What a user can choose of `harness.perception act`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag
from harness.perception.acting import ready_arms, ready_policies
from harness.perception.drawing import still_settings
from harness.perception.pose_options import PoseOptions
from harness.perception.unit import Asked
from results.counterfactuals import CLUSTERS


@dataclass(frozen=True, kw_only=True)
class ActOptions(PoseOptions):
    """Options of `act`."""

    out: Annotated[Path, Flag("folder of rows, tables and plot", "DIR")]
    level: Annotated[tuple[str, ...], Flag("weathers, such as fog:40 night:glare", "NAME")] = (
        *("fog", "night:glare"),
    )
    arms: Annotated[tuple[str, ...], Flag("as in harness.run; rgb must be among them", "ARM")] = (
        *("rgb", "dehaze", "thermal", "distilled", "oracle", "oracle:blanked"),
    )
    policy: Annotated[tuple[str, ...], Flag("frozen ones, by name or NAME=WEIGHTS", "POLICY")] = (
        "cilrs",
    )
    fuser_weights: Annotated[
        Path | None, Flag("of the arm `student` or a plug-in fuser", "FILE")
    ] = None
    cluster: Annotated[str, Flag("what intervals resample", choices=CLUSTERS)] = "drive"

    def asked(self) -> Asked:
        """Arms and policies, built.

        Raises:
            ConfigError: one of them cannot be asked.
        """
        arms = ready_arms(self.arms, self.fuser_weights)
        return Asked(arms, ready_policies(self.policy), still_settings(self.thermal))
