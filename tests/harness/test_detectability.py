"""Detectability: its arithmetic, its report, and pictures whose fog has the range of its name."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import carla
import cv2
import numpy as np
import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import CameraSpec
from harness.detectability.__main__ import Options, main
from harness.detectability.measure import ROUNDING_VARIANCE, Masks, seen
from harness.detectability.report import Row, draw, markdown
from harness.detectability.stage import Frames, Stage, Target
from harness.env_config import EnvConfig
from harness.server import ServerSpec
from harness.simulation import Simulation
from scenarios.weather import preset
from sensors.config import ThermalConfig
from simulator.render.glare import TONE_END, TONE_STEPS, tone_curve

LEVEL = CameraSpec(640, 480, 50.0, pitch_deg=0.0)
DARK_CAR = Target(("vehicle.audi.tt",), (14,), 0.0)


def frames(value: float, noise: float, count: int, rng: np.random.Generator) -> np.ndarray:
    return (value + noise * rng.standard_normal((count, 40, 40))).astype(np.float32)


def masks() -> Masks:
    rectangle = np.zeros((40, 40), bool)
    rectangle[5:25, 5:25] = True
    return Masks(rectangle, ~rectangle, 400)


def with_target(target: float, gain: float, noise: float, rng: np.random.Generator) -> np.ndarray:
    """200 frames in which the target and, by `gain`, everything is brighter."""
    found = frames(100.0 + gain, noise, 200, rng)
    found[:, 5:25, 5:25] += np.float32(target)
    return found


@pytest.mark.parametrize("gain", [0.0, 3.0])
def test_d_prime_is_that_of_a_matched_filter_in_white_noise(gain: float) -> None:
    rng = np.random.default_rng(1)
    found = seen(with_target(4.0, gain, 2.0, rng), with_target(0.0, 0.0, 2.0, rng), masks())
    assert found.levels == pytest.approx(4.0, rel=0.02)
    expected = math.sqrt(400 * 4.0**2 / (2.0**2 + ROUNDING_VARIANCE))
    assert found.d_prime == pytest.approx(expected, rel=0.02)


def test_noise_alone_is_not_seen() -> None:
    rng = np.random.default_rng(2)
    values = [
        seen(frames(9.0, 3.0, 6, rng), frames(9.0, 3.0, 6, rng), masks()).d_prime for _ in range(20)
    ]
    assert np.median(values) < 3.0


def row(distance_m: float, visible_d: float, infrared_d: float) -> Row:
    return Row(
        "fog:40", 40.0, "driving", "fog_ratio=0.5", "person", distance_m, 9, 1.5, visible_d, 12.25,
        infrared_d,
    )  # fmt: skip


def test_the_report_says_what_is_below_the_limit_of_detection() -> None:
    rows = [row(10.0, 120.4, 300.0), row(40.0, 1.25, 60.0)]
    text = markdown(rows)
    assert "| fog:40    | visible       | 1.5 / 120  | **1.5 / 1.2** |" in text
    assert "|           | infrared      | 12.2 / 300 | 12.2 / 60     |" in text
    picture = draw(rows)
    assert picture.dtype == np.uint8
    assert (picture == (0, 114, 178)).all(2).any()


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"target": ("dog",)}, "unknown target 'dog'; known: person, cyclist, car"),
        ({"distance": (3.0,)}, "--distance: expected at least 4, found 3.0"),
        ({"weather": ("fog:9",)}, "weather 'fog:9': expected a range of 20 to 1000 m"),
        ({"camera": "wide"}, "unknown camera 'wide'; known: driving, braking"),
        ({"thermal": "noise=4"}, "thermal: only fog_ratio is measured here, found"),
    ],
)
def test_a_wrong_option_is_one_line_before_a_server_starts(
    flags: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError, match=line):
        Options(**flags)


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with Simulation(EnvConfig(server=ServerSpec(town="track"), input="thermal")) as found:
        yield found


def linear(rgb: np.ndarray) -> np.ndarray:
    """Radiance times exposure of pixels, by the inverse of the tone curve."""
    curve = tone_curve()
    grid = (np.arange(TONE_STEPS) / (TONE_STEPS - 1)) ** 2 * TONE_END
    counts = np.maximum(np.bincount(curve, minlength=256), 1)
    values = np.bincount(curve, grid, minlength=256) / counts
    return np.asarray(values[rgb].mean(2))


def contrast(found: Frames) -> tuple[float, float]:
    """Contrast of the darkest parts of the car against the horizon, and how far away it is."""
    inside = cv2.erode((found.tags == 14).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    radiance = linear(found.rgb)
    air = found.depth_m[200:239] > 500.0  # the sky just above the horizon, hidden by fog
    horizon = radiance[200:239][air].mean()
    dark = np.sort(radiance[inside])[: max(int(inside.sum()) // 5, 5)].mean()
    return float(1.0 - dark / horizon), float(np.median(found.depth_m[inside]))


@pytest.mark.server
@pytest.mark.heavy
@pytest.mark.parametrize("range_m", [100, 60, 40])
def test_a_dark_target_loses_contrast_as_koschmieder_has_it(simulation, range_m: int) -> None:
    weather, town = preset(f"fog:{range_m}"), simulation.town("track")
    with Stage(simulation.session, town, weather, LEVEL, ThermalConfig(), 80.0) as stage:
        for car in simulation.session.world.get_actors().filter("vehicle.*"):
            car.set_light_state(carla.VehicleLightState.NONE)  # its beams would light the target
        for share in (0.3, 0.4, 0.5):
            with stage.target(DARK_CAR, share * range_m):
                found, distance_m = contrast(stage.look())
            assert found == pytest.approx(0.05 ** (distance_m / range_m), rel=0.05)
    simulation.session.tick()


@pytest.mark.server
def test_the_command_writes_table_plot_and_pictures(tmp_path: Path, capsys) -> None:
    flags = ["--weather", "night:glare", "--target", "person", "--distance", "20", "40"]
    assert main([*flags, "--out", str(tmp_path)]) == 0
    assert "night:glare" in capsys.readouterr().out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "detectability.csv", "detectability.md", "detectability.png", "night-glare.jpg",
        "weathers.jpg",
    }  # fmt: skip
    header, first, second = (tmp_path / "detectability.csv").read_text().splitlines()
    names_of = header.split(",")
    near, far = (dict(zip(names_of, line.split(","), strict=True)) for line in (first, second))
    assert float(near["visible_d"]) > float(far["visible_d"])
    assert float(far["infrared_d"]) > 10.0 * float(far["visible_d"])
