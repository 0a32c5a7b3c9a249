"""Weathers of YAML files: what they may hold, how rows call them, what is said of wrong ones."""

from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from harness.checks import check_weathers
from harness.config import load_config
from harness.route_facts import RouteFacts, digest_of, range_in
from scenarios.weather import preset, weather_name
from scenarios.weather_preset import WeatherPreset

ROUTE = RouteFacts("00", "d", 100.0)


def written(folder: Path, text: str, name: str = "dusk.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_file_gives_the_fields_and_the_rest_is_as_in_the_preset(tmp_path: Path) -> None:
    file = written(tmp_path, "fog_density: 60\nsun_altitude_angle: -5\nhas_street_lamps: false\n")
    assert preset(file) == WeatherPreset(
        fog_density=60.0, sun_altitude_angle=-5.0, is_night=True, has_street_lamps=False
    )
    assert not preset(written(tmp_path, "is_night: false\nsun_altitude_angle: -5")).is_night


def test_rows_name_the_file_and_digest_its_values(tmp_path: Path) -> None:
    one = written(tmp_path, "fog_density: 60")
    assert weather_name(one) == "dusk"
    first = digest_of(one, ROUTE)
    assert len(first) == 12
    assert range_in(one, ROUTE) == pytest.approx(113.0, abs=1.0)
    written(tmp_path, "fog_density: 61")
    assert digest_of(one, ROUTE) != first
    assert digest_of("fog", ROUTE) == ""


def test_paths_in_a_configuration_become_whole(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = written(tmp_path, "fog_density: 60")
    config = load_config(None, {"weather": ["~/dusk.yaml", "fog:40"]})
    assert config.weather == (file, "fog:40")
    assert config.directory == Path("runs/Town02_dusk-fog-40_rgb_cilrs")
    check_weathers(config.weather)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fog: 3", "dusk.yaml: unknown key 'fog'; known: cloudiness, dust_storm, fog_density"),
        ("cloudiness: 101", "cloudiness: expected a number from 0 to 100, found '101'"),
        ("cloudiness: nan", "cloudiness: expected a number from 0 to 100, found 'nan'"),
        ("wetness: [1]", "wetness: expected a number from 0 to 100"),
        ("is_night: 1", "is_night: expected true or false, found '1'"),
        ("- 1", "dusk.yaml: expected a mapping of keys, found list"),
        ("a: [", "weather file .*dusk.yaml: not readable as YAML"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigError, match=line) as caught:
        check_weathers([written(tmp_path, text)])
    assert "\n" not in str(caught.value)


def test_missing_files_and_taken_names_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"weather file .*none.yaml: No such file"):
        check_weathers([str(tmp_path / "none.yaml")])
    with pytest.raises(ConfigError, match="'fog' is ours; rename it"):
        check_weathers([written(tmp_path, "wetness: 1", "fog.yaml")])
    (tmp_path / "b").mkdir()
    two = [written(tmp_path, "wetness: 1"), written(tmp_path / "b", "wetness: 2")]
    with pytest.raises(ConfigError, match="weather given twice: dusk, dusk"):
        check_weathers(two)
