"""Weathers of a user's own: YAML files with the fields of `WeatherPreset`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.yaml_files import read_yaml
from scenarios.weather_preset import CARLA_NAMES, WeatherPreset

SUFFIXES = (".yaml", ".yml")


class _Span(NamedTuple):
    least: float
    most: float


_PERCENT = _Span(0.0, 100.0)
_SPANS: Mapping[str, _Span] = {
    "sun_azimuth_angle": _Span(-360.0, 360.0),
    "sun_altitude_angle": _Span(-90.0, 90.0),
    "fog_density": _Span(0.0, 120.0),  # beyond 100 where one sees less than 25 m
    "fog_distance": _Span(0.0, 1000.0),
    "fog_falloff": _Span(0.0, 5.0),
    "scattering_intensity": _Span(0.0, 100.0),
    "mie_scattering_scale": _Span(0.0, 5.0),
    "rayleigh_scattering_scale": _Span(0.0, 2.0),
}
_TRUTHS = {"true": True, "false": False}


def is_weather_file(name: str) -> bool:
    """Whether the name of a weather is a file's."""
    return name.endswith(SUFFIXES)


def read_weather_file(path: Path) -> WeatherPreset:
    """The weather of a YAML file; fields that it leaves out are as in `WeatherPreset`.

    Where it does not say `is_night`, lamps are on while the sun is below the horizon.

    Raises:
        ConfigError: there is no such file, or a key or value of it cannot be.
    """
    given, values = read_yaml(path, "weather file"), dict[str, Any]()
    for key, value in given.items():
        if key in CARLA_NAMES:
            values[key] = _number(path, key, value)
        elif key in (field.name for field in fields(WeatherPreset)):
            values[key] = _truth(path, key, value)
        else:
            known = [field.name for field in fields(WeatherPreset)]
            raise ConfigError(f"weather file {path}: {unknown_name('key', key, known)}")
    values.setdefault("is_night", values.get("sun_altitude_angle", 0.0) < 0.0)
    return WeatherPreset(**values)


def _number(path: Path, key: str, value: object) -> float:
    least, most = _SPANS.get(key, _PERCENT)
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise ConfigError(
            f"weather file {path}: {key}: expected a number from {least:g} to {most:g}, "
            f"found '{value}'"
        )
    return number


def _truth(path: Path, key: str, value: object) -> bool:
    truth = _TRUTHS.get(str(value).lower())
    if truth is None:
        raise ConfigError(f"weather file {path}: {key}: expected true or false, found '{value}'")
    return truth
