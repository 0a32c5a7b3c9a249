"""Speeds: what is signed and what is not; the older name that plug-ins may use."""

import numpy as np
import pytest

from fusiondrive.types import ActorKind, ActorState, Command, Observation, Pose


def test_forward_speed_is_negative_backwards_and_speed_is_not() -> None:
    pose, box = Pose(0.0, 0.0, yaw=90.0), (0.0, 0.0, 0.0)
    car = ActorState(1, "x", ActorKind.VEHICLE, pose, (3.0, -4.0, 0.0), box, box)
    assert car.speed_mps == pytest.approx(5.0)
    assert car.forward_speed_mps == pytest.approx(-4.0)


def test_an_observation_answers_to_the_older_name_of_its_speed() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    assert Observation(image, -1.5, Command.FOLLOW, (5.0, 0.0)).speed_mps == -1.5
