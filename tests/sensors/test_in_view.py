"""Who is in the camera's view, by geometry."""

from dataclasses import replace

import pytest

from fusiondrive.types import ActorKind, ActorState, CameraSpec, Pose, WorldState
from sensors.in_view import is_in_view

CAMERA = CameraSpec()
EGO = ActorState(
    1, "ego", ActorKind.VEHICLE, Pose(0.0, 0.0), (0.0,) * 3, (0.0, 0.0, 0.8), (2.4, 1.0, 0.8)
)


def person(x: float, y: float) -> ActorState:
    extent = (0.2, 0.2, 0.9)
    return ActorState(2, "p", ActorKind.PEDESTRIAN, Pose(x, y), (0.0,) * 3, (0.0,) * 3, extent)


def state(*vehicles: ActorState) -> WorldState:
    return WorldState(0, 0.0, EGO, vehicles)


@pytest.mark.parametrize(
    ("x", "y", "is_seen"),
    [
        (30.0, 0.0, True),
        (60.0, 0.0, False),  # 168 pixels of focal length, 1.8 m: less than 6 pixels from 50 m on
        (10.0, 8.0, True),
        (5.0, 8.0, False),  # beside the 100 degrees
        (-20.0, 0.0, False),
    ],
)
def test_distance_and_angle_decide(x: float, y: float, *, is_seen: bool) -> None:
    assert is_in_view(person(x, y), state(), CAMERA) is is_seen


def test_a_narrower_camera_sees_farther() -> None:
    camera = CameraSpec(width=640, height=480, fov_deg=50.0)
    assert is_in_view(person(150.0, 0.0), state(), camera)


def test_a_parked_car_hides_whom_it_stands_before() -> None:
    van = replace(EGO, actor_id=3, pose=Pose(20.0, 2.6))
    hidden, out = person(24.0, 2.6), person(24.0, 1.2)
    assert not is_in_view(hidden, state(van), CAMERA)
    assert is_in_view(hidden, state(), CAMERA)
    assert is_in_view(out, state(van), CAMERA)


def test_a_turned_car_hides_by_its_own_box() -> None:
    across = replace(EGO, actor_id=3, pose=Pose(20.0, 2.6, yaw=90.0))
    assert not is_in_view(person(24.0, 0.6), state(across), CAMERA)
