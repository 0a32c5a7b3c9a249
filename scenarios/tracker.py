"""Progress of the ego along its route, which never goes back or jumps to another leg."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from fusiondrive.types import Command, Progress, Route

SEARCH_AHEAD_M = 15.0
TARGET_AHEAD_M = 10.0


class RouteTracker:
    """Tracks one drive along its route; call `advance` once per step."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._points = np.ascontiguousarray(route.points[:, :2])
        self._steps = np.diff(self._points, axis=0)
        self._squares = np.maximum(np.einsum("ij,ij->i", self._steps, self._steps), 1e-9)
        self._arc_m: list[float] = route.cumulative_m.tolist()
        self._x, self._y = np.ascontiguousarray(self._points.T)
        self._distance_m = 0.0

    def reset(self) -> None:
        """Go back to the start."""
        self._distance_m = 0.0

    def advance(self, x: float, y: float) -> Progress:
        """Move on to the nearest place at most `SEARCH_AHEAD_M` further along the route.

        Args:
            x: the ego's x in CARLA's world frame, in metres.
            y: the ego's y.

        The search never looks back and never beyond the window, so a route that crosses or
        repeats itself cannot be cut short.
        """
        arc = self._arc_m
        low = max(bisect_right(arc, self._distance_m) - 1, 0)
        low = min(low, len(self._steps) - 1)
        high = bisect_left(arc, self._distance_m + SEARCH_AHEAD_M)
        high = min(max(high, low + 1), len(self._steps))
        offsets = np.array((x, y)) - self._points[low:high]
        shares = np.einsum("ij,ij->i", offsets, self._steps[low:high]) / self._squares[low:high]
        shares = shares.clip(0.0, 1.0)
        aside = offsets - shares[:, None] * self._steps[low:high]
        gaps = np.sqrt((aside * aside).sum(axis=1))
        best = int(gaps.argmin())
        segment = low + best
        reached = arc[segment] + float(shares[best]) * (arc[segment + 1] - arc[segment])
        self._distance_m = max(self._distance_m, reached)
        return self._progress(float(gaps[best]))

    def _progress(self, deviation_m: float) -> Progress:
        route = self.route
        index = bisect_right(self._arc_m, self._distance_m) - 1
        ahead_m = min(self._distance_m + TARGET_AHEAD_M, route.length_m)
        target = (
            float(np.interp(ahead_m, route.cumulative_m, self._x)),
            float(np.interp(ahead_m, route.cumulative_m, self._y)),
        )
        return Progress(
            index=index,
            completion=self._distance_m / route.length_m,
            distance_m=self._distance_m,
            deviation_m=deviation_m,
            command=Command(int(route.commands[index])),
            target_point_world=target,
        )
