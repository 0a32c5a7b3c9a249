"""CARLA's poses and ours are the same place and rotation."""

from fusiondrive.carla_types import location_of, pose_of, transform_of
from fusiondrive.types import CameraSpec, Pose

POSE = Pose(1.0, -2.0, 3.0, pitch=-15.0, yaw=90.0, roll=2.5)


def test_a_pose_survives_the_way_through_the_client() -> None:
    assert pose_of(transform_of(POSE)) == POSE
    assert (location_of(POSE).x, location_of(POSE).y, location_of(POSE).z) == (1.0, -2.0, 3.0)


def test_a_camera_knows_its_mount() -> None:
    assert CameraSpec(x=1.5, yaw_deg=30.0).mount == Pose(1.5, 0.0, 1.4, pitch=-15.0, yaw=30.0)
