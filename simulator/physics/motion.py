"""How single bodies move in one substep: the bicycle model of vehicles and the gait of walkers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simulator.physics import kernel as k
from simulator.physics.kernel import compiled

F64 = NDArray[np.float64]

GRAVITY = 9.81  # m/s^2
ROLLING_DECEL = 0.12  # m/s^2
ENGINE_BRAKE_DECEL = 0.7  # m/s^2 at zero throttle, in gear
HAND_BRAKE_DECEL = 5.0  # m/s^2, rear wheels only
REVERSE_TOP_SPEED = 8.0  # m/s
LOW_GEAR_FROM = 1.0  # m/s^2 that a hill takes, a grade of 10 %: steeper ones are for a lower gear
LOW_GEAR_LIMIT = 2.5  # how much more force the lowest gear gives than a start on the flat takes
CORNERING_STIFFNESS = 16.0  # 1/rad: lateral force per slip angle and load, passenger car tyre
BLEND_FROM, BLEND_TO = 2.0, 4.0  # m/s: kinematic below, dynamic above
STEER_RATE = 5.0  # full lock per second
SCRAPE_DECEL = 5.0  # m/s^2, of a vehicle on its side or roof
WALKER_SLIDE_DECEL = 6.0  # m/s^2, of a walker that was hit
WALKER_TURN_RATE = 2.0 * math.pi  # rad/s


@compiled
def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@compiled
def steering_curve(speed: float) -> float:
    """Share of the full lock at a speed (m/s); CARLA's model3: 1, .9, .8, .7 at 0, 20, 60, 120."""
    kmh = speed * 3.6
    if kmh < 20.0:
        return 1.0 - 0.005 * kmh
    if kmh < 60.0:
        return 0.9 - 0.0025 * (kmh - 20.0)
    return max(0.8 - 0.1 * (kmh - 60.0) / 60.0, 0.5)


@compiled
def _turn_wheel(state: F64, spec: F64, command: F64, speed: float, dt: float) -> float:
    lock = spec[k.MAX_STEER] * steering_curve(speed)
    wanted = _clip(command[k.STEERING], -1.0, 1.0) * lock
    step = STEER_RATE * lock * dt
    state[k.STEER] += _clip(wanted - state[k.STEER], -step, step)
    return float(state[k.STEER])


@compiled
def _strongest_drive(u: float, spec: F64, climb: float) -> float:
    """Acceleration at full throttle; lower gears make up for steep hills, power bounds them all.

    What feels right on the flat stalls elsewhere: CARLA's Town03 has streets of 22 and 42 %, and
    its Traffic Manager gives 85 % of the throttle at most.

    Args:
        u: forward speed, m/s.
        spec: of the vehicle.
        climb: what gravity takes in driving direction, m/s^2.
    """
    peak = spec[k.PEAK_ACCEL]
    geared = min(peak + max(climb - LOW_GEAR_FROM, 0.0), LOW_GEAR_LIMIT * peak)
    return float(min(geared, spec[k.POWER] / (spec[k.MASS] * max(abs(u), 1.0))))


@compiled
def _forward_speed(
    u: float, spec: F64, command: F64, push: float, climb: float, dt: float
) -> float:
    """Speed along the ground after a substep; resistance stops the car and never reverses it.

    Args:
        u: speed along the ground, m/s.
        spec: of the vehicle.
        command: to it.
        push: of forces from outside, m/s^2.
        climb: what gravity takes in forward direction, m/s^2.
        dt: s.
    """
    throttle = _clip(command[k.THROTTLE], 0.0, 1.0)
    sign = command[k.GEAR_SIGN]
    drive = throttle * _strongest_drive(u, spec, sign * climb)
    hold = spec[k.GRIP] * GRAVITY  # what the tyres can pass on
    drive = min(drive, hold)
    if sign < 0.0:
        drive *= 0.6 * _clip((REVERSE_TOP_SPEED + u) / 2.0, 0.0, 1.0)
    resist = _clip(command[k.BRAKE], 0.0, 1.0) * spec[k.BRAKE_DECEL]
    resist += HAND_BRAKE_DECEL * command[k.HAND_BRAKE]
    resist = min(resist, hold) + min(ROLLING_DECEL, hold)
    resist += spec[k.DRAG] * u * u / spec[k.MASS]
    if sign != 0.0:
        resist += min(ENGINE_BRAKE_DECEL, hold) * (1.0 - throttle)
    u += (sign * drive + push - climb) * dt
    return math.copysign(max(abs(u) - resist * dt, 0.0), u)


@compiled
def _tyre(lateral: float, rolling: float, load_grip: float) -> float:
    """Lateral acceleration share of one axle, saturating at its grip (m/s^2)."""
    slip = math.atan2(lateral, max(abs(rolling), 1.0))
    linear = CORNERING_STIFFNESS * 0.5 * GRAVITY * slip  # half of the weight is on each axle
    return -load_grip * math.tanh(linear / load_grip)


@compiled
def drive(state: F64, spec: F64, command: F64, dt: float) -> None:
    """Move a vehicle on the ground by one substep (kinematic when slow, dynamic when fast)."""
    cos, sin = math.cos(state[k.YAW]), math.sin(state[k.YAW])
    u = state[k.VX] * cos + state[k.VY] * sin
    v = -state[k.VX] * sin + state[k.VY] * cos
    r = state[k.YAW_RATE]
    arm = 0.5 * spec[k.WHEELBASE]
    grip = spec[k.GRIP] * GRAVITY
    delta = _turn_wheel(state, spec, command, abs(u), dt)
    push_x, push_y = command[k.FORCE_X] / spec[k.MASS], command[k.FORCE_Y] / spec[k.MASS]
    ahead = state[k.GRADE_X] * cos + state[k.GRADE_Y] * sin
    across = state[k.GRADE_Y] * cos - state[k.GRADE_X] * sin
    # Speeds are those seen from above; along the ground, where the wheels roll, it is more.
    slant = math.hypot(1.0, ahead)
    climb = GRAVITY * ahead / slant
    push = (push_x * cos + push_y * sin) / slant
    u_next = _forward_speed(u * slant, spec, command, push, climb, dt) / slant
    aside = push_y * cos - push_x * sin - GRAVITY * across / (1.0 + across * across)

    # Friction circle: what braking or driving uses is missing sideways.
    used = min(abs(u_next - u) / (dt * grip), 1.0)
    side = grip * math.sqrt(max(1.0 - used * used, 0.1))
    spin = spec[k.MASS] * arm / spec[k.INERTIA]

    # Slow: the wheels do not slip, except where that would need more than the grip.
    r_roll = u_next * math.tan(delta) / spec[k.WHEELBASE]
    if abs(r_roll * u_next) > grip:
        r_roll = math.copysign(grip / abs(u_next), r_roll)
    v_slow = v + _clip(r_roll * arm - v, -side * dt, side * dt)
    r_slow = r + _clip(r_roll - r, -side * spin * dt, side * spin * dt)

    # Fast: slip angles, each axle carries half of the load.
    cos_d, sin_d = math.cos(delta), math.sin(delta)
    front_v = v + arm * r
    front = _tyre(front_v * cos_d - u * sin_d, u * cos_d + front_v * sin_d, 0.5 * side)
    rear = _tyre(v - arm * r, u, 0.5 * side * (1.0 - 0.6 * command[k.HAND_BRAKE]))
    v_fast = v + (front * cos_d + rear + aside) * dt
    r_fast = r + (front * cos_d - rear) * spin * dt
    weight = _clip((abs(u) - BLEND_FROM) / (BLEND_TO - BLEND_FROM), 0.0, 1.0)
    if weight > 0.0:
        slowed = u_next - weight * front * sin_d * dt
        u_next = slowed if slowed * u_next > 0.0 else 0.0
    v = v_slow + weight * (v_fast - v_slow)
    state[k.YAW_RATE] = r_slow + weight * (r_fast - r_slow)
    state[k.VX] = u_next * cos - v * sin
    state[k.VY] = u_next * sin + v * cos


@compiled
def slide(state: F64, dt: float) -> None:
    """Let a vehicle on its side or roof come to rest; its wheels do nothing."""
    speed = math.hypot(state[k.VX], state[k.VY])
    rest = max(speed - SCRAPE_DECEL * dt, 0.0) / max(speed, SCRAPE_DECEL * dt)
    state[k.VX] *= rest
    state[k.VY] *= rest
    state[k.YAW_RATE] *= rest


@compiled
def walk(state: F64, command: F64, dt: float) -> None:
    """Give a walker the velocity it wants, plus what is left of a push."""
    push = math.hypot(state[k.PUSH_X], state[k.PUSH_Y])
    if push > 0.0:
        rest = max(push - WALKER_SLIDE_DECEL * dt, 0.0) / push
        state[k.PUSH_X] *= rest
        state[k.PUSH_Y] *= rest
    state[k.VX] = command[k.WALK_X] + state[k.PUSH_X]
    state[k.VY] = command[k.WALK_Y] + state[k.PUSH_Y]
    state[k.YAW_RATE] = 0.0
    if command[k.WALK_X] != 0.0 or command[k.WALK_Y] != 0.0:
        wanted = math.atan2(command[k.WALK_Y], command[k.WALK_X])
        turn = (wanted - state[k.YAW] + math.pi) % (2.0 * math.pi) - math.pi
        turn = _clip(turn, -WALKER_TURN_RATE * dt, WALKER_TURN_RATE * dt)
        state[k.YAW_RATE] = turn / dt


@compiled
def move(state: F64, spec: F64, command: F64, dt: float) -> None:
    """One substep of one body: forces, then position; height follows the slope or gravity."""
    if command[k.SIMULATED] == 0.0 or spec[k.KIND] == k.PROP:
        state[k.VX : k.YAW_RATE + 1] = 0.0
        return
    grounded = state[k.Z] <= state[k.GROUND] + 0.05
    if command[k.CONSTANT] != 0.0:
        cos, sin = math.cos(state[k.YAW]), math.sin(state[k.YAW])
        state[k.VX] = command[k.CONSTANT_X] * cos - command[k.CONSTANT_Y] * sin
        state[k.VY] = command[k.CONSTANT_X] * sin + command[k.CONSTANT_Y] * cos
        state[k.YAW_RATE] = 0.0
    elif spec[k.KIND] == k.WALKER:
        walk(state, command, dt)
    elif grounded and math.cos(state[k.ROLL]) < k.UPRIGHT:
        slide(state, dt)
    elif grounded:
        drive(state, spec, command, dt)
    state[k.X] += state[k.VX] * dt
    state[k.Y] += state[k.VY] * dt
    state[k.YAW] += state[k.YAW_RATE] * dt
    climb = state[k.VX] * state[k.GRADE_X] + state[k.VY] * state[k.GRADE_Y]
    state[k.GROUND] += climb * dt
    if grounded and state[k.VZ] <= climb + 0.5:
        state[k.VZ] = climb
        state[k.Z] += climb * dt
    else:
        state[k.VZ] -= GRAVITY * dt
        state[k.Z] = max(state[k.Z] + state[k.VZ] * dt, state[k.GROUND])
