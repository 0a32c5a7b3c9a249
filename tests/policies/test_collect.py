import dataclasses

import numpy as np

from fusiondrive.types import Command, Observation
from policies.training.collect import parser
from policies.training.noise import SHARE_OF_TIME, SteeringNoise
from policies.training.recording import WORLD_DRIVES, CollectConfig, World, draw_spec
from scenarios.weather import WEATHERS

CONFIG = CollectConfig(("Town02",), frames=10, seed=5, obey_lights=True, maps=None)


def test_training_weathers_are_clear_and_episodes_repeat() -> None:
    specs = [draw_spec(CONFIG, key) for key in range(200)]
    weathers = {spec.weather for spec in specs}
    assert weathers == {"clear", "cloudy", "sunset", "wet"}
    assert all(WEATHERS[name].fog_density == 0 for name in weathers)
    assert not any(WEATHERS[name].is_night for name in weathers)
    assert specs == [draw_spec(CONFIG, key) for key in range(200)]


def test_towns_and_sceneries_take_turns() -> None:
    config = dataclasses.replace(CONFIG, towns=("Town02", "random:7"), sceneries=2)
    worlds = [config.world(key) for key in range(0, 6 * WORLD_DRIVES, WORLD_DRIVES)]
    pairs = [("Town02", 0), ("random:7", 0), ("Town02", 1), ("random:7", 1)]
    assert worlds == [World(*pair) for pair in (*pairs, *pairs[:2])]
    assert config.world(WORLD_DRIVES - 1) == worlds[0]
    assert draw_spec(config, WORLD_DRIVES).town == "random:7"
    assert {CONFIG.world(key) for key in range(50)} == {World("Town02", 0)}


def test_a_town_may_be_spelled_as_carla_does() -> None:
    found = parser().parse_args(["--town", "Carla/Maps/Town02", "--frames", "1", "--out", "x"])
    assert found.towns == ["Town02"]


def test_noise_is_triangular_bounded_and_rare() -> None:
    noise = SteeringNoise(np.random.default_rng(0))
    steer = np.array([noise.advance(8.0)[0] for _ in range(20_000)])
    assert np.abs(steer).max() <= 1.7 / 8.0 + 1e-9
    assert 0.5 * SHARE_OF_TIME < np.mean(steer != 0.0) < 1.2 * SHARE_OF_TIME
    assert abs(steer.mean()) < 0.01
    assert np.abs(np.diff(steer)).max() < 0.1  # ramps, no jumps


def test_view_is_what_the_policy_is_fed() -> None:
    from policies.preprocess import Preprocessing

    image = np.random.default_rng(1).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    view = Observation(image, 1.0, Command.FOLLOW, (1.0, 0.0))
    assert Preprocessing().crop_resize(view.image).shape == (88, 200, 3)
