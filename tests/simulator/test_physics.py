"""Vehicles, walkers and collisions of the embedded server."""

import math
import time
from collections.abc import Callable

import numpy as np
import pytest

from simulator.actors.vehicle_physics import default_control, spec_of
from simulator.blueprints.vehicles import VEHICLES
from simulator.physics import Physics, VehicleInput, VehicleSpec, boxes
from simulator.types import Obstacle, Pose, Tag

CAR = VehicleSpec()
ORIGIN = Pose()
WALL = Obstacle(30.0, 0.0, 2.0, 0.0, 0.1, 20.0, 2.0, int(Tag.WALLS))


def flat(points):
    return np.zeros(len(points))


def run(physics, seconds, key=1):
    """Step in ticks of 0.1 s; returns the states of one body and all contacts."""
    states, contacts = [], []
    for _ in range(round(seconds / 0.1)):
        contacts += physics.step(0.1, 10)
        states.append(physics.bodies()[key])
    return states, contacts


def car(pose=ORIGIN, obstacles=(), ground=flat, **control):
    physics = Physics(obstacles, ground)
    physics.add_vehicle(1, pose, CAR)
    physics.control(1, VehicleInput(**control))
    return physics


def speed(state):
    return math.hypot(*state.velocity[:2])


def forward_speed(state):
    yaw = math.radians(state.pose.yaw)
    return state.velocity[0] * math.cos(yaw) + state.velocity[1] * math.sin(yaw)


def test_a_standing_car_does_not_move():
    states, _ = run(car(brake=0.0, steer=0.7), 2.0)
    assert states[-1].pose[:3] == (0.0, 0.0, 0.0)
    assert states[-1].velocity == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("yaw", [180.0, -180.0, -90.0, 540.0])
def test_yaw_is_told_above_minus_180_and_up_to_180(yaw):
    states, _ = run(car(pose=Pose(yaw=yaw)), 0.1)
    assert states[0].pose.yaw == pytest.approx(-90.0 if yaw == -90.0 else 180.0)


def test_full_throttle_accelerates_like_a_car():
    states, _ = run(car(throttle=1.0), 20.0)
    assert 3.5 < states[4].acceleration[0] < 5.0
    assert 15.0 < speed(states[49]) < 24.0
    assert states[199].acceleration[0] < 2.0
    assert [states[0].gear, states[199].gear] == [1, 5]


def test_brake_stops_in_the_expected_distance_and_holds():
    physics = car(brake=1.0)
    physics.set_velocity(1, (20.0, 0.0, 0.0))
    states, _ = run(physics, 5.0)
    assert states[-1].pose.x == pytest.approx(20.0**2 / (2 * 8.3), abs=2.0)
    assert states[-1].velocity == (0.0, 0.0, 0.0)


def test_coasting_slows_down_but_never_reverses():
    physics = car()
    physics.set_velocity(1, (10.0, 0.0, 0.0))
    states, _ = run(physics, 20.0)
    speeds = [s.velocity[0] for s in states]
    assert speeds[-1] == 0.0
    assert min(speeds) >= 0.0


def test_reverse_drives_backwards():
    states, _ = run(car(throttle=0.5, reverse=True), 3.0)
    assert states[-1].velocity[0] < -2.0
    assert states[-1].gear == -1


def test_positive_steer_turns_right():
    states, _ = run(car(throttle=0.4, steer=0.3), 3.0)
    assert states[-1].pose.yaw > 10.0
    assert states[-1].pose.y > 0.5
    assert states[-1].angular_velocity[2] > 5.0


def test_slow_turn_follows_the_bicycle_radius():
    physics = car(steer=0.5)
    physics.set_velocity(1, (1.5, 0.0, 0.0))
    physics.control(1, VehicleInput(steer=0.5, throttle=0.05))
    state = run(physics, 1.0)[0][-1]
    curvature = math.tan(math.radians(state.wheel_steer_deg)) / CAR.wheelbase_m
    expected = forward_speed(state) * curvature
    assert math.radians(state.angular_velocity[2]) == pytest.approx(expected, rel=0.03)


def test_cornering_saturates_at_the_grip():
    physics = car(steer=1.0, throttle=0.6)
    physics.set_velocity(1, (20.0, 0.0, 0.0))
    states, _ = run(physics, 2.0)
    worst = max(math.hypot(*s.acceleration[:2]) for s in states)
    assert worst < 1.1 * CAR.grip * 9.81
    assert all(math.isfinite(s.pose.x) for s in states)


@pytest.mark.parametrize("pull", [-0.08, 0.08])
def test_height_and_pitch_follow_a_slope(pull):
    physics = car(throttle=0.5, ground=lambda at: pull * at[:, 0])
    state = run(physics, 3.0)[0][-1]
    assert state.pose.z == pytest.approx(pull * state.pose.x, abs=0.02)
    assert state.pose.pitch == pytest.approx(math.degrees(math.atan(pull)), abs=0.5)


def test_uphill_is_slower_than_downhill():
    up = run(car(throttle=0.5, ground=lambda at: 0.1 * at[:, 0]), 3.0)[0][-1]
    down = run(car(throttle=0.5, ground=lambda at: -0.1 * at[:, 0]), 3.0)[0][-1]
    assert speed(down) > speed(up) + 3.0


@pytest.mark.parametrize("grade", [0.0, 0.1, 0.42])
def test_gravity_pulls_by_the_sine_of_the_slope(grade):
    physics = car(manual_gear_shift=True, gear=0, ground=lambda at: -grade * at[:, 0])
    run(physics, 0.5)  # its height and pitch settle
    before = math.hypot(*physics.bodies()[1].velocity)
    gained = math.hypot(*run(physics, 1.0)[0][-1].velocity) - before
    sine = math.sin(math.atan(grade))
    assert gained == pytest.approx(max(9.81 * sine - 0.12, 0.0), abs=0.02)  # rolling takes 0.12


@pytest.mark.parametrize("grade", [0.22, 0.42])  # the steepest streets of CARLA's Town03
@pytest.mark.parametrize("name", sorted(VEHICLES))
def test_all_vehicles_start_on_steep_hills_with_the_throttle_of_the_traffic_manager(name, grade):
    physics = Physics((), lambda at: grade * at[:, 0])
    physics.add_vehicle(1, ORIGIN, VEHICLES[name].spec())
    physics.control(1, VehicleInput(brake=1.0))
    run(physics, 1.0)
    physics.control(1, VehicleInput(throttle=0.85))
    states, _ = run(physics, 8.0)
    assert states[-1].pose.x > 2.0  # bicycles: 500 W lift them at 1 m/s


def hill(grade: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda at: grade * at[:, 0]


def test_lower_gears_give_no_more_power_and_change_nothing_on_gentle_hills():
    lorry = VEHICLES["vehicle.carlamotors.firetruck"].spec()
    gained = {}
    for grade in (0.0, 0.1, 0.3):
        physics = Physics((), hill(grade))
        physics.add_vehicle(1, ORIGIN, lorry)
        physics.control(1, VehicleInput(throttle=1.0))
        gained[grade] = speed(run(physics, 60.0)[0][0]) / 0.1
        climbs = 9.81 * grade * speed(physics.bodies()[1])
        assert climbs <= lorry.power_w / lorry.mass_kg
    assert gained[0.1] == pytest.approx(gained[0.0] - 0.981, abs=0.02)


def test_a_car_spawned_in_the_air_falls_to_the_ground():
    states, _ = run(car(pose=Pose(z=0.6)), 1.0)
    assert 0.3 < states[1].pose.z < 0.6
    assert states[-1].pose.z == pytest.approx(0.0, abs=1e-3)


def test_a_car_does_not_pass_a_thin_wall_at_30_mps():
    physics = car(obstacles=[WALL], throttle=1.0)
    physics.set_velocity(1, (30.0, 0.0, 0.0))
    states, contacts = run(physics, 3.0)
    assert max(s.pose.x for s in states) < 30.0 - CAR.half_extent[0]
    first = contacts[0]
    assert (first.key, first.other_key, first.obstacle) == (1, None, 0)
    assert -first.impulse[0] == pytest.approx(CAR.mass_kg * 30.0 * 1.12, rel=0.05)


def test_a_glancing_hit_turns_the_car():
    physics = car(pose=Pose(yaw=0.0), obstacles=[WALL._replace(y=20.7)])
    physics.set_velocity(1, (10.0, 0.0, 0.0))
    states, contacts = run(physics, 4.0)
    assert len(contacts) >= 1
    assert abs(states[-1].pose.yaw) > 3.0


def test_head_on_crash_gives_opposite_impulses_and_keeps_momentum():
    physics = Physics([], flat)
    physics.add_vehicle(7, Pose(x=0.0), CAR)
    physics.add_vehicle(3, Pose(x=6.0, yaw=180.0), CAR)
    physics.set_velocity(7, (10.0, 0.0, 0.0))
    physics.set_velocity(3, (-10.0, 0.0, 0.0))
    _, contacts = run(physics, 0.3, key=7)
    by_key = {c.key: c for c in contacts}
    assert by_key[7].impulse[0] == pytest.approx(-by_key[3].impulse[0])
    assert by_key[7].impulse[0] == pytest.approx(-CAR.mass_kg * 10.0 * 1.12, rel=0.1)
    after = physics.bodies()
    assert after[7].velocity[0] == pytest.approx(-after[3].velocity[0], abs=1e-6)


def test_hitting_a_walker_pushes_it_and_is_reported_with_its_mass():
    physics = car(throttle=0.3)
    physics.set_velocity(1, (10.0, 0.0, 0.0))
    physics.add_walker(2, Pose(x=6.0, z=0.93), (0.19, 0.19, 0.93))
    _, contacts = run(physics, 1.0)
    hit = next(c for c in contacts if c.key == 2)
    assert hit.other_key == 1
    assert 400.0 < hit.impulse[0] < 75.0 * 10.0 * 1.3
    assert physics.bodies()[2].pose.x > 7.0


def test_walkers_walk_turn_and_stop_at_walls():
    physics = Physics([WALL], flat)
    physics.add_walker(1, Pose(x=25.0, z=0.93, yaw=90.0), (0.19, 0.19, 0.93))
    physics.walk(1, (1.0, 0.0, 0.0), 1.5)
    states, _ = run(physics, 5.0)
    assert states[9].pose.x == pytest.approx(26.5, abs=0.05)
    assert states[9].pose.yaw == pytest.approx(0.0, abs=0.5)
    assert states[-1].pose.x == pytest.approx(29.71, abs=0.03)


def test_what_is_low_or_high_above_the_car_does_not_stop_it():
    kerb = Obstacle(20.0, 0.0, 0.05, 0.0, 0.2, 5.0, 0.05, int(Tag.SIDEWALKS))
    bridge = Obstacle(25.0, 0.0, 6.0, 0.0, 2.0, 20.0, 1.0, int(Tag.BRIDGE))
    states, contacts = run(car(throttle=1.0, obstacles=[kerb, bridge]), 6.0)
    assert contacts == []
    assert states[-1].pose.x > 40.0


def test_switches_hold_a_body_or_let_it_pass():
    held = car(throttle=1.0)
    held.set_simulate(1, False)
    held.teleport(1, Pose(x=5.0))
    assert run(held, 1.0)[0][-1].pose.x == 5.0
    ghost = car(throttle=1.0, obstacles=[WALL])
    ghost.set_collisions(1, False)
    assert run(ghost, 6.0)[0][-1].pose.x > 35.0
    steady = car(brake=1.0)
    steady.set_constant_velocity(1, (3.0, 0.0, 0.0))
    assert run(steady, 2.0)[0][-1].pose.x == pytest.approx(6.0, abs=1e-6)


def box(x, y, yaw_deg, half_x, half_y, cut=0.0):
    yaw = math.radians(yaw_deg)
    flat_part = [x, y, math.cos(yaw), math.sin(yaw), half_x, half_y, 0.0, 2.0]
    return np.array([*flat_part, math.hypot(half_x, half_y), cut])


def test_cut_corners_end_at_their_diagonal():
    """A post at 45 degrees beside the corner: the cut takes 0.6 m of both sides."""
    for gap_m, meets in ((-0.05, True), (0.05, False)):
        away = (0.1 + gap_m) * math.sqrt(0.5)
        post, hit = box(5.7 + away, 1.2 + away, 45.0, 0.1, 0.1), np.zeros(5)
        assert boxes.touch(box(0.0, 0.0, 0.0, 6.0, 1.5), post, hit)  # the whole rectangle
        assert boxes.touch(box(0.0, 0.0, 0.0, 6.0, 1.5, 0.6), post, hit) == meets
        assert boxes.touch(post, box(0.0, 0.0, 0.0, 6.0, 1.5, 0.6), hit) == meets
        if meets:
            assert hit[:3] == pytest.approx([-math.sqrt(0.5), -math.sqrt(0.5), 0.05])


def test_only_long_vehicles_have_cut_corners():
    cut = {name for name, model in VEHICLES.items() if model.spec().corner_cut_m > 0.0}
    names = ("carlamotors.european_hgv", "carlamotors.firetruck", "mitsubishi.fusorosa")
    assert cut == {f"vehicle.{name}" for name in names}


def test_overlaps_sees_bodies_and_obstacles():
    physics = car(obstacles=[WALL])
    where = {"half_extent": CAR.half_extent, "box_center": CAR.box_center}
    assert physics.overlaps(Pose(x=3.0), **where)
    assert physics.overlaps(Pose(x=29.0, y=10.0, z=0.5), **where)
    assert not physics.overlaps(Pose(x=12.0), **where)


def town(keys):
    rng = np.random.default_rng(0)
    places = rng.uniform(-200, 200, (1500, 2))
    obstacles = [Obstacle(x, y, 2.0, x, 1.0, 3.0, 2.0, 3) for x, y in places]
    physics = Physics(obstacles, flat)
    for key in keys:
        x, y, yaw = rng.uniform(-150, 150), rng.uniform(-150, 150), rng.uniform(-180, 180)
        physics.add_vehicle(key, Pose(x, y, 0.0, 0.0, yaw), CAR)
        physics.control(key, VehicleInput(throttle=0.6, steer=0.1))
    return physics


def test_result_does_not_depend_on_keys():
    one, two = town(range(50)), town(range(900, 850, -1))
    for _ in range(30):
        first, second = one.step(0.1, 10), two.step(0.1, 10)
        assert [c.impulse for c in first] == [c.impulse for c in second]
    first, second = one.bodies(), two.bodies()
    assert [first[i] for i in range(50)] == [second[900 - i] for i in range(50)]


def test_fifty_vehicles_step_within_two_milliseconds():
    physics = town(range(50))
    physics.step(0.1, 10)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        physics.step(0.1, 10)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.002


@pytest.mark.parametrize("name", sorted(VEHICLES))
def test_tyres_and_air_without_friction_take_no_speed(name):
    model = VEHICLES[name]
    control = default_control(model)
    wheels = [[0.0, *wheel[1:]] for wheel in control[15]]
    spec = spec_of(model, [*control[:12], 0.0, *control[13:15], wheels, control[16]])
    world = Physics((), flat)
    world.add_vehicle(1, ORIGIN, spec)
    world.set_velocity(1, (50.0 / 3.6, 0.0, 0.0))
    for _ in range(150):
        world.step(0.1, 10)
    assert world.bodies()[1].velocity[0] == pytest.approx(13.889, abs=1e-3)
