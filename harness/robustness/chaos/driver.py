"""A policy that costs next to nothing, whose drives differ from seed to seed and end in time."""

from __future__ import annotations

import numpy as np

from fusiondrive.types import CameraSpec, Control, EpisodeContext, Observation, WorldState
from policies.base import Policy

SPEED_MPS = (3.0, 3.5)  # 34 m take more than ten seconds
WOBBLE = 0.02  # of the steering


class SeededDriver(Policy):
    """Follows the route at walking pace; seed and route choose how fast, and how unsteadily."""

    uses_image = False
    camera = CameraSpec(width=32, height=24)  # the smallest price of a picture that nobody sees

    def reset(self, context: EpisodeContext) -> None:
        """Draw what makes this drive another than that of the next seed."""
        start = context.route.points[0]
        place = [round(abs(float(value)) * 10.0) for value in start[:2]]
        self._rng = np.random.default_rng([context.seed, *place])
        self._speed_mps = float(self._rng.uniform(*SPEED_MPS))

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Steer at the point ahead, with a seeded wobble."""
        x, y = observation.target_point
        steer = 2.0 * y / max(x * x + y * y, 1.0) + float(self._rng.normal(0.0, WOBBLE))
        is_slow = observation.forward_speed_mps < self._speed_mps
        return Control(throttle=0.35 if is_slow else 0.0, steer=max(-1.0, min(1.0, steer)))

    def weights_hash(self) -> str:
        """No weights."""
        return "none"
