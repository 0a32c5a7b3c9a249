"""Calls about vehicles: control, lights, physics parameters, telemetry."""

from __future__ import annotations

from typing import Any

from simulator.actors.ackermann import AckermannControl, AckermannGains
from simulator.actors.models import Vehicle
from simulator.actors.vehicle_physics import current_control, spec_of, steering_curve_of, telemetry
from simulator.blueprints.vehicles import PHYSICS_WHEELS
from simulator.errors import ActorError
from simulator.handlers.method import Context, Method
from simulator.net.wire import Form
from simulator.physics import VehicleInput
from simulator.quantities import finite

_TOP_GEAR = 20
_ALL_LAMPS = 0xFFFFFFFF
_ALL_DOORS = 6  # VehicleDoor.All


def _vehicle(context: Context, actor_id: int) -> Vehicle:
    return context.world.episode.actors.get(actor_id, Vehicle)


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
    context.world.episode.drive(_vehicle(context, actor_id), order)


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
    """Change the AckermannControllerSettings."""
    _vehicle(context, actor_id).controller.gains = AckermannGains(*finite(values))


def physics_control(context: Context, actor_id: int) -> list[Any]:
    """VehiclePhysicsControl: what the client applied last, with the wheels where they are now."""
    return current_control(_vehicle(context, actor_id))


def apply_physics_control(context: Context, actor_id: int, values: list[Any]) -> None:
    """Keep what is given, and drive as far as our equations know of it."""
    vehicle = _vehicle(context, actor_id)
    vehicle.spec = spec_of(vehicle.model, values)
    vehicle.steering_curve = steering_curve_of(values)
    vehicle.physics_control = list(values)
    vehicle.road_friction = None
    if vehicle.has_body:
        context.world.episode.physics.set_spec(actor_id, vehicle.spec)


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
    vehicles = context.world.episode.actors.of(Vehicle)
    return [[vehicle.actor_id, vehicle.light_flags] for vehicle in vehicles]


def telemetry_data(context: Context, actor_id: int) -> list[Any]:
    """VehicleTelemetryData."""
    return telemetry(_vehicle(context, actor_id))


def _wheel(vehicle: Vehicle, wheel: int) -> int:
    if not 0 <= wheel < PHYSICS_WHEELS:
        known = f"0 to {PHYSICS_WHEELS - 1}"
        raise ActorError(f"unknown wheel {wheel} of {vehicle.blueprint}; known: {known}")
    return wheel


def _front_wheels(vehicle: Vehicle) -> int:
    """How many of the first wheels steer; wheel 1 of a two-wheeler is its `Back_Wheel`."""
    return vehicle.model.wheels // 2


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
    is_front = _wheel(vehicle, wheel) < _front_wheels(vehicle)
    return vehicle.wheel_steer_deg if is_front else 0.0


def set_wheel_steer(context: Context, actor_id: int, wheel: int, angle_deg: float) -> None:
    """Turn a wheel of a vehicle without physics; the front ones show in pictures."""
    vehicle, wheel = _free_wheel(context, actor_id, wheel)
    (vehicle.wheels.steer[wheel],) = finite([angle_deg])
    front = [vehicle.wheels.steer.get(i, 0.0) for i in range(_front_wheels(vehicle))]
    vehicle.wheel_steer_deg = sum(front) / len(front)


def wheel_pitch_angle(context: Context, actor_id: int, wheel: int) -> float:
    """How far a wheel was rolled by `set_wheel_pitch_angle`, degrees."""
    vehicle = _vehicle(context, actor_id)
    return vehicle.wheels.pitch.get(_wheel(vehicle, wheel), 0.0)


def set_wheel_pitch(context: Context, actor_id: int, wheel: int, angle_deg: float) -> None:
    """Roll a wheel of a vehicle without physics; nothing shows in pictures."""
    vehicle, wheel = _free_wheel(context, actor_id, wheel)
    (vehicle.wheels.pitch[wheel],) = finite([angle_deg])


def open_door(context: Context, actor_id: int, door: int) -> None:
    """Open one of a vehicle's doors, or all."""
    vehicle = _vehicle(context, actor_id)
    vehicle.doors |= _doors(vehicle, door)


def close_door(context: Context, actor_id: int, door: int) -> None:
    """Close one of a vehicle's doors, or all."""
    vehicle = _vehicle(context, actor_id)
    vehicle.doors &= ~_doors(vehicle, door)


def _doors(vehicle: Vehicle, door: int) -> int:
    """The bits of a VehicleDoor."""
    known = vehicle.model.doors
    bits = known if door == _ALL_DOORS else known & (1 << door if 0 <= door < _ALL_DOORS else 0)
    if not bits:
        raise ActorError(f"door {door} is not configured for {vehicle.blueprint}")
    return bits


def show_telemetry(context: Context, actor_id: int, on: bool) -> None:
    """Do nothing: CARLA writes these numbers into the server's window, and here is none."""
    del on
    _vehicle(context, actor_id)


def restore_physx(context: Context, actor_id: int) -> None:
    """Do nothing: no vehicle ever leaves the physics of this server."""
    _vehicle(context, actor_id)


def set_autopilot(context: Context, actor_id: int, on: bool) -> None:
    """Do nothing: the Traffic Manager drives from inside the client."""
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
    "get_telemetry_data": Method(telemetry_data),
    "get_wheel_steer_angle": Method(wheel_steer_angle),
    "set_wheel_steer_direction": Method(set_wheel_steer, Form.VOID),
    "get_wheel_pitch_angle": Method(wheel_pitch_angle),
    "set_wheel_pitch_angle": Method(set_wheel_pitch, Form.VOID),
    "open_vehicle_door": Method(open_door, Form.VOID),
    "close_vehicle_door": Method(close_door, Form.VOID),
    "show_vehicle_debug_telemetry": Method(show_telemetry, Form.VOID),
    "restore_physx_physics": Method(restore_physx, Form.VOID),
    "set_actor_autopilot": Method(set_autopilot, Form.VOID),
}
