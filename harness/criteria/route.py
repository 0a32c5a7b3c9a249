"""Reaching the goal, leaving the route, running out of time."""

from __future__ import annotations

import math

from fusiondrive.types import Route
from harness.criteria.base import Event, EventKind, Step

GOAL_RADIUS_M = 5.0
RADII_M = (10.0, 5.0, 2.0)
# A route may pass its goal's surroundings early; the goal counts only near the end of the path.
GOAL_REMAINING_M = 12.0
PAST_GOAL_S = 5.0
DEVIATION_M = 30.0
NOCRASH_SPEED_KMH = 5.0  # coiltraine, NoCrash: route at 5 km/h plus 20 s
NOCRASH_EXTRA_S = 20.0
TIME_TOLERANCE_S = 1e-3


def time_limit_s(route: Route) -> float:
    """NoCrash's time-out for a route."""
    return route.length_m / 1000.0 / NOCRASH_SPEED_KMH * 3600.0 + NOCRASH_EXTRA_S


class RouteCriterion:
    """Reports `near_goal` per radius, `goal` at 5 m, then `past_goal` when nothing more can come.

    Between `goal` and `past_goal` the car drives on, for at most 5 s, so that "within 2 m" is
    known as well; nothing that happens there is scored.
    """

    def __init__(self, route: Route) -> None:
        self._goal = (float(route.points[-1, 0]), float(route.points[-1, 1]))
        self._length_m = route.length_m
        self._limit_s = time_limit_s(route)
        self._start_s: float | None = None
        self._reached: set[float] = set()
        self._goal_s: float | None = None
        self._nearest_m = math.inf
        self._is_over = False

    def update(self, step: Step) -> list[Event]:
        """Compare the ego with goal, route and clock."""
        now_s = step.state.time_s
        if self._start_s is None:
            self._start_s = now_s
        if self._is_over:
            return []
        events = self._approach(step)
        if self._goal_s is not None:
            return events + self._pass_by(step)
        if step.progress.deviation_m > DEVIATION_M:
            events.append(step.event(EventKind.DEVIATION, step.progress.deviation_m))
        elif now_s - self._start_s >= self._limit_s - TIME_TOLERANCE_S:
            events.append(step.event(EventKind.TIMEOUT, self._limit_s))
        return events

    def _approach(self, step: Step) -> list[Event]:
        if self._length_m - step.progress.distance_m > GOAL_REMAINING_M:
            return []
        gap_m = self._gap(step)
        events = []
        for radius in RADII_M:
            if gap_m <= radius and radius not in self._reached:
                self._reached.add(radius)
                events.append(step.event(EventKind.NEAR_GOAL, radius))
        if gap_m <= GOAL_RADIUS_M and self._goal_s is None:
            self._goal_s = step.state.time_s
            events.append(step.event(EventKind.GOAL))
        return events

    def _pass_by(self, step: Step) -> list[Event]:
        assert self._goal_s is not None  # the caller has checked
        gap_m = self._gap(step)
        is_leaving = gap_m > self._nearest_m + 0.5
        self._nearest_m = min(self._nearest_m, gap_m)
        waited_s = step.state.time_s - self._goal_s
        if min(RADII_M) in self._reached or is_leaving or waited_s >= PAST_GOAL_S:
            self._is_over = True
            return [step.event(EventKind.PAST_GOAL)]
        return []

    def _gap(self, step: Step) -> float:
        pose = step.state.ego.pose
        return math.hypot(pose.x - self._goal[0], pose.y - self._goal[1])
