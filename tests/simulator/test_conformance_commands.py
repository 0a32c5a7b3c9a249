"""Every command of carla.command in a batch, with `.then`, and the answers to bad ones."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import carla
import msgpack
import pytest

from harness.probe import find_free_port
from tests.simulator.calls import by_check

cmd = carla.command
FUTURE = cmd.FutureActor


def run(stage, *commands):
    found = stage.client.apply_batch_sync(list(commands), False)
    assert not any(one.error for one in found), [one.error for one in found]
    return found


def alive(stage, actor_id: int) -> bool:
    """Whether the world lists it; `get_actor` goes on to give what the client knew before."""
    return actor_id in [actor.id for actor in stage.world.get_actors()]


def spawn(stage, name: str, spot: int, *then) -> carla.Actor:
    """Spawn in a batch, with followers."""
    place = stage.spawn_points()[spot]
    place.location.z += 0.3
    command = cmd.SpawnActor(stage.blueprint(name), place)
    for follower in then:
        command = command.then(follower)
    answer = run(stage, command)[0]
    stage.world.tick()
    return stage.world.get_actor(answer.actor_id)


def car(stage, spot: int, *then) -> carla.Vehicle:
    return spawn(stage, "vehicle.tesla.model3", spot, *then)


def along(actor: carla.Actor, vector: carla.Vector3D) -> float:
    return vector.dot(actor.get_transform().get_forward_vector())


def spawning(stage) -> None:
    point = stage.spawn_points()[0]
    blueprint = stage.blueprint("vehicle.tesla.model3")
    command = cmd.SpawnActor(blueprint, point).then(cmd.SetSimulatePhysics(FUTURE, False))
    good, bad = stage.client.apply_batch_sync([command, command], True)
    assert isinstance(good, cmd.Response)
    assert not good.has_error()
    assert bad.has_error()
    assert bad.error == "Spawn failed because of collision at spawn position"
    assert stage.world.get_actor(good.actor_id).is_alive
    at = carla.Transform(carla.Location(z=2.0))
    child = run(stage, cmd.SpawnActor(stage.blueprint("sensor.other.imu"), at, good.actor_id))[0]
    stage.world.tick()
    assert stage.world.get_actor(child.actor_id).parent.id == good.actor_id
    run(stage, cmd.DestroyActor(child.actor_id), cmd.DestroyActor(good.actor_id))
    stage.world.tick()
    assert not alive(stage, good.actor_id)


def controls(stage) -> None:
    one = car(stage, 0, cmd.ApplyVehicleControl(FUTURE, carla.VehicleControl(throttle=0.8)))
    two = car(stage, 10, cmd.ApplyVehicleAckermannControl(
        FUTURE, carla.VehicleAckermannControl(speed=3.0)))  # fmt: skip
    stage.ticks(20)
    assert one.get_control().throttle == pytest.approx(0.8)
    assert along(one, one.get_velocity()) > 2.0
    assert along(two, two.get_velocity()) > 1.0
    physics = one.get_physics_control()
    physics.mass = 2222.0
    run(stage, cmd.ApplyVehiclePhysicsControl(one, physics))
    assert one.get_physics_control().mass == pytest.approx(2222.0)


def walkers(stage) -> None:
    control = carla.WalkerControl(carla.Vector3D(x=1.0), 1.5, False)
    walker = spawn(stage, "walker.pedestrian.0004", 5, cmd.ApplyWalkerControl(FUTURE, control))
    before = walker.get_location()
    stage.ticks(10)
    assert walker.get_location().x - before.x == pytest.approx(1.5, abs=0.3)
    target = stage.spawn_points()[20]
    run(stage, cmd.ApplyWalkerState(walker, target, 0.7))
    stage.world.tick()
    place = walker.get_location()
    assert carla.Vector2D(place.x - target.location.x, place.y - target.location.y).length() < 0.5
    assert walker.get_control().speed == pytest.approx(0.7)


def places(stage) -> None:
    target = stage.spawn_points()[15]
    one = car(stage, 0, cmd.ApplyTransform(FUTURE, target))
    assert one.get_location().distance(target.location) < 0.6


def speeds(stage) -> None:
    one = car(stage, 0)
    stage.ticks(8)
    ahead = one.get_transform().get_forward_vector()
    run(stage, cmd.ApplyTargetVelocity(one, ahead * 7.0))
    stage.world.tick()
    assert along(one, one.get_velocity()) == pytest.approx(7.0, abs=0.5)
    run(stage, cmd.ApplyTargetAngularVelocity(one, carla.Vector3D(z=60.0)))
    before = one.get_transform().rotation.yaw
    stage.world.tick()
    assert abs(one.get_transform().rotation.yaw - before) > 0.2


def pushes(stage) -> None:
    one = car(stage, 0)
    stage.ticks(8)
    mass, ahead = one.get_physics_control().mass, one.get_transform().get_forward_vector()
    run(stage, cmd.ApplyImpulse(one, ahead * 3.0 * mass))
    stage.world.tick()
    reached = along(one, one.get_velocity())
    assert reached == pytest.approx(3.0, abs=0.4)
    run(stage, cmd.ApplyForce(one, ahead * 30.0 * mass))
    stage.world.tick()
    assert along(one, one.get_velocity()) > reached + 1.5
    yaw = one.get_transform().rotation.yaw
    run(stage, cmd.ApplyAngularImpulse(one, carla.Vector3D(z=3e5)))
    stage.world.tick()
    turned = one.get_transform().rotation.yaw
    assert abs(turned - yaw) > 0.2
    run(stage, cmd.ApplyTorque(one, carla.Vector3D(z=-2e5)))
    stage.world.tick()
    assert abs(one.get_transform().rotation.yaw - turned) > 0.05


def switches(stage) -> None:
    one = car(stage, 0, cmd.SetSimulatePhysics(FUTURE, False), cmd.SetEnableGravity(FUTURE, False))
    high = one.get_transform()
    high.location.z += 6.0
    run(stage, cmd.ApplyTransform(one, high), cmd.SetSimulatePhysics(one, True))
    stage.ticks(5)
    assert one.get_location().z == pytest.approx(high.location.z, abs=0.05)
    run(stage, cmd.SetEnableGravity(one, True))
    stage.ticks(5)
    assert one.get_location().z < high.location.z - 0.5


def lamps(stage) -> None:
    state = carla.VehicleLightState
    one = car(stage, 0, cmd.SetVehicleLightState(FUTURE, state.HighBeam))
    assert one.get_light_state() == state.HighBeam
    run(stage, cmd.SetAutopilot(one, False, find_free_port(1)))
    with pytest.raises(TypeError, match="No registered converter"):  # in the wheel's batches
        run(stage, cmd.ShowDebugTelemetry(one.id, True))


def answers(stage) -> None:
    one = car(stage, 0)
    bad = stage.client.apply_batch_sync(
        [
            cmd.ApplyVehicleControl(999_999, carla.VehicleControl()),
            cmd.DestroyActor(999_999),
            cmd.ApplyWalkerControl(one, carla.WalkerControl()),
        ],
        False,
    )
    lost, gone, other = (answer.error for answer in bad)
    assert "Actor could not be found in the registry" in lost
    assert "ApplyVehicleControl" in lost
    assert "999999" in gone
    assert "Actor is not a Walker" in other
    stage.client.apply_batch([cmd.DestroyActor(one)])  # without answers
    stage.ticks(2)
    assert not alive(stage, one.id)


def sticky(stage) -> None:
    """A control lasts for one step where `sticky_control` is off."""
    place = stage.spawn_points()[0]
    blueprint = stage.blueprint("vehicle.tesla.model3", sticky_control="False")
    one = stage.world.spawn_actor(blueprint, place)
    stage.ticks(5)
    one.apply_control(carla.VehicleControl(throttle=1.0))
    stage.ticks(2)
    assert one.get_control().throttle == 0.0


CASES: dict[str, Callable[..., None]] = {
    **dict.fromkeys(("command.SpawnActor", "command.DestroyActor"), spawning),
    "command.FutureActor": spawning,
    "command.ApplyVehicleControl": controls,
    "command.ApplyVehicleAckermannControl": controls,
    "command.ApplyVehiclePhysicsControl": controls,
    "command.ApplyWalkerControl": walkers,
    "command.ApplyWalkerState": walkers,
    "command.ApplyTransform": places,
    "command.ApplyTargetVelocity": speeds,
    "command.ApplyTargetAngularVelocity": speeds,
    **{f"command.Apply{name}": pushes for name in (
        "Impulse", "Force", "AngularImpulse", "Torque")},
    "command.SetSimulatePhysics": switches,
    "command.SetEnableGravity": switches,
    **{f"command.{name}": lamps for name in (
        "SetVehicleLightState", "ShowDebugTelemetry", "SetAutopilot")},
    "command.Response": answers,
    "Client.apply_batch": answers,
    "Client.apply_batch_sync": spawning,
}  # fmt: skip


@pytest.mark.parametrize("check", by_check(CASES, sticky))
def test_calls(stage, check):
    check(stage)


def test_commands_that_the_wheel_does_not_offer(stage, carla_server):
    """ApplyLocation, ConsoleCommand and SetTrafficLightState, and unknown ones, as raw messages."""
    one = car(stage, 0)
    light = stage.world.get_actors().filter("traffic.traffic_light")[0]
    target = stage.spawn_points()[12].location
    commands = [
        [[19, [one.id, [target.x, target.y, target.z]]]],
        [[20, ["stat fps"]]],
        [[21, [light.id, 2]]],
        [[77, []]],
        [[2, ["nonsense"]]],
    ]
    with contextlib.closing(socket.create_connection(carla_server("Town02"), timeout=10.0)) as sock:
        sock.sendall(msgpack.packb([0, 1, "apply_batch", [[False], commands, False]]))
        results = msgpack.unpackb(sock.recv(65536))[3]
    moved, console, switched, unknown, malformed = (answer[0] for answer in results)
    assert moved == [1, one.id]
    assert "console_command is not supported" in console[1][0]
    assert switched == [1, light.id]
    assert "unknown batch command 77" in unknown[1][0]
    assert "ApplyVehicleControl" in malformed[1][0]
    stage.world.tick()
    assert one.get_location().distance(target) < 1.0
    assert light.state == carla.TrafficLightState.Green
