"""How two vehicles that are wedged come free: the one that presses rolls back a little.

CARLA's Traffic Manager never reverses. Where the corner of a bus sweeps over the next lane, the bus
yields to the car that it touches, and the car presses against the bus, until the manager takes one
of them away after 90 s. Apart again, the manager lets the one go whose way is clear.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simulator.physics import kernel as k
from simulator.physics.kernel import compiled

F64 = NDArray[np.float64]

PATIENCE_S = 3.0  # of pressing before a vehicle lets go
ROLL_S = 1.6
ROLL_MPS = 0.5
FREE_MPS = 1.0  # who is faster is not wedged
_STANDS_MPS = 0.3
_FACES = 0.5  # cosine between the driving direction and the way to the other vehicle


@compiled
def note_pressing(state: F64, command: F64, nx: float, ny: float, dt: float) -> None:
    """Count the time for which a vehicle wants to go on and another one stands in its way.

    Args:
        state: of the vehicle that may press.
        command: what its driver wants.
        nx: unit vector to the other vehicle.
        ny: the same.
        dt: length of the substep in which they touch, s.
    """
    faces = nx * math.cos(state[k.YAW]) + ny * math.sin(state[k.YAW])
    if state[k.PRESSED] < 0.0:
        if faces < 0.0:  # somebody behind: no farther
            state[k.PRESSED] = 0.0
        return
    if command[k.ROLLS_BACK] == 0.0 or command[k.THROTTLE] == 0.0 or faces < _FACES:
        return
    if command[k.GEAR_SIGN] > 0.0 and math.hypot(state[k.VX], state[k.VY]) < _STANDS_MPS:
        state[k.PRESSED] += dt
        if state[k.PRESSED] >= PATIENCE_S:
            state[k.PRESSED] = -ROLL_S


@compiled
def roll_back(state: F64, dt: float) -> None:
    """Move a vehicle that has let go, whatever its driver wants."""
    state[k.VX] = -ROLL_MPS * math.cos(state[k.YAW])
    state[k.VY] = -ROLL_MPS * math.sin(state[k.YAW])
    state[k.YAW_RATE] = 0.0
    state[k.PRESSED] = min(state[k.PRESSED] + dt, 0.0)
