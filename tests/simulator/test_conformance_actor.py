"""Every call of Actor, Walker and WalkerAIController on the embedded server."""

from __future__ import annotations

import math
from collections.abc import Callable

import carla
import pytest

from tests.simulator.calls import by_check

DELTA_S = 0.1
UP = carla.Location(z=0.5)


def walker_of(stage, name: str = "walker.pedestrian.0005") -> carla.Walker:
    point = stage.spawn_points()[3]
    return stage.world.spawn_actor(
        stage.blueprint(name), carla.Transform(point.location + carla.Location(z=1.0))
    )


def ahead(actor: carla.Actor, vector: carla.Vector3D) -> float:
    return vector.dot(actor.get_transform().get_forward_vector())


# --- Actor ---------------------------------------------------------------------------------------


def states(stage) -> None:
    car = stage.car()
    stage.world.tick()
    assert car.actor_state == carla.ActorState.Active
    assert car.is_active
    assert not car.is_dormant
    assert car.is_alive
    assert car.destroy()
    assert not car.is_alive


def identity(stage) -> None:
    blueprint = stage.blueprint("vehicle.audi.tt", role_name="hero", color="1,2,3")
    car = stage.world.spawn_actor(blueprint, stage.spawn_points()[0])
    assert car.type_id == "vehicle.audi.tt"
    assert car.attributes["role_name"] == "hero"
    assert car.attributes["color"] == "1,2,3"
    assert car.parent is None
    assert car.semantic_tags == [14]
    assert stage.world.get_actor(car.id).id == car.id
    assert car.get_world().id == stage.world.id
    box = car.bounding_box
    assert 1.5 < box.extent.x < 3.0
    assert box.actor_id == car.id


def places(stage) -> None:
    car, target = stage.car(), stage.spawn_points()[20]
    car.set_transform(target)
    stage.world.tick()
    assert car.get_transform().location.distance(target.location) < 0.5
    turned = car.get_transform().rotation.yaw - target.rotation.yaw
    assert abs((turned + 180.0) % 360.0 - 180.0) < 0.5
    place = stage.spawn_points()[0].location
    car.set_location(place)
    stage.world.tick()
    assert car.get_location().distance(place) < 0.5


def speeds(stage) -> None:
    car = stage.car()
    stage.ticks(5)
    car.set_target_velocity(car.get_transform().get_forward_vector() * 6.0)
    stage.world.tick()
    assert ahead(car, car.get_velocity()) == pytest.approx(6.0, abs=0.5)
    car.apply_control(carla.VehicleControl(brake=1.0))
    stage.world.tick()
    assert ahead(car, car.get_acceleration()) < -4.0
    car.set_target_velocity(carla.Vector3D())
    stage.ticks(3)
    before = car.get_transform().rotation.yaw
    car.set_target_angular_velocity(carla.Vector3D(z=40.0))
    stage.world.tick()
    turned = (car.get_transform().rotation.yaw - before + 180.0) % 360.0 - 180.0
    assert turned > 0.05
    assert car.get_angular_velocity().z >= 0.0


def constant_velocity(stage) -> None:
    car = stage.car()
    car.enable_constant_velocity(carla.Vector3D(x=5.0))
    stage.ticks(5)
    assert ahead(car, car.get_velocity()) == pytest.approx(5.0, abs=0.05)
    car.disable_constant_velocity()
    car.apply_control(carla.VehicleControl(brake=1.0))
    stage.ticks(15)
    assert car.get_velocity().length() < 0.5


def impulse(stage) -> None:
    car = stage.car()
    stage.ticks(3)
    mass = car.get_physics_control().mass
    car.add_impulse(car.get_transform().get_forward_vector() * 4.0 * mass)
    stage.world.tick()
    assert ahead(car, car.get_velocity()) == pytest.approx(4.0, abs=0.5)


def force(stage) -> None:
    car = stage.car()
    stage.ticks(3)
    mass = car.get_physics_control().mass
    car.add_force(car.get_transform().get_forward_vector() * 30.0 * mass)
    stage.world.tick()
    assert ahead(car, car.get_velocity()) == pytest.approx(30.0 * DELTA_S, abs=0.5)
    stage.world.tick()  # it has ended
    assert ahead(car, car.get_velocity()) < 3.0


def angular_impulse(stage) -> None:
    turned = []
    for push in (0.0, 1.0):
        car = stage.moving_car(ticks=12)
        before = car.get_transform().rotation.yaw
        car.add_angular_impulse(carla.Vector3D(z=push * 3e5))
        stage.world.tick()
        after = car.get_transform().rotation.yaw
        turned.append(abs((after - before + 180.0) % 360.0 - 180.0))
        car.destroy()
    assert turned[1] > turned[0] + 0.2


def torque(stage) -> None:
    car = stage.moving_car(ticks=12)
    before = car.get_transform().rotation.yaw
    car.add_torque(carla.Vector3D(z=80_000.0))
    stage.world.tick()
    after = car.get_transform().rotation.yaw
    assert abs((after - before + 180.0) % 360.0 - 180.0) > 0.2


def gravity(stage) -> None:
    car = stage.car()
    stage.ticks(3)
    high = car.get_transform()
    high.location.z += 8.0
    car.set_transform(high)
    car.set_enable_gravity(False)
    car.set_target_velocity(carla.Vector3D())
    stage.ticks(5)
    assert car.get_location().z == pytest.approx(high.location.z, abs=0.05)
    car.set_enable_gravity(True)
    stage.ticks(5)
    assert car.get_location().z < high.location.z - 0.5


def collisions(stage) -> None:
    first = stage.car()
    stage.world.tick()
    behind = first.get_transform()
    behind.location -= behind.get_forward_vector() * 8.0
    second = stage.world.spawn_actor(stage.blueprint("vehicle.audi.tt"), behind)
    second.set_collisions(False)
    second.enable_constant_velocity(carla.Vector3D(x=10.0))
    stage.ticks(15)
    passed = second.get_location() - first.get_location()
    assert ahead(first, passed) > 3.0, "it drove through the other"
    assert first.get_velocity().length() < 0.1


def simulate_physics(stage) -> None:
    car = stage.car()
    car.set_simulate_physics(False)
    car.apply_control(carla.VehicleControl(throttle=1.0))
    stage.world.tick()
    before = car.get_location()
    stage.ticks(5)
    assert car.get_location().distance(before) < 0.01
    car.set_simulate_physics(True)
    stage.ticks(10)
    assert car.get_location().distance(before) > 1.0


def components(stage) -> None:
    walker = walker_of(stage)
    stage.world.tick()
    names = walker.get_component_names()
    assert "CharacterMesh0" in names
    relative = walker.get_component_relative_transform("CharacterMesh0")
    world = walker.get_component_world_transform("CharacterMesh0")
    assert relative.location.z == pytest.approx(-walker.bounding_box.extent.z, abs=1e-3)
    expected = walker.get_location() + relative.location
    assert world.location.distance(expected) < 1e-3
    with pytest.raises(RuntimeError, match="Component could not be found in this actor"):
        walker.get_component_world_transform("Rotor")


def bones(stage) -> None:
    walker = walker_of(stage)
    stage.world.tick()
    names = walker.get_bone_names()
    assert {"crl_root", "crl_Head__C", "crl_handIndexEnd__L", "crl_toeEnd__R"} <= set(names)
    world, relative = walker.get_bone_world_transforms(), walker.get_bone_relative_transforms()
    assert len(names) == len(world) == len(relative)
    head = world[names.index("crl_Head__C")].location.z
    assert 0.4 < head - walker.get_location().z < 1.0


def sockets(stage) -> None:
    car = stage.car()
    assert len(car.get_socket_names()) == 0
    assert len(car.get_socket_world_transforms()) == 0
    assert len(car.get_socket_relative_transforms()) == 0


# --- Walker --------------------------------------------------------------------------------------


def walk(stage) -> None:
    walker = walker_of(stage)
    stage.ticks(3)
    before = walker.get_location()
    walker.apply_control(carla.WalkerControl(carla.Vector3D(y=1.0), 2.0, False))
    stage.ticks(5)
    assert walker.get_location().y - before.y == pytest.approx(2.0 * 5 * DELTA_S, abs=0.2)
    now = walker.get_control()
    assert now.speed == pytest.approx(2.0)
    assert now.direction.y == pytest.approx(1.0)
    assert not now.jump


def hung_on_a_bone(stage) -> None:
    walker = walker_of(stage)
    stage.ticks(10)
    lamp = stage.blueprint("util.actor.empty")
    place, head = carla.Transform(carla.Location(z=0.2)), "crl_Head__C"
    rigid = carla.AttachmentType.Rigid
    worn = stage.world.spawn_actor(lamp, place, walker, rigid, head)
    carried = stage.world.spawn_actor(lamp, place, walker, rigid, "crl_none")
    walker.apply_control(carla.WalkerControl(carla.Vector3D(y=1.0), 2.0, False))
    stage.ticks(5)
    bones = dict(zip(walker.get_bone_names(), walker.get_bone_world_transforms(), strict=True))
    above = carla.Location(z=0.2)
    assert worn.get_location().distance(bones[head].location + above) < 0.01
    assert carried.get_location().distance(walker.get_location() + above) < 0.01


def jump(stage) -> None:
    walker = walker_of(stage)
    stage.ticks(10)
    ground = walker.get_location().z
    walker.apply_control(carla.WalkerControl(carla.Vector3D(x=1.0), 0.0, True))
    stage.world.tick()
    assert walker.get_control().jump
    walker.apply_control(carla.WalkerControl(carla.Vector3D(x=1.0), 0.0, False))
    heights = [stage.world.tick() and walker.get_location().z - ground for _ in range(12)]
    assert 0.6 < max(heights) < 1.2
    assert heights[-1] == pytest.approx(0.0, abs=0.05)


def set_bones(stage) -> None:
    walker = walker_of(stage)
    stage.world.tick()
    start = {bone.name: bone for bone in walker.get_bones().bone_transforms}
    head = start["crl_Head__C"]
    assert head.world.location.z > walker.get_location().z
    assert head.component.location.z == pytest.approx(
        head.world.location.z - walker.get_location().z + walker.bounding_box.extent.z, abs=1e-3
    )
    turned = carla.Transform(head.relative.location, carla.Rotation(yaw=40.0))
    walker.set_bones(carla.WalkerBoneControlIn([("crl_Head__C", turned)]))

    def yaw() -> float:
        found = {bone.name: bone for bone in walker.get_bones().bone_transforms}
        return found["crl_Head__C"].relative.rotation.yaw

    assert yaw() == pytest.approx(0.0)
    walker.blend_pose(0.5)
    assert yaw() == pytest.approx(20.0, abs=0.1)
    walker.show_pose()
    assert yaw() == pytest.approx(40.0, abs=0.1)
    walker.get_pose_from_animation()
    walker.hide_pose()
    assert yaw() == pytest.approx(0.0, abs=0.1)


def crowd(stage) -> None:
    place = None
    while place is None:
        place = stage.world.get_random_location_from_navigation()
    walker = stage.world.spawn_actor(
        stage.blueprint("walker.pedestrian.0002"), carla.Transform(place + UP * 2)
    )
    brain = stage.world.spawn_actor(
        stage.blueprint("controller.ai.walker"), carla.Transform(), attach_to=walker
    )
    stage.world.tick()
    assert brain.parent.id == walker.id
    brain.start()
    brain.go_to_location(stage.world.get_random_location_from_navigation())
    brain.set_max_speed(1.4)
    before = walker.get_location()
    stage.ticks(40)
    moved = walker.get_location().distance(before)
    assert 0.2 < moved < 1.4 * 40 * DELTA_S + 1.5
    brain.stop()
    stage.world.tick()
    brain.destroy()
    stage.world.tick()
    assert math.isfinite(moved)


CASES: dict[str, Callable[..., None]] = {
    **dict.fromkeys(("Actor.actor_state", "Actor.is_active", "Actor.is_dormant"), states),
    **dict.fromkeys(("Actor.is_alive", "Actor.destroy"), states),
    **dict.fromkeys(("Actor.id", "Actor.type_id", "Actor.attributes", "Actor.parent"), identity),
    **dict.fromkeys(("Actor.semantic_tags", "Actor.get_world", "Actor.bounding_box"), identity),
    **dict.fromkeys(("Actor.get_transform", "Actor.get_location"), places),
    **dict.fromkeys(("Actor.set_transform", "Actor.set_location"), places),
    **dict.fromkeys(("Actor.get_velocity", "Actor.get_acceleration"), speeds),
    **dict.fromkeys(("Actor.get_angular_velocity", "Actor.set_target_velocity"), speeds),
    "Actor.set_target_angular_velocity": speeds,
    "Actor.enable_constant_velocity": constant_velocity,
    "Actor.disable_constant_velocity": constant_velocity,
    "Actor.add_impulse": impulse,
    "Actor.add_force": force,
    "Actor.add_angular_impulse": angular_impulse,
    "Actor.add_torque": torque,
    "Actor.set_enable_gravity": gravity,
    "Actor.set_collisions": collisions,
    "Actor.set_simulate_physics": simulate_physics,
    "Actor.get_component_names": components,
    "Actor.get_component_relative_transform": components,
    "Actor.get_component_world_transform": components,
    "Actor.get_bone_names": bones,
    "Actor.get_bone_world_transforms": bones,
    "Actor.get_bone_relative_transforms": bones,
    "Actor.get_socket_names": sockets,
    "Actor.get_socket_world_transforms": sockets,
    "Actor.get_socket_relative_transforms": sockets,
    "Walker.apply_control": walk,
    "Walker.get_control": walk,
    **dict.fromkeys(("Walker.get_bones", "Walker.set_bones", "Walker.blend_pose"), set_bones),
    **dict.fromkeys(("Walker.show_pose", "Walker.hide_pose"), set_bones),
    "Walker.get_pose_from_animation": set_bones,
    "WalkerAIController.start": crowd,
    "WalkerAIController.stop": crowd,
    "WalkerAIController.go_to_location": crowd,
    "WalkerAIController.set_max_speed": crowd,
}


@pytest.mark.parametrize("check", by_check(CASES, jump, hung_on_a_bone))
def test_calls(stage, check):
    check(stage)
