"""The brake on curves, its release, and the pedal; `test_track_rules.py` has the rest."""

import math

import numpy as np
import pytest

from fusiondrive.types import CameraSpec
from perceivers.brake import BRAKE_MPS2, EmergencyBrake, Heading
from perceivers.detection import CAMERA, Detection, Place, focal_px, placed
from perceivers.pedal import BrakePedal

STEP_S = 0.1
SPEED, YAW_RATE = 8.0, 0.4  # a curve of 20 m to the right


def brakes_on_curve(x: float, y: float) -> bool:
    """Whether a car on a curve brakes for a person who stands on the ground, in metres."""
    brake, now = EmergencyBrake(1.0, 4.0, STEP_S), Heading()
    for step in range(60):
        if step:
            now = now.moved(SPEED, YAW_RATE, STEP_S)
        cos, sin = math.cos(now.turned), math.sin(now.turned)
        ahead, right = (x - now.x) * cos + (y - now.y) * sin, (y - now.y) * cos - (x - now.x) * sin
        if ahead < 3.2:
            return brake.is_braking
        place = Place(ahead - 3.2, right, 0.25)
        brake.decide(step * STEP_S, SPEED, [("person", place)], YAW_RATE)
    return brake.is_braking


def test_who_stands_on_the_curve_is_braked_for() -> None:
    on_curve = (20.0 * math.sin(1.0), 20.0 * (1.0 - math.cos(1.0)))
    assert brakes_on_curve(*on_curve)


def test_who_stands_straight_ahead_of_a_curve_is_left_alone() -> None:
    assert not brakes_on_curve(14.0, 0.0)


def test_a_brake_keeps_to_it_until_it_is_released() -> None:
    brake = EmergencyBrake(1.0, 4.0, STEP_S)
    for step in range(3):
        brake.decide(step * STEP_S, 10.0, [("car", Place(5.5 - step, 0.0, 1.0))])
    assert brake.is_braking
    assert not brake.is_free
    brake.decide(1.0, 0.0, [("car", Place(9.0, 0.0, 1.0))])  # what was near is forgotten
    assert brake.is_braking
    assert brake.is_free
    brake.release()
    assert not brake.decide(1.1, 0.0, [("car", Place(9.0, 0.0, 1.0))])


def test_who_is_about_to_step_in_front_keeps_the_car_standing() -> None:
    brake = EmergencyBrake(1.0, 4.0, STEP_S)
    for step in range(4):
        brake.decide(step * STEP_S, 0.0, [("person", Place(2.0, 3.0 - 0.15 * step, 0.25))])
    assert not brake.is_free


def brakes_for_boxes(seed: int, aside_m: float, kind: str, *, knows_its_errors: bool) -> bool:
    """Whether a car at 60 km/h brakes for what stands beside or in its way, seen by shaky boxes."""
    rng, brake = np.random.default_rng(seed), EmergencyBrake(1.0, 4.0, 0.05)
    speed, focal = 60.0 / 3.6, 686.0
    for step in range(200):
        ahead = 60.0 - speed * step * 0.05
        if ahead < 3.0:
            break
        off = (0.05 * ahead, 2.0 * ahead / focal)
        far = ahead * rng.normal(1.0, 0.05)  # the place moves along the line of sight
        side = far * (aside_m / ahead + rng.normal(0.0, 2.0 / focal))
        half = 0.9 if kind == "car" else 0.25
        place = Place(far, side, half, *(off if knows_its_errors else ()))
        if brake.decide(step * 0.05, speed, [(kind, place)]):
            return True
    return False


def test_shaky_boxes_beside_the_way_are_no_motion_into_it() -> None:
    for kind, aside_m in (("car", 3.0), ("person", 4.0)):
        alarms = [
            brakes_for_boxes(seed, aside_m, kind, knows_its_errors=True) for seed in range(40)
        ]
        taken = [
            brakes_for_boxes(seed, aside_m, kind, knows_its_errors=False) for seed in range(40)
        ]
        assert sum(alarms) <= 2
        assert sum(taken) >= 30  # taken as they are, they make it brake


@pytest.mark.parametrize("kind", ["car", "person", "cyclist"])
def test_shaky_boxes_in_the_way_are_braked_for(kind: str) -> None:
    assert all(brakes_for_boxes(seed, 0.0, kind, knows_its_errors=True) for seed in range(40))


def box(left: float, right: float, kind: str = "car") -> Place:
    return placed(Detection(kind, 1.0, left, 100.0, right, 400.0, distance_m=8.0), CAMERA, 2.4)


def test_a_box_says_how_far_it_may_be_off() -> None:
    assert box(20.0, 200.0).range_off_m == pytest.approx(0.06 * 8.0)
    assert box(20.0, 200.0).side_off_m > box(20.0, 200.0, "person").side_off_m > 0.0


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("depth_m", [4.0, 5.0, 6.0, 8.0, 12.0])
def test_a_parked_car_that_the_image_cuts_does_not_reach_into_the_lane(
    depth_m: float, side: float
) -> None:
    inner_m, outer_m, focal = 2.0, 3.9, focal_px(CAMERA)
    edges = (focal * inner_m / (depth_m + 4.5), min(focal * outer_m / depth_m, 320.0))
    left, right = sorted(320.0 + side * edge for edge in edges)
    found = Detection("car", 1.0, left, 200.0, right, 400.0, distance_m=depth_m)
    place = placed(found, CAMERA, 2.4)
    assert side * place.right_m - place.half_width_m == pytest.approx(inner_m, abs=0.1)


def test_the_pedal_follows_the_deceleration() -> None:
    pedal, speed, pressed = BrakePedal(STEP_S), 10.0, []
    for _ in range(10):
        pressed.append(pedal.press(speed))
        speed -= BRAKE_MPS2 * STEP_S
    assert pressed == pytest.approx([0.8] * 10)
    assert pedal.press(speed + 1.0) > 0.9
    pedal.let_go()
    assert pedal.press(3.0) == pytest.approx(0.8)


@pytest.mark.parametrize("pitch_deg", [0.0, -15.0])
def test_a_foot_gives_the_place_through_a_tilted_camera(pitch_deg: float) -> None:
    camera = CameraSpec(pitch_deg=pitch_deg)
    focal, pitch = 200.0 / math.tan(math.radians(50.0)), math.radians(pitch_deg)
    ahead, right, down = 12.0, 2.0, camera.z
    depth = ahead * math.cos(pitch) - down * math.sin(pitch)
    row = 150.0 + focal * (down * math.cos(pitch) + ahead * math.sin(pitch)) / depth
    column = 200.0 + focal * right / depth
    found = Detection("person", 1.0, column - 3.0, row - 20.0, column + 3.0, row)
    place = placed(found, camera, 2.4)
    assert place.ahead_m == pytest.approx(12.0 + 2.0 - 2.4)
    assert place.right_m == pytest.approx(2.0)
