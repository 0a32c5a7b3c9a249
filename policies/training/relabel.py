"""Pedals for any speed at which a recorded image might have been seen.

An expert's pedals follow from its speed and the speed that it wants. Both are recorded, so a
sample whose speed input is replaced in training gets the pedals that belong to the new speed.
Without that, a clone learns that standing cars stand (inertia: Codevilla et al. 2019, section 4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

HOLD_THROTTLE = 0.16  # keeps a speed of 3 to 10 m/s on the embedded server, measured
THROTTLE_GAIN = 0.3  # per m/s, the expert's
LARGEST_THROTTLE = 0.75
BRAKE_GAIN = 0.35
BRAKE_FROM_MPS = 0.3  # too fast
STANDING_BRAKE = 0.7
STANDING_MPS = 0.3  # wanted speeds below mean to stand


def pedals(speed_mps: FloatArray, wanted_mps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Throttle and brake, each (B,) in [0, 1], from speeds (B,) and wanted speeds (B,)."""
    error = wanted_mps - speed_mps
    throttle = np.clip(HOLD_THROTTLE + THROTTLE_GAIN * error, 0.0, LARGEST_THROTTLE)
    brake = np.clip(BRAKE_GAIN * (-error - BRAKE_FROM_MPS) + 0.05, 0.0, 1.0)
    stands = (wanted_mps < STANDING_MPS) & (speed_mps < 1.0)
    brakes = stands | (error < -BRAKE_FROM_MPS)
    throttle = np.where(brakes, 0.0, throttle)
    brake = np.where(stands, STANDING_BRAKE, np.where(brakes, brake, 0.0))
    return throttle.astype(np.float32), brake.astype(np.float32)


def actions(steer: FloatArray, speed_mps: FloatArray, wanted_mps: FloatArray) -> FloatArray:
    """Targets (B, 3) of steer, throttle and brake."""
    return np.stack([steer, *pedals(speed_mps, wanted_mps)], axis=1)
