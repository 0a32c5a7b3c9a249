"""Height and tilt of bodies on the ground, for all that move in one compiled pass."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simulator.physics import kernel as k

F64 = NDArray[np.float64]
Rows = NDArray[np.int64]

DROP_M = 0.02  # what lies higher above the ground than this falls
SETTLE_S = 0.1  # time constant with which height and tilt follow a step in the ground
SIDES = 4  # points of the ground that a body looks at: front, rear, left and right of a vehicle


@k.compiled
def sides_of(state: F64, spec: F64, rows: Rows) -> F64:
    """Where bodies look at the ground, (SIDES x rows, 3): x, y and the height they are at.

    A vehicle looks below its axles and flanks, anything else only below itself.
    """
    points = np.empty((SIDES * len(rows), 3))
    for n in range(len(rows)):
        i = rows[n]
        x, y, z = state[i, k.X], state[i, k.Y], state[i, k.Z]
        own = points[SIDES * n : SIDES * (n + 1)]
        if spec[i, k.KIND] != k.VEHICLE:
            own[:, 0], own[:, 1] = x, y
            own[:, 2] = z - spec[i, k.HALF_Z] if spec[i, k.KIND] == k.WALKER else z
            continue
        cos, sin = math.cos(state[i, k.YAW]), math.sin(state[i, k.YAW])
        a, b = 0.5 * spec[i, k.WHEELBASE], 0.8 * spec[i, k.HALF_Y]
        own[0, 0], own[0, 1] = x + a * cos, y + a * sin
        own[1, 0], own[1, 1] = x - a * cos, y - a * sin
        own[2, 0], own[2, 1] = x + b * sin, y - b * cos
        own[3, 0], own[3, 1] = x - b * sin, y + b * cos
        own[:, 2] = z
    return points


@k.compiled
def settle(state: F64, spec: F64, command: F64, rows: Rows, heights: F64, share: float) -> None:
    """Note the ground below bodies; let height and tilt follow it.

    Args:
        state: of all bodies; changed.
        spec: of all bodies.
        command: of all bodies.
        rows: those that settle.
        heights: of the ground at `sides_of`, (SIDES x rows,) m.
        share: of the way that height and tilt go, 0 to 1.
    """
    for n in range(len(rows)):
        i = rows[n]
        kind = spec[i, k.KIND]
        below = heights[SIDES * n : SIDES * (n + 1)]
        grade_x, grade_y = 0.0, 0.0
        pitch, roll = state[i, k.PITCH], state[i, k.ROLL]
        if kind == k.VEHICLE:
            cos, sin = math.cos(state[i, k.YAW]), math.sin(state[i, k.YAW])
            a, b = 0.5 * spec[i, k.WHEELBASE], 0.8 * spec[i, k.HALF_Y]
            ahead = (below[0] - below[1]) / (2.0 * a)
            across = (below[3] - below[2]) / (2.0 * b)
            grade_x = ahead * cos - across * sin
            grade_y = ahead * sin + across * cos
            height = 0.25 * (below[0] + below[1] + below[2] + below[3])
            up = math.cos(state[i, k.ROLL])
            if up < k.UPRIGHT:  # it lies there as it fell
                lean = abs(math.sin(state[i, k.ROLL]))
                height += lean * spec[i, k.HALF_Y] - min(2.0 * up * spec[i, k.HALF_Z], 0.0)
            else:
                pitch, roll = math.atan(ahead), -math.atan(across)
        else:
            height = below[0] + (spec[i, k.HALF_Z] if kind == k.WALKER else 0.0)
        if not math.isfinite(height):
            continue
        state[i, k.GROUND], state[i, k.GRADE_X], state[i, k.GRADE_Y] = height, grade_x, grade_y
        if kind == k.PROP or command[i, k.SIMULATED] == 0.0:
            continue
        if state[i, k.Z] < height:
            state[i, k.Z] += share * (height - state[i, k.Z])
        elif state[i, k.Z] < height + 10.0 * DROP_M and abs(state[i, k.VZ]) < 1.0:
            state[i, k.Z] -= share * (state[i, k.Z] - height)
        if kind == k.VEHICLE and state[i, k.Z] < height + 0.3:
            state[i, k.PITCH] += share * (pitch - state[i, k.PITCH])
            state[i, k.ROLL] += share * (roll - state[i, k.ROLL])
