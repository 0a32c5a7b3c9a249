"""Calls about vehicles: control, lights, physics parameters, telemetry."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from simulator.ackermann import AckermannControl, AckermannGains
from simulator.actors import ActorError, Vehicle
from simulator.methods import Context, Method
from simulator.physics import VehicleInput
from simulator.spawning import finite
from simulator.types import Pose
from simulator.vehicle_models import DRAG_COEFFICIENT
from simulator.wire import Form

# Positions in VehiclePhysicsControl and WheelPhysicsControl, `carla/rpc/*.h` 0.9.16.
_MASS, _DRAG, _WHEELS, _MAX_STEER, _FRICTION = 11, 12, 15, 2, 0
_GEARS = ((3.59, 0.5, 0.65), (2.02, 0.5, 0.65), (1.38, 0.5, 0.65), (1.0, 0.5, 0.65))
_TOP_GEAR = 20
# The equations of motion divide by these.
_LEAST_MASS_KG, _LEAST_FRICTION, _STEER_DEG = 1.0, 0.01, (0.1, 85.0)
_ALL_LAMPS = 0xFFFFFFFF
_FIELDS = 17


def _vehicle(context: Context, actor_id: int) -> Vehicle:
    return context.server.episode.actors.get(actor_id, Vehicle)


def control(context: Context, actor_id: int, values: list[Any]) -> None:
    """Apply a VehicleControl."""
    throttle, steer, brake = finite(values[:3])
    order = VehicleInput(
        min(max(throttle, 0.0), 1.0),
        min(max(steer, -1.0), 1.0),
        min(max(brake, 0.0), 1.0),
        hand_brake=bool(values[3]),
        reverse=bool(values[4]),
        manual_gear_shift=bool(values[5]),
        gear=min(max(int(values[6]), -1), _TOP_GEAR),
    )
    context.server.episode.drive(_vehicle(context, actor_id), order)


def ackermann(context: Context, actor_id: int, values: list[float]) -> None:
    """Apply a VehicleAckermannControl."""
    vehicle = _vehicle(context, actor_id)
    if vehicle.ackermann is None:
        vehicle.controller.reset()
    vehicle.ackermann = AckermannControl(*finite(values))


def ackermann_settings(context: Context, actor_id: int) -> list[float]:
    """AckermannControllerSettings."""
    return list(_vehicle(context, actor_id).controller.gains)


def set_ackermann_settings(context: Context, actor_id: int, values: list[float]) -> None:
    """Change them."""
    _vehicle(context, actor_id).controller.gains = AckermannGains(*finite(values))


def physics_control(context: Context, actor_id: int) -> list[Any]:
    """VehiclePhysicsControl: what the client applied last, with the wheels where they are now."""
    vehicle = _vehicle(context, actor_id)
    values = list(vehicle.physics_control or _default_physics(vehicle))
    places = _wheel_positions(vehicle)
    values[_WHEELS] = [
        [*wheel[:-1], place] for wheel, place in zip(values[_WHEELS], places, strict=False)
    ]
    return values


def _default_physics(vehicle: Vehicle) -> list[Any]:
    spec = vehicle.spec
    force = spec.mass_kg * spec.peak_accel
    wheels: list[list[Any]] = []
    count = vehicle.model.wheels
    for i in range(count):
        is_front = i < count // 2
        steer = spec.max_steer_deg if is_front else 0.0
        hand_brake = 0.0 if is_front else 3000.0
        wheels.append(
            [3.5 * spec.grip, 0.25, steer, 35.0, 1500.0, hand_brake, 2.0, 17.0, 1000.0, []]
        )
    torque = [[0.0, 0.1 * force], [1900.0, 0.1 * force], [5800.0, 0.08 * force]]
    gears = [list(gear) for gear in _GEARS]
    center, steering = [0.0, 0.0, 0.0], [[0.0, 1.0], [20.0, 0.9], [60.0, 0.8], [120.0, 0.7]]
    engine = [torque, 5800.0, 1.0, 0.15, 2.0, 0.35, True, 0.0, 10.0, 4.0, gears]
    return [*engine, spec.mass_kg, DRAG_COEFFICIENT, center, steering, wheels, False]


def _wheel_positions(vehicle: Vehicle) -> list[list[float]]:
    """Where the wheels touch the world, cm: front left, front right, then the rear ones."""
    axle, side = 0.5 * vehicle.spec.wheelbase_m, 0.85 * vehicle.half_extent[1]
    sides = (0.0,) if vehicle.model.wheels == 2 else (-side, side)
    places = [vehicle.pose.compose(Pose(x, y, 0.35)) for x in (axle, -axle) for y in sides]
    return [[100.0 * v for v in place[:3]] for place in places]


def apply_physics_control(context: Context, actor_id: int, values: list[Any]) -> None:
    """Keep what is given; mass, drag, steering angle and tyre friction change the driving."""
    vehicle = _vehicle(context, actor_id)
    if len(values) < _FIELDS or not values[_WHEELS]:
        raise ActorError(f"expected {_FIELDS} fields of VehiclePhysicsControl, with wheels")
    base, wheels = vehicle.model.spec(), values[_WHEELS]
    mass_kg, drag, friction = finite((values[_MASS], values[_DRAG], wheels[0][_FRICTION]))
    if mass_kg < _LEAST_MASS_KG:
        raise ActorError(f"expected a mass of at least {_LEAST_MASS_KG:g} kg, got {mass_kg:g}")
    steer_deg = max(finite(wheel[_MAX_STEER] for wheel in wheels))
    vehicle.spec = replace(
        base,
        mass_kg=mass_kg,
        drag=base.drag * max(drag, 0.0) / DRAG_COEFFICIENT,
        max_steer_deg=min(max(steer_deg, _STEER_DEG[0]), _STEER_DEG[1]),
        grip=base.grip * max(friction, _LEAST_FRICTION) / 3.5,
    )
    vehicle.physics_control = list(values)
    if vehicle.has_body:
        context.server.episode.physics.set_spec(actor_id, vehicle.spec)


def light_state(context: Context, actor_id: int) -> list[int]:
    """VehicleLightState."""
    return [_vehicle(context, actor_id).light_flags]


def set_light_state(context: Context, actor_id: int, state: list[int] | int) -> None:
    """Switch the lamps; the RPC sends a structure, the batch command a bare number."""
    vehicle = _vehicle(context, actor_id)
    flags = int(state[0] if isinstance(state, list) else state)
    vehicle.light_flags = flags & _ALL_LAMPS


def light_states(context: Context) -> list[list[int]]:
    """Lamps of all vehicles; the Traffic Manager asks in every step."""
    vehicles = context.server.episode.actors.of(Vehicle)
    return [[vehicle.actor_id, vehicle.light_flags] for vehicle in vehicles]


def telemetry(context: Context, actor_id: int) -> list[Any]:
    """VehicleTelemetryData; forces of single wheels are not modelled and not listed."""
    vehicle = _vehicle(context, actor_id)
    order = vehicle.control
    speed = math.hypot(*vehicle.velocity[:2])
    ratio = _GEARS[min(max(vehicle.gear, 1), len(_GEARS)) - 1][0] * 4.0
    rpm = max(800.0, speed / 0.35 * ratio * 60.0 / (2.0 * math.pi))
    drag = vehicle.spec.drag * speed * speed
    return [speed, order.steer, order.throttle, order.brake, rpm, vehicle.gear, drag, []]


def _wheel(vehicle: Vehicle, wheel: int) -> int:
    if not 0 <= wheel < vehicle.model.wheels:
        known = f"0 to {vehicle.model.wheels - 1}"
        raise ActorError(f"unknown wheel {wheel} of {vehicle.blueprint}; known: {known}")
    return wheel


def _free_wheel(context: Context, actor_id: int, wheel: int) -> tuple[Vehicle, int]:
    """A wheel that a client may turn; CARLA, too, refuses while the physics turns it."""
    vehicle = _vehicle(context, actor_id)
    if not vehicle.wheels.is_free:
        raise ActorError("Cannot set wheel direction. Physics are enabled.")
    return vehicle, _wheel(vehicle, wheel)


def wheel_steer_angle(context: Context, actor_id: int, wheel: int) -> float:
    """How far a wheel is turned, degrees; rear wheels only by `set_wheel_steer_direction`."""
    vehicle = _vehicle(context, actor_id)
    if vehicle.wheels.is_free and wheel in vehicle.wheels.steer:
        return vehicle.wheels.steer[wheel]
    front = max(vehicle.model.wheels // 2, 1)
    return vehicle.wheel_steer_deg if _wheel(vehicle, wheel) < front else 0.0


def set_wheel_steer(context: Context, actor_id: int, wheel: int, angle_deg: float) -> None:
    """Turn a wheel of a vehicle without physics; the front ones show in pictures."""
    vehicle, wheel = _free_wheel(context, actor_id, wheel)
    (vehicle.wheels.steer[wheel],) = finite([angle_deg])
    front = [vehicle.wheels.steer.get(i, 0.0) for i in range(max(vehicle.model.wheels // 2, 1))]
    vehicle.wheel_steer_deg = sum(front) / len(front)


def wheel_pitch_angle(context: Context, actor_id: int, wheel: int) -> float:
    """How far a wheel was rolled by `set_wheel_pitch_angle`, degrees."""
    vehicle = _vehicle(context, actor_id)
    return vehicle.wheels.pitch.get(_wheel(vehicle, wheel), 0.0)


def set_wheel_pitch(context: Context, actor_id: int, wheel: int, angle_deg: float) -> None:
    """Roll a wheel of a vehicle without physics; nothing shows in pictures."""
    vehicle, wheel = _free_wheel(context, actor_id, wheel)
    (vehicle.wheels.pitch[wheel],) = finite([angle_deg])


def move_door(context: Context, actor_id: int, door: int) -> None:
    """No vehicle here has doors that open, as the attribute `has_dynamic_doors` says."""
    vehicle = _vehicle(context, actor_id)
    raise ActorError(f"door {door} is not configured for {vehicle.blueprint}")


def show_telemetry(context: Context, actor_id: int, on: bool) -> None:
    """Accepted: CARLA writes these numbers into the server's window, and here is none."""
    del on
    _vehicle(context, actor_id)


def restore_physx(context: Context, actor_id: int) -> None:
    """Nothing to restore: no vehicle ever leaves the physics of this server."""
    _vehicle(context, actor_id)


def set_autopilot(context: Context, actor_id: int, on: bool) -> None:
    """Nothing to do here: the Traffic Manager drives from inside the client."""
    del on
    _vehicle(context, actor_id)


METHODS = {
    "apply_control_to_vehicle": Method(control, Form.VOID),
    "apply_ackermann_control_to_vehicle": Method(ackermann, Form.VOID),
    "get_ackermann_controller_settings": Method(ackermann_settings),
    "apply_ackermann_controller_settings": Method(set_ackermann_settings, Form.VOID),
    "get_physics_control": Method(physics_control),
    "apply_physics_control": Method(apply_physics_control, Form.VOID),
    "get_vehicle_light_state": Method(light_state),
    "set_vehicle_light_state": Method(set_light_state, Form.VOID),
    "get_vehicle_light_states": Method(light_states),
    "get_telemetry_data": Method(telemetry),
    "get_wheel_steer_angle": Method(wheel_steer_angle),
    "set_wheel_steer_direction": Method(set_wheel_steer, Form.VOID),
    "get_wheel_pitch_angle": Method(wheel_pitch_angle),
    "set_wheel_pitch_angle": Method(set_wheel_pitch, Form.VOID),
    "open_vehicle_door": Method(move_door, Form.VOID),
    "close_vehicle_door": Method(move_door, Form.VOID),
    "show_vehicle_debug_telemetry": Method(show_telemetry, Form.VOID),
    "restore_physx_physics": Method(restore_physx, Form.VOID),
    "set_actor_autopilot": Method(set_autopilot, Form.VOID),
}
