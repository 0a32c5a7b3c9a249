import numpy as np
import pytest

from simulator.quantities import pose_of
from simulator.types import Pose


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ((0.0, 270.0, 0.0), (0.0, -90.0, 0.0)),
        ((0.0, -180.0, 540.0), (0.0, 180.0, 180.0)),
        ((-15.0, 179.5, 0.0), (-15.0, 179.5, 0.0)),
        ((100.0, 10.0, 20.0), (80.0, -170.0, -160.0)),
        ((-90.0, 0.0, 0.0), (-90.0, 0.0, 0.0)),
    ],
)
def test_angles_are_reported_as_unreal_does(
    given: tuple[float, float, float], reported: tuple[float, float, float]
) -> None:
    pose = pose_of([[1.0, 2.0, 3.0], list(given)])
    assert (pose.x, pose.y, pose.z) == (1.0, 2.0, 3.0)
    assert (pose.pitch, pose.yaw, pose.roll) == pytest.approx(reported)


def test_the_rotation_stays_the_same() -> None:
    rng = np.random.default_rng(1)
    for angles in rng.uniform(-720.0, 720.0, (50, 3)):
        pose = Pose(0.0, 0.0, 0.0, *angles)
        found = pose.canonical()
        np.testing.assert_allclose(found.rotation_matrix(), pose.rotation_matrix(), atol=1e-9)
        assert abs(found.pitch) <= 90.0
        assert -180.0 < found.yaw <= 180.0
        assert -180.0 < found.roll <= 180.0
