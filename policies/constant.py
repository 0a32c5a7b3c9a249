"""Policies without perception: a floor to compare with, and the Traffic Manager as a reference."""

from __future__ import annotations

from fusiondrive.types import Control, Observation, WorldState
from policies.base import Policy


class ConstantPolicy(Policy):
    """Rolls straight on at walking pace; it shows what a score of nothing looks like."""

    uses_image = False
    _SPEED_MPS = 4.0

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Hold about 4 m/s with the wheel straight."""
        return Control(throttle=0.4 if observation.forward_speed_mps < self._SPEED_MPS else 0.0)

    def weights_hash(self) -> str:
        """No weights."""
        return "none"


class AutopilotPolicy(Policy):
    """Marks an episode as driven by CARLA's Traffic Manager.

    The env registers the ego with the Traffic Manager, hands it the route, and ignores `act`.
    """

    is_privileged = True
    uses_image = False
    uses_traffic_manager = True

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Neutral; the Traffic Manager's own control replaces it."""
        return Control()

    def weights_hash(self) -> str:
        """No weights."""
        return "none"
