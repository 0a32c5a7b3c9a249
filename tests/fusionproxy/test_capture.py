"""Capture goes on where it stopped, and only with the settings it began with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusiondrive.errors import ConfigError, MapError
from fusionproxy.data import Shard, read_index, write_shard
from fusionproxy.errors import FusionError
from harness.capture import CaptureConfig, about_of, capture

CONFIG = CaptureConfig(towns=("Town02",), weathers=("fog", "night"), frames=2, seed=0)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    image = np.zeros((2, 8, 8, 3), np.uint8)
    parts = {"degraded": image, "clear": image, "thermal": image[..., 0]}
    write_shard(tmp_path, Shard("a", "route00", "fog", 2), parts, about_of(CONFIG))
    return tmp_path


def test_full_data_set_starts_no_server(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("harness.capture.Simulation")
    capture(CONFIG, begun)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"towns": ("Town03",)}, {"weathers": ("fog",)}])
def test_other_settings_do_not_mix(begun: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(FusionError, match="other settings"):
        capture(replace(CONFIG, **changes), begun)


def test_more_frames_is_the_same_data_set() -> None:
    assert about_of(replace(CONFIG, frames=500)) == about_of(CONFIG)


def test_towns_take_turns_after_a_route_in_every_weather() -> None:
    plan = replace(CONFIG, towns=("Town02", "random:7")).plan
    assert [plan(drive)[:3] for drive in range(5)] == [
        ("Town02", 0, "fog"),
        ("Town02", 0, "night"),
        ("random:7", 0, "fog"),
        ("random:7", 0, "night"),
        ("Town02", 1, "fog"),
    ]


def test_thermal_settings_and_speeds_meet_every_weather_and_town() -> None:
    config = replace(
        CONFIG,
        towns=("Town02", "random:7"),
        thermal=("fog_ratio=0.1", "fog_ratio=1"),
        speed_kmh=(35, 50),
    )
    drives = [config.plan(drive) for drive in range(16)]
    assert len({(d.town, d.weather, d.thermal) for d in drives}) == 8
    assert len({(d.town, d.weather, d.speed_kmh) for d in drives}) == 8


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"hazards": "route"}, "no file gives any"), ({"speed_kmh": (500,)}, "10 to 120 km/h")],
)
def test_what_cannot_be_driven_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        replace(CONFIG, **changes)


@pytest.mark.server
def test_a_later_town_that_is_unknown_is_said_before_the_first_drive(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="unknown town 'Nowhere'"):
        capture(replace(CONFIG, towns=("Town02", "Nowhere")), tmp_path)
    assert not list(read_index(tmp_path))
