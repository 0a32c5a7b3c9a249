"""What happens among cars: contacts, red lights, standing; numbers in, counts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SAME_CONTACT_S = 3.0  # later contacts of a pair are collisions of their own
STANDS_BELOW_MPS = 0.1
HALF_LANE_M = 1.6
NEAR_LINE_M = 4.0
MIN_HEADING_COS = 0.7

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


class StopLine(NamedTuple):
    """Where the traffic of one lane stops for a light."""

    light: int  # index of the light
    x: float  # m
    y: float  # m
    yaw_rad: float  # driving direction


class Collision(NamedTuple):
    """The beginning of a contact between two actors, or one and the scenery."""

    time_s: float
    first: str
    second: str
    x: float
    y: float


@dataclass
class Contacts:
    """Collision events of many sensors, put together to collisions."""

    found: list[Collision] = field(default_factory=list)
    _last: dict[tuple[int, int], float] = field(default_factory=dict)

    def add(self, ids: tuple[int, int], event: Collision) -> None:
        """Take one event; both cars of a pair report it, and for as long as they touch."""
        pair = (min(ids), max(ids))
        last = self._last.get(pair)
        self._last[pair] = event.time_s
        if last is None or event.time_s - last > SAME_CONTACT_S:
            self.found.append(event)


class TrafficWatch:
    """Follows cars over time."""

    def __init__(self, lines: Sequence[StopLine], cars: int) -> None:
        self._lines = np.array(lines, np.float64).reshape(-1, 4)
        self._ahead: F64 | None = None  # (cars, lines) m to each line at the last step
        self._red: Bool = np.zeros(0, np.bool_)
        self._standing_s = np.zeros(cars)
        self._distance_m = 0.0
        self.alive_s = np.zeros(cars)  # the Traffic Manager takes away what is stuck
        self.longest_stand_s = np.zeros(cars)
        self.places = np.zeros((cars, 3))  # of the longest stand
        self.passed_green = 0
        self.passed_red: list[tuple[int, int]] = []  # car, light

    @property
    def mean_speed_mps(self) -> float:
        """Over the time of all cars while they were there, standing included."""
        return self._distance_m / max(float(self.alive_s.sum()), 1e-9)

    def advance(
        self, delta_s: float, places: F64, speeds: F64, is_red: Bool, is_there: Bool
    ) -> None:
        """One step.

        Args:
            delta_s: since the last one, s.
            places: x, y (m) and yaw (rad) of the cars' centres, (cars, 3).
            speeds: m/s, (cars,).
            is_red: of the lights, (lights,).
            is_there: whether the car exists (still), (cars,).
        """
        self._distance_m += delta_s * float(speeds[is_there].sum())
        self.alive_s += np.where(is_there, delta_s, 0.0)
        stands = (speeds < STANDS_BELOW_MPS) & is_there
        self._standing_s = np.where(stands, self._standing_s + delta_s, 0.0)
        is_longest = self._standing_s > self.longest_stand_s
        self.places[is_longest] = places[is_longest]
        self.longest_stand_s = np.maximum(self.longest_stand_s, self._standing_s)
        if len(self._lines):
            self._watch_lines(places, is_red)

    def _watch_lines(self, places: F64, is_red: Bool) -> None:
        light, x, y, yaw = self._lines.T
        dx, dy = x - places[:, :1], y - places[:, 1:2]  # (cars, lines)
        ahead = dx * np.cos(yaw) + dy * np.sin(yaw)
        aside = np.abs(dy * np.cos(yaw) - dx * np.sin(yaw))
        facing = np.cos(places[:, 2:3] - yaw) > MIN_HEADING_COS
        before = self._ahead
        if before is not None and len(self._red) == len(is_red):
            crossed = (before > 0.0) & (ahead <= 0.0) & (before < NEAR_LINE_M)
            crossed &= (aside < HALF_LANE_M) & facing
            for car, line in np.argwhere(crossed).tolist():
                index = int(light[line])
                if is_red[index] and self._red[index]:
                    self.passed_red.append((car, index))
                elif not is_red[index]:
                    self.passed_green += 1
        self._ahead, self._red = ahead, is_red.copy()
