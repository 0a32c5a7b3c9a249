"""What a user can choose of `harness.perception act`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fusiondrive.cli import Flag
from harness.perception.acting import ready_arms, ready_policies
from harness.perception.asking_options import AskingOptions
from harness.perception.drawing import still_settings
from harness.perception.unit import AskedPolicies


@dataclass(frozen=True, kw_only=True)
class ActOptions(AskingOptions):
    """Options of `act`."""

    policy: Annotated[tuple[str, ...], Flag("frozen ones, by name or NAME=WEIGHTS", "POLICY")] = (
        "cilrs",
    )

    def asked(self) -> AskedPolicies:
        """Arms and policies, built.

        Raises:
            ConfigError: one of them cannot be asked.
        """
        arms = ready_arms(self.arms, self.fuser_weights)
        return AskedPolicies(arms, still_settings(self.thermal), ready_policies(self.policy))
