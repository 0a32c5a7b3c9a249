"""The reward of a step: progress along the route, minus what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.criteria import Event, EventKind


def _default_costs() -> dict[EventKind, float]:
    return {
        EventKind.COLLISION: 50.0,
        EventKind.DEVIATION: 20.0,
        EventKind.BLOCKED: 20.0,
        EventKind.TIMEOUT: 10.0,
        EventKind.RED_LIGHT: 10.0,
        EventKind.LANE_INFRACTION: 2.0,
    }


@dataclass(frozen=True)
class RewardConfig:
    """One point per metre of route; costs are metres of progress."""

    goal_bonus: float = 20.0
    costs: Mapping[EventKind, float] = field(default_factory=_default_costs)


def step_reward(progress_m: float, events: Sequence[Event], config: RewardConfig) -> float:
    """Reward of one step.

    Args:
        progress_m: new metres along the route in this step.
        events: what the criteria reported in it.
        config: weights.
    """
    bonus = config.goal_bonus * any(event.kind is EventKind.GOAL for event in events)
    return progress_m + bonus - sum(config.costs.get(event.kind, 0.0) for event in events)
