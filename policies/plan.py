"""The plan of a route as CARLA's Leaderboard hands it out: few points, each with an option."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fusiondrive.geometry import to_heading
from fusiondrive.types import Command, Pose, Route

PASSED_WITHIN_M = 12.0  # carla-roach: a point behind the car and nearer than this is passed
ROACH_SPACING_M = 50.0


def plan_options(route: Route) -> tuple[Command, ...]:
    """Option of each route point: a turn's own inside its junction, else follow the lane.

    The harness announces a turn before its junction; the Leaderboard's planner does not.
    """
    return tuple(
        Command(int(command)) if inside else Command.FOLLOW
        for command, inside in zip(route.commands, route.in_junction, strict=True)
    )


def sparse_indices(
    options: tuple[Command, ...], arc_m: NDArray[np.float64], spacing_m: float
) -> tuple[int, ...]:
    """Route points that a plan keeps: where the option changes, every `spacing_m`, and the last."""
    kept: list[int] = []
    travelled_m = 0.0
    for index, option in enumerate(options):
        changes = index == 0 or option is not options[index - 1]
        if changes or travelled_m > spacing_m or index == len(options) - 1:
            kept.append(index)
            travelled_m = 0.0
        else:
            travelled_m += float(arc_m[index] - arc_m[index - 1])
    return tuple(kept)


class PlanTarget:
    """The next point of the plan as carla-roach follows it, in the ego's frame."""

    def __init__(self, route: Route) -> None:
        kept = sparse_indices(plan_options(route), route.cumulative_m, ROACH_SPACING_M)
        self._points = route.points[list(kept), :2]
        self._next = 0

    def advance(self, ego: Pose) -> tuple[float, float]:
        """Metres to the point: x forward, y right."""
        ahead = self._relative(ego)
        if math.hypot(*ahead) < PASSED_WITHIN_M and ahead[0] < 0.0:
            self._next = min(self._next + 1, len(self._points) - 1)
            ahead = self._relative(ego)
        return ahead

    def _relative(self, ego: Pose) -> tuple[float, float]:
        dx, dy = self._points[self._next] - (ego.x, ego.y)
        return to_heading(dx, dy, ego.yaw)
