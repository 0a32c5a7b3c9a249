"""Two environments with traffic in one process: one after the other, and both at once."""

import logging
from contextlib import closing

import numpy as np
import pytest

from fusiondrive.types import CameraSpec
from harness.env import CarlaDrivingEnv

pytestmark = pytest.mark.server

BRAKE = np.array([0.0, 0.0, 1.0], np.float32)


def make() -> CarlaDrivingEnv:
    return CarlaDrivingEnv(town="Town02", traffic="4+0", camera=CameraSpec(width=64, height=48))


def drive(env: CarlaDrivingEnv, steps: int = 5) -> None:
    for _ in range(steps):
        env.step(BRAKE)


def test_a_second_environment_follows_a_closed_one():
    for _ in range(2):
        with closing(make()) as env:
            env.reset(seed=1)
            drive(env)


def test_an_environment_outlives_another_one_and_says_that_cars_do_not_repeat(caplog):
    with closing(make()) as first:
        first.reset(seed=1)
        with closing(make()) as second, caplog.at_level(logging.WARNING):
            second.reset(seed=2)
            drive(first)
            drive(second)
        assert "use a process for each" in caplog.text
        drive(first)
