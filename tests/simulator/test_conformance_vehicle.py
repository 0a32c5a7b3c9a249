"""Every call of Vehicle on the embedded server."""

from __future__ import annotations

from collections.abc import Callable

import carla
import pytest

from harness.probe import find_free_port
from tests.simulator.calls import by_check


def control(stage) -> None:
    car = stage.moving_car()
    now = car.get_control()
    assert now.throttle == pytest.approx(0.7)
    assert now.gear >= 1
    car.apply_control(carla.VehicleControl(throttle=0.5, steer=0.2, brake=0.1, reverse=True))
    stage.world.tick()
    now = car.get_control()
    assert now.reverse
    assert not now.hand_brake
    assert (now.steer, now.brake) == (pytest.approx(0.2), pytest.approx(0.1))


def ackermann(stage) -> None:
    car = stage.car()
    settings = car.get_ackermann_controller_settings()
    settings.speed_kp = 0.25
    car.apply_ackermann_controller_settings(settings)
    assert car.get_ackermann_controller_settings().speed_kp == pytest.approx(0.25)
    settings.speed_kp = 0.15
    car.apply_ackermann_controller_settings(settings)
    car.apply_ackermann_control(carla.VehicleAckermannControl(speed=4.0))
    stage.ticks(50)
    assert car.get_velocity().length() == pytest.approx(4.0, abs=1.0)


def physics_control(stage) -> None:
    reached = []
    for mass in (1500.0, 6000.0):
        car = stage.car()
        control = car.get_physics_control()
        assert len(control.wheels) == 4
        assert control.torque_curve
        assert len(control.forward_gears) > 0
        control.mass = mass
        control.drag_coefficient = 0.5
        car.apply_physics_control(control)
        assert car.get_physics_control().mass == pytest.approx(mass)
        assert car.get_physics_control().drag_coefficient == pytest.approx(0.5)
        car.apply_control(carla.VehicleControl(throttle=1.0))
        stage.ticks(60)
        reached.append(car.get_velocity().length())
        car.destroy()
    assert reached[1] < reached[0] - 1.0, "a heavier car gains speed more slowly"


def parameters(stage) -> None:
    """What was read and applied again changes nothing; each parameter of the table does."""

    def reached(change: Callable[..., object]) -> tuple[float, float]:
        car = stage.car()
        control = car.get_physics_control()
        change(control)
        car.apply_physics_control(control)
        stage.ticks(4)
        before = car.get_transform()
        car.apply_control(carla.VehicleControl(throttle=0.8, steer=0.4))
        stage.ticks(11)  # longer, and the car meets a wall
        speed, after = car.get_velocity().length(), car.get_transform()
        car.destroy()
        stage.world.tick()
        return speed, abs((after.rotation.yaw - before.rotation.yaw + 180.0) % 360.0 - 180.0)

    def nothing(control) -> None:
        assert control.wheels[0].tire_friction == pytest.approx(3.5)

    def weak(control) -> None:
        control.torque_curve = [carla.Vector2D(p.x, 0.4 * p.y) for p in control.torque_curve]

    def narrow(control) -> None:
        control.steering_curve = [carla.Vector2D(0.0, 0.3), carla.Vector2D(120.0, 0.3)]

    def slippery(control) -> None:
        wheels = list(control.wheels)
        for wheel in wheels:
            wheel.tire_friction = 0.2
        control.wheels = wheels

    car = stage.car()
    stage.ticks(4)
    before = car.get_transform()
    car.apply_control(carla.VehicleControl(throttle=0.8, steer=0.4))
    stage.ticks(11)  # longer, and the car meets a wall
    plain, heading = car.get_velocity().length(), car.get_transform().rotation.yaw
    car.destroy()
    stage.world.tick()
    turn = abs((heading - before.rotation.yaw + 180.0) % 360.0 - 180.0)
    assert reached(nothing) == pytest.approx((plain, turn), rel=1e-4)
    assert reached(weak)[0] < 0.8 * plain
    assert reached(narrow)[1] < 0.7 * turn
    assert reached(slippery)[1] < 0.85 * turn


def wheels(stage) -> None:
    car = stage.car()
    front, rear = carla.VehicleWheelLocation.FL_Wheel, carla.VehicleWheelLocation.BL_Wheel
    car.apply_control(carla.VehicleControl(steer=1.0))
    stage.ticks(5)
    assert car.get_wheel_steer_angle(front) > 20.0
    assert car.get_wheel_steer_angle(rear) == 0.0
    car.set_wheel_steer_direction(front, 12.0)  # refused: the physics turns it
    assert car.get_wheel_steer_angle(front) > 20.0
    car.set_simulate_physics(False)
    car.set_wheel_steer_direction(front, 12.0)
    car.set_wheel_pitch_angle(rear, 90.0)
    stage.world.tick()
    assert car.get_wheel_steer_angle(front) == pytest.approx(12.0)
    assert car.get_wheel_pitch_angle(rear) == pytest.approx(90.0)


def wheel_bones(stage) -> None:
    car = stage.car()
    stage.world.tick()
    places = car.get_vehicle_bone_world_transforms()
    names = car.get_bone_names()
    assert len(places) == len(names) == 5
    left, right = (places[names.index(f"Wheel_Front_{side}")] for side in ("Left", "Right"))
    assert 1.2 < left.location.distance(right.location) < 2.5


def failure(stage) -> None:
    none, rollover = carla.VehicleFailureState.NONE, carla.VehicleFailureState.Rollover
    car, point = stage.moving_car(), stage.spawn_points()[0]
    assert car.get_failure_state() == none
    point.location.z += 1.5
    point.rotation.roll = 180.0
    car.set_transform(point)
    stage.ticks(45)
    assert car.get_failure_state() == none  # CARLA, too, waits for five seconds
    stage.ticks(10)
    assert car.get_failure_state() == rollover
    assert abs(car.get_transform().rotation.roll) > 170.0
    assert car.get_velocity().length() < 0.01  # its wheels are in the air
    assert car.get_location().z == pytest.approx(2.0 * car.bounding_box.extent.z, abs=0.3)
    point.rotation.roll = 0.0
    car.set_transform(point)
    stage.ticks(15)
    assert car.get_failure_state() == none
    assert car.get_velocity().length() > 1.0


def lamps(stage) -> None:
    car = stage.car()
    wanted = carla.VehicleLightState(carla.VehicleLightState.LowBeam | carla.VehicleLightState.Fog)
    car.set_light_state(wanted)
    stage.world.tick()
    assert car.get_light_state() == wanted


def telemetry(stage) -> None:
    car = stage.moving_car()
    car.show_debug_telemetry(True)
    data = car.get_telemetry_data()
    assert data.speed == pytest.approx(car.get_velocity().length(), abs=0.5)
    assert data.throttle == pytest.approx(0.7)
    assert data.engine_rpm > 500.0
    assert data.drag >= 0.0
    assert len(data.wheels) == 4
    load = sum(wheel.tire_load for wheel in data.wheels)
    assert load == pytest.approx(9.81 * car.get_physics_control().mass, rel=0.01)
    assert data.wheels[0].omega == pytest.approx(data.speed / 0.35, rel=0.05)


def limits(stage) -> None:
    car = stage.car()
    stage.ticks(6)
    assert car.get_speed_limit() in (30.0, 40.0, 50.0, 60.0, 90.0)
    assert car.get_traffic_light() is None or car.is_at_traffic_light()
    assert car.get_traffic_light_state() in carla.TrafficLightState.values.values()


def foreign_physics(stage) -> None:
    car = stage.car()
    car.enable_chrono_physics(30, 0.002, "", "", "", "")
    car.enable_carsim("")
    car.use_carsim_road(False)
    car.restore_physx_physics()
    car.apply_control(carla.VehicleControl(throttle=1.0))
    stage.ticks(10)
    assert car.get_velocity().length() > 1.0, "it goes on with the physics of this server"


def autopilot(stage) -> None:
    car = stage.car()
    command = carla.command.SetAutopilot(car, False, find_free_port(1))
    assert not stage.client.apply_batch_sync([command], False)[0].error
    assert callable(car.set_autopilot)  # driven in test_server_actors.py with a Traffic Manager


CASES: dict[str, Callable[..., None]] = {
    "Vehicle.apply_control": control,
    "Vehicle.get_control": control,
    "Vehicle.apply_ackermann_control": ackermann,
    "Vehicle.get_ackermann_controller_settings": ackermann,
    "Vehicle.apply_ackermann_controller_settings": ackermann,
    "Vehicle.get_physics_control": physics_control,
    "Vehicle.apply_physics_control": physics_control,
    "Vehicle.get_wheel_steer_angle": wheels,
    "Vehicle.set_wheel_steer_direction": wheels,
    "Vehicle.get_wheel_pitch_angle": wheels,
    "Vehicle.set_wheel_pitch_angle": wheels,
    "Vehicle.get_vehicle_bone_world_transforms": wheel_bones,
    "Vehicle.get_failure_state": failure,
    "Vehicle.get_light_state": lamps,
    "Vehicle.set_light_state": lamps,
    "Vehicle.get_telemetry_data": telemetry,
    "Vehicle.show_debug_telemetry": telemetry,
    "Vehicle.get_speed_limit": limits,
    "Vehicle.is_at_traffic_light": limits,
    "Vehicle.get_traffic_light": limits,
    "Vehicle.get_traffic_light_state": limits,
    "Vehicle.enable_chrono_physics": foreign_physics,
    "Vehicle.enable_carsim": foreign_physics,
    "Vehicle.use_carsim_road": foreign_physics,
    "Vehicle.restore_physx_physics": foreign_physics,
    "Vehicle.set_autopilot": autopilot,
}


@pytest.mark.parametrize("check", by_check(CASES, parameters))
def test_calls(stage, check):
    check(stage)
