"""The decorator of the compiled functions and the columns of the arrays that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile with numba, cached on disk; no fast-math, so that results repeat to the bit."""
    return cast(Function, njit(cache=True)(function))


VEHICLE, WALKER, PROP = range(3)
UPRIGHT = 0.5  # cosine of the roll below which a vehicle is not on its wheels

# What moves. Metres, radians, world frame; STEER is the road-wheel angle; GRADE is the slope
# dz/dx and dz/dy of the ground; PUSH is the velocity that a hit gave to a walker.
(X, Y, Z, YAW, VX, VY, VZ, YAW_RATE, STEER) = range(9)
(GRADE_X, GRADE_Y, GROUND, PITCH, ROLL, PUSH_X, PUSH_Y) = range(9, 16)
STATE_COLUMNS = 16

# What a body is: half sizes and centre of its box in its own frame (m), SI units elsewhere.
(HALF_X, HALF_Y, HALF_Z, BOX_X, BOX_Y, BOX_Z, MASS, INERTIA, WHEELBASE) = range(9)
(MAX_STEER, DRAG, PEAK_ACCEL, POWER, BRAKE_DECEL, GRIP, KIND) = range(9, 16)
CUT = 16  # how much of both sides a cut corner takes
SPEC_COLUMNS = 17

# What it is told to do. GEAR_SIGN is the driving direction, 0 in neutral; WALK is the wanted
# velocity of a walker; FORCE holds for one step; CONSTANT is a fixed velocity in the local frame.
(THROTTLE, STEERING, BRAKE, HAND_BRAKE, GEAR_SIGN, WALK_X, WALK_Y) = range(7)
(FORCE_X, FORCE_Y, CONSTANT, CONSTANT_X, CONSTANT_Y, SIMULATED, COLLIDES) = range(7, 14)
INPUT_COLUMNS = 14
