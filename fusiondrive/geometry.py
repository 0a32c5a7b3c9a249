"""Angles and directions on the ground: one place for wrapping and for turning into a heading."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Angle = TypeVar("Angle", float, NDArray[np.float64])


class Ahead(NamedTuple):
    """A vector on the ground as somebody with a heading sees it."""

    ahead: float
    right: float  # CARLA's frame is left-handed: y points to the right of x


def wrap_degrees(angle: Angle) -> Angle:
    """The same angle in [-180, 180)."""
    return (angle + 180.0) % 360.0 - 180.0


def wrap_radians(angle: float) -> float:
    """The same angle in [-pi, pi)."""
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


def turn_degrees(first: float, second: float) -> float:
    """How far two headings are apart, from 0 to 180."""
    return abs(wrap_degrees(first - second))


def unwrapped_degrees(angle: float, beside: float) -> float:
    """The same angle, at most half a turn from another one."""
    return beside + (angle - beside + 180.0) % 360.0 - 180.0


def to_heading(x: float, y: float, yaw_deg: float) -> Ahead:
    """A vector of the world's frame in the frame of somebody who heads to `yaw_deg`."""
    yaw = math.radians(yaw_deg)
    cos, sin = math.cos(yaw), math.sin(yaw)
    return Ahead(float(x * cos + y * sin), float(y * cos - x * sin))
