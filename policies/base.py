"""The interface of everything that drives."""

from __future__ import annotations

from typing import Protocol

from harness.types import Control, EpisodeContext, Observation, WorldState


class Policy(Protocol):
    """Maps one observation to one control, ten times per simulated second."""

    is_privileged: bool
    """Whether `act` needs the world state; a non-privileged policy is handed None."""

    def reset(self, context: EpisodeContext) -> None:
        """Forget the last episode."""

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Choose the control for the next 0.1 s."""

    def weights_hash(self) -> str:
        """SHA-256 (first 12 hex digits) of the weights, or `none` where there are none."""
