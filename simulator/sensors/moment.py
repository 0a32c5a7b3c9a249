"""The frame in which sensors measure."""

from __future__ import annotations

from typing import NamedTuple


class Moment(NamedTuple):
    """What all sensors of one frame share."""

    frame: int
    time_s: float
    seed: int
    gravity: float  # m/s^2
    delta_s: float
