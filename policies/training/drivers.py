"""Who moves the car while the expert's answers are recorded.

The expert itself visits too few states to learn from: noise pushes it off its line (Codevilla et
al. 2018), or a trained policy takes the wheel for stretches, so that its own mistakes are in the
data with the expert's cure as label (DAgger: Ross et al. 2011).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fusiondrive.types import Control, EpisodeContext, Observation
from policies.base import Policy
from policies.training.noise import SteeringNoise

STRETCH_S = (3.0, 10.0)  # of one driver before the next is drawn
BACK_M = 0.5  # the expert has brought the car back


class Driver(Protocol):
    """Turns the expert's control into the one that is applied."""

    def drive(self, observation: Observation, expert: Control, off_m: float) -> Control:
        """The control of this step; `off_m` is the distance from the route."""
        ...


class NoisyExpert:
    """The expert, pushed now and then; undisturbed without noise."""

    def __init__(self, noise: SteeringNoise | None) -> None:
        self._noise = noise

    def drive(self, observation: Observation, expert: Control, off_m: float) -> Control:
        """The expert's control with the noise of this step."""
        if self._noise is None:
            return expert
        steer, push = self._noise.advance(observation.speed_mps)
        return Control(
            throttle=float(np.clip(expert.throttle + push * (expert.brake == 0.0), 0.0, 1.0)),
            steer=float(np.clip(expert.steer + steer, -1.0, 1.0)),
            brake=expert.brake,
        )


class SharedWheel:
    """A policy drives, and the expert for a share of the time, in stretches of some seconds.

    Where the policy has left the route by `rescue_m`, the expert brings the car back: pictures from
    fields and pavements are not what the policy has to learn from (SafeDAgger: Zhang and Cho 2017).
    """

    def __init__(
        self,
        policy: Policy,
        context: EpisodeContext,
        expert_share: float,
        rng: np.random.Generator,
        rescue_m: float,
    ) -> None:
        policy.reset(context)
        self._policy = policy
        self._delta_s = context.delta_s
        self._expert_share = expert_share
        self._rng = rng
        self._rescue_m = rescue_m
        self._left_s = 0.0
        self._is_expert = False
        self._is_rescue = False

    def drive(self, observation: Observation, expert: Control, off_m: float) -> Control:
        """The control of whoever has the wheel; the policy sees every image all the same."""
        chosen = self._policy.act(observation, None)
        self._is_rescue = off_m > (BACK_M if self._is_rescue else self._rescue_m)
        if self._left_s <= 0.0:
            self._is_expert = bool(self._rng.random() < self._expert_share)
            self._left_s = float(self._rng.uniform(*STRETCH_S))
        self._left_s -= self._delta_s
        return expert if self._is_expert or self._is_rescue else chosen
