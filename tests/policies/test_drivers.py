import numpy as np
import pytest

from fusiondrive.types import Command, Control, EpisodeContext, Observation, Route
from policies.constant import ConstantPolicy
from policies.training.drivers import NoisyExpert, SharedWheel
from policies.training.noise import SteeringNoise

VIEW = Observation(np.zeros((300, 400, 3), np.uint8), 8.0, Command.FOLLOW, (9.0, 0.0))
ROUTE = Route(
    "00",
    points=np.array([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)]),
    yaws=np.zeros(2),
    commands=np.full(2, int(Command.FOLLOW), np.int8),
    in_junction=np.zeros(2, bool),
    lane_widths=np.full(2, 4.0),
    cumulative_m=np.array([0.0, 1.0]),
)
EXPERT = Control(throttle=0.5, steer=0.1, brake=0.0)


def test_noise_pushes_now_and_then_and_only_within_the_controls_range() -> None:
    driver = NoisyExpert(SteeringNoise(np.random.default_rng(3)))
    steers = np.array([driver.drive(VIEW, EXPERT, 0.0).steer for _ in range(2000)])
    pushed = steers != EXPERT.steer
    assert 0.1 < pushed.mean() < 0.5
    assert np.abs(steers).max() <= 1.0
    assert NoisyExpert(None).drive(VIEW, EXPERT, 0.0) is EXPERT


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_wheel_is_shared_as_asked(share: float) -> None:
    context = EpisodeContext("Town", ROUTE, seed=1)
    rng = np.random.default_rng(5)
    driver = SharedWheel(ConstantPolicy(), context, share, rng, 2.0)
    applied = [driver.drive(VIEW, EXPERT, 0.0) for _ in range(20_000)]
    assert np.mean([control is EXPERT for control in applied]) == pytest.approx(share, abs=0.06)


def test_the_expert_brings_the_car_back_to_its_route() -> None:
    context = EpisodeContext("Town", ROUTE, seed=1)
    driver = SharedWheel(ConstantPolicy(), context, 0.0, np.random.default_rng(5), 2.0)
    way = (0.0, 1.9, 2.1, 1.0, 0.6, 0.4, 1.9)
    rescued = [driver.drive(VIEW, EXPERT, off_m) is EXPERT for off_m in way]
    assert rescued == [False, False, True, True, True, False, False]
