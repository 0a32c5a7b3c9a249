"""Criteria: each watches one thing in the recorded steps and reports events; none judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fusiondrive.types import Route
from harness.criteria.base import Criterion, Event, EventKind, LanePlace, LaneQuery, Step
from harness.criteria.blocked import BlockedCriterion
from harness.criteria.collision import CollisionCriterion
from harness.criteria.lane import CarlaLaneQuery, LaneCriterion
from harness.criteria.lights import RedLightCriterion
from harness.criteria.route import RouteCriterion, time_limit_s

__all__ = [
    "CRITERIA",
    "CarlaLaneQuery",
    "Criterion",
    "CriterionSetup",
    "Event",
    "EventKind",
    "LanePlace",
    "LaneQuery",
    "Step",
    "make_criteria",
    "time_limit_s",
]


@dataclass(frozen=True)
class CriterionSetup:
    """What criteria may know of an episode before it starts."""

    route: Route
    lanes: LaneQuery


CRITERIA: dict[str, Callable[[CriterionSetup], Criterion]] = {
    "collision": lambda setup: CollisionCriterion(),
    "lane": lambda setup: LaneCriterion(setup.lanes),
    "lights": lambda setup: RedLightCriterion(),
    "blocked": lambda setup: BlockedCriterion(),
    "route": lambda setup: RouteCriterion(setup.route),
}


def make_criteria(setup: CriterionSetup) -> dict[str, Criterion]:
    """Fresh criteria for one episode."""
    return {name: build(setup) for name, build in CRITERIA.items()}
