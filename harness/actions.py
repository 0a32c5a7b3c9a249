"""The action of the gymnasium environment: what is accepted, and the control that it becomes."""

from __future__ import annotations

import numpy as np
from gymnasium.error import InvalidAction
from numpy.typing import ArrayLike, NDArray

from fusiondrive.types import Control

LOW = np.array([0.0, -1.0, 0.0], np.float32)  # throttle, steer, brake
HIGH = np.array([1.0, 1.0, 1.0], np.float32)
EXPECTED = "expected 3 finite numbers (throttle 0..1, steer -1..1, brake 0..1)"
NUMBERS = "fiu"  # NumPy's kinds: floats, integers


def control_of(action: ArrayLike) -> Control:
    """The control of an action; finite values beyond the range are clipped to it.

    Args:
        action: (3,) throttle, steer and brake, as an array of any type of number or a sequence.

    Raises:
        InvalidAction: another shape or type, NaN, or inf.
    """
    values = _numbers(action)
    if values.shape != LOW.shape:
        raise InvalidAction(f"action: {EXPECTED}, found shape {values.shape}")
    if not np.isfinite(values).all():
        raise InvalidAction(f"action: {EXPECTED}, found {values.tolist()}")
    return Control(*(float(value) for value in np.clip(values, LOW, HIGH)))


def _numbers(action: ArrayLike) -> NDArray[np.number]:
    try:
        values = np.asarray(action)
    except (TypeError, ValueError, RuntimeError) as err:  # ragged, or a tensor with a gradient
        raise InvalidAction(f"action: {EXPECTED}, found {action!r:.80} ({err})") from err
    if values.dtype.kind not in NUMBERS:
        raise InvalidAction(f"action: {EXPECTED}, found {action!r:.80} of type {values.dtype}")
    return values
