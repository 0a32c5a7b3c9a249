"""CARLA's VehiclePhysicsControl and telemetry, translated to and from our simpler vehicles.

Only parameters that the equations of motion know change the driving: mass, drag, largest steering
angle, tyre friction, steering curve, the height of the torque curve and the brake torques. The
others are kept and come back.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from simulator.actors.models import Vehicle
from simulator.blueprints.vehicles import (
    DRAG_COEFFICIENT,
    PHYSICS_WHEELS,
    TYRE_FRICTION,
    SteeringCurve,
    VehicleModel,
    grip_at,
)
from simulator.errors import ActorError
from simulator.physics import VehicleSpec
from simulator.quantities import finite
from simulator.types import Pose

# Positions in VehiclePhysicsControl and WheelPhysicsControl, `carla/rpc/*.h` 0.9.16.
_TORQUE, _MASS, _DRAG, _CURVE, _WHEELS = 0, 11, 12, 14, 15
_FRICTION, _MAX_STEER, _BRAKE_TORQUE = 0, 2, 4
_FIELDS = 17
# The equations of motion divide by these.
_LEAST_MASS_KG, _STEER_DEG = 1.0, (0.1, 85.0)
_STRONGEST = 50.0  # times the engine or the brakes of the model
GEARS = ((3.59, 0.5, 0.65), (2.02, 0.5, 0.65), (1.38, 0.5, 0.65), (1.0, 0.5, 0.65))
_FINAL_RATIO, _RADIUS_M, _BRAKE_NM, _IDLE_RPM = 4.0, 0.35, 1500.0, 800.0
_GRAVITY = 9.81  # m/s^2
CURVE = ((0.0, 1.0), (20.0, 0.9), (60.0, 0.8), (120.0, 0.7))  # km/h, share of the full lock


def default_control(model: VehicleModel) -> list[Any]:
    """The VehiclePhysicsControl of a vehicle that nobody changed; wheels without their places."""
    spec = model.spec()
    wheels: list[list[Any]] = []
    for i in range(PHYSICS_WHEELS):
        is_front = i < PHYSICS_WHEELS // 2
        steer = spec.max_steer_deg if is_front else 0.0
        hand_brake = 0.0 if is_front else 2.0 * _BRAKE_NM
        radius_cm = 100.0 * _RADIUS_M
        wheels.append(
            [TYRE_FRICTION, 0.25, steer, radius_cm, _BRAKE_NM, hand_brake, 2.0, 17.0, 1000.0, []]
        )
    peak = 0.1 * spec.mass_kg * spec.peak_accel
    torque = [[0.0, peak], [1900.0, peak], [5800.0, 0.8 * peak]]
    gears = [list(gear) for gear in GEARS]
    engine = [torque, 5800.0, 1.0, 0.15, 2.0, 0.35, True, 0.0, 10.0, _FINAL_RATIO, gears]
    center, curve = [0.0, 0.0, 0.0], [list(point) for point in CURVE]
    return [*engine, spec.mass_kg, DRAG_COEFFICIENT, center, curve, wheels, False]


def current_control(vehicle: Vehicle) -> list[Any]:
    """What a client applied last, or the model's own, with the wheels where they are now."""
    values = list(vehicle.physics_control or default_control(vehicle.model))
    places = wheel_positions(vehicle)
    held = vehicle.road_friction
    values[_WHEELS] = [
        [wheel[_FRICTION] if held is None else held, *wheel[1:-1], place]
        for wheel, place in zip(values[_WHEELS], places, strict=True)
    ]
    return values


def wheel_positions(vehicle: Vehicle) -> list[list[float]]:
    """Where the hubs are in the world, cm: front left, front right, then the rear ones.

    Both wheels of an axle of a two-wheeler are in its middle.
    """
    axle, side = 0.5 * vehicle.spec.wheelbase_m, 0.85 * vehicle.half_extent[1]
    sides = (0.0, 0.0) if vehicle.model.wheels == 2 else (-side, side)
    places = [vehicle.pose.compose(Pose(x, y, _RADIUS_M)) for x in (axle, -axle) for y in sides]
    return [[100.0 * v for v in place[:3]] for place in places]


def spec_of(model: VehicleModel, values: list[Any]) -> VehicleSpec:
    """The vehicle that a VehiclePhysicsControl describes.

    Raises:
        ActorError: it is none that can move.
    """
    if len(values) < _FIELDS:
        raise ActorError(f"expected {_FIELDS} fields of VehiclePhysicsControl, got {len(values)}")
    if len(values[_WHEELS]) != PHYSICS_WHEELS:
        # CARLA's server does the same: it keeps what was and logs an error.
        raise ActorError(f"expected {PHYSICS_WHEELS} wheels, got {len(values[_WHEELS])}")
    base, normal, wheels = model.spec(), default_control(model), values[_WHEELS]
    mass_kg, drag = finite((values[_MASS], values[_DRAG]))
    if mass_kg < _LEAST_MASS_KG:
        raise ActorError(f"expected a mass of at least {_LEAST_MASS_KG:g} kg, got {mass_kg:g}")
    frictions = finite(wheel[_FRICTION] for wheel in wheels)
    friction = sum(frictions) / len(frictions)
    steer_deg = max(finite(wheel[_MAX_STEER] for wheel in wheels))
    engine = _share(_peak(values[_TORQUE]), _peak(normal[_TORQUE]))
    brakes = _share(_brake_nm(wheels), _brake_nm(normal[_WHEELS]))
    lightness = base.mass_kg / mass_kg  # the same force moves a lighter car more
    return replace(
        base,
        mass_kg=mass_kg,
        drag=base.drag * max(drag, 0.0) / DRAG_COEFFICIENT,
        max_steer_deg=min(max(steer_deg, _STEER_DEG[0]), _STEER_DEG[1]),
        grip=grip_at(base.grip, friction),
        peak_accel=base.peak_accel * engine * lightness,
        power_w=base.power_w * engine,
        brake_decel=base.brake_decel * brakes * lightness,
    )


def _peak(curve: list[list[float]]) -> float:
    return max(finite(point[1] for point in curve), default=0.0)


def _brake_nm(wheels: list[list[Any]]) -> float:
    return sum(finite(wheel[_BRAKE_TORQUE] for wheel in wheels))


def _share(value: float, normal: float) -> float:
    return min(max(value / normal, 0.0), _STRONGEST)


def steering_curve_of(values: list[Any]) -> SteeringCurve | None:
    """The steering curve of a VehiclePhysicsControl; None for CARLA's own, which is built in."""
    points = sorted((*finite(point),) for point in values[_CURVE])
    rounded = [(round(x, 3), round(y, 3)) for x, y in points]
    if not points or rounded == list(CURVE):
        return None
    shares = tuple(min(max(share, 0.01), 1.0) for _, share in points)
    return SteeringCurve(tuple(speed for speed, _ in points), shares)


def telemetry(vehicle: Vehicle) -> list[Any]:
    """VehicleTelemetryData; all wheels carry the same load, and none slips lengthwise."""
    order, speed = vehicle.control, math.hypot(*vehicle.velocity[:2])
    ratio = GEARS[min(max(vehicle.gear, 1), len(GEARS)) - 1][0] * _FINAL_RATIO
    rpm = max(_IDLE_RPM, speed / _RADIUS_M * ratio * 60.0 / (2.0 * math.pi))
    drag = vehicle.spec.drag * speed * speed
    wheels = [_wheel(vehicle, wheel) for wheel in current_control(vehicle)[_WHEELS]]
    return [speed, order.steer, order.throttle, order.brake, rpm, vehicle.gear, drag, wheels]


def _wheel(vehicle: Vehicle, wheel: list[Any]) -> list[float]:
    """WheelTelemetryData, in wire order."""
    axes = vehicle.pose.rotation_matrix()
    ahead, aside = (float(v) for v in (np.array(vehicle.velocity) @ axes)[:2])
    pull, push = (float(v) for v in (np.array(vehicle.acceleration) @ axes)[:2])
    share_kg = vehicle.spec.mass_kg / PHYSICS_WHEELS
    load = share_kg * _GRAVITY
    slip = math.atan2(aside, abs(ahead)) if abs(ahead) > 0.1 else 0.0
    long_n, lat_n = share_kg * pull, share_kg * push
    omega, torque = ahead / _RADIUS_M, long_n * _RADIUS_M
    forces = [torque, long_n, lat_n, long_n / load, lat_n / load]
    return [float(wheel[_FRICTION]), slip, 0.0, omega, load, 1.0, *forces]
