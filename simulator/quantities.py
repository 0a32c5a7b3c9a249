"""Numbers and places that clients send, checked before the simulation lives with them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from simulator.errors import ActorError
from simulator.types import Pose

LARGEST = 1e7  # of positions, velocities, impulses: far beyond any town, and no sum overflows


def pose_of(transform: list[Any]) -> Pose:
    """A wire Transform as a pose, its angles as Unreal reports them."""
    (x, y, z), (pitch, yaw, roll) = transform
    return Pose(*finite((x, y, z, pitch, yaw, roll))).canonical()


def finite(values: Iterable[Any]) -> tuple[float, ...]:
    """Numbers that the simulation can live with; a single NaN would spread to every body."""
    numbers = tuple(float(v) for v in values)
    if not all(map(math.isfinite, numbers)):
        raise ActorError(f"expected finite numbers, got {numbers}")
    if max(map(abs, numbers), default=0.0) > LARGEST:
        raise ActorError(f"expected numbers of at most {LARGEST:g}, got {numbers}")
    return numbers
