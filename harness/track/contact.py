"""When two boxes on the road touch first, within a step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FINE_S = 0.001
SKIN_M = 0.05  # a server's physics, with steps of its own, lets boxes touch this much earlier


class Box(NamedTuple):
    """An upright box that lies along the road, as seen from above."""

    along_m: float  # of its middle
    right_m: float
    half_along_m: float
    half_right_m: float


class Motion(NamedTuple):
    """How a box moves during a step."""

    along_mps: float = 0.0
    right_mps: float = 0.0
    along_mps2: float = 0.0  # it brakes to a stop and does not reverse


class Contact(NamedTuple):
    """The first touch."""

    after_s: float
    speed_mps: float  # of the first box along the road
    closing_mps: float  # the same less that of the other
    struck: float  # share of the first box's width from its right side, where the other's middle is


def first_contact(
    car: Box, car_motion: Motion, other: Box, other_motion: Motion, step_s: float
) -> Contact | None:
    """The first touch within a step of constant accelerations; None without one."""
    times = np.arange(0.0, step_s, FINE_S)
    car_along, car_speed = _along(car, car_motion, times)
    other_along, other_speed = _along(other, other_motion, times)
    aside = other.right_m + other_motion.right_mps * times
    aside -= car.right_m + car_motion.right_mps * times
    touches = (
        np.abs(other_along - car_along) <= car.half_along_m + other.half_along_m + SKIN_M
    ) & (np.abs(aside) <= car.half_right_m + other.half_right_m)
    if not touches.any():
        return None
    at = int(np.argmax(touches))
    return Contact(
        after_s=float(times[at]),
        speed_mps=float(car_speed[at]),
        closing_mps=float(car_speed[at] - other_speed[at]),
        struck=float(0.5 - 0.5 * aside[at] / car.half_right_m),
    )


def _along(box: Box, motion: Motion, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and speeds at the times."""
    speed, change = motion.along_mps, motion.along_mps2
    if change * speed < 0.0:
        times = np.minimum(times, -speed / change)
    return box.along_m + speed * times + 0.5 * change * times**2, speed + change * times
