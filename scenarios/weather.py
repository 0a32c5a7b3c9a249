"""The weathers by name: KIND, KIND:LEVEL, a night with fog such as `night+fog:60`, or a file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import carla

from fusiondrive.errors import ConfigError, unknown_name
from scenarios.weather_files import is_weather_file, read_weather_file
from scenarios.weather_preset import CARLA_NAMES, WeatherPreset, fog_density_for

__all__ = ["WEATHERS", "WeatherPreset", "carla_weather", "preset"]

WEATHERS: dict[str, WeatherPreset] = {
    "clear": WeatherPreset(cloudiness=10.0, wind_intensity=10.0, sun_altitude_angle=75.0),
    "cloudy": WeatherPreset(cloudiness=80.0, wind_intensity=20.0, sun_altitude_angle=60.0),
    "wet": WeatherPreset(
        cloudiness=30.0,
        precipitation_deposits=60.0,
        wind_intensity=10.0,
        sun_azimuth_angle=45.0,
        sun_altitude_angle=65.0,
        wetness=80.0,
    ),
    "sunset": WeatherPreset(
        cloudiness=15.0, wind_intensity=10.0, sun_azimuth_angle=20.0, sun_altitude_angle=15.0
    ),
    # A range of 59.5 m; `fog:60` is the same weather at 60.0 m.
    "fog": WeatherPreset(
        cloudiness=70.0,
        wind_intensity=5.0,
        sun_altitude_angle=45.0,
        fog_density=75.0,
        fog_distance=0.0,
        fog_falloff=0.2,
        wetness=20.0,
    ),
    # Street lamps shine: the same as `night:lamps`.
    "night": WeatherPreset(
        cloudiness=20.0, wind_intensity=10.0, sun_altitude_angle=-60.0, is_night=True
    ),
}
NIGHT_LEVELS: dict[str, WeatherPreset] = {
    "lamps": WEATHERS["night"],
    "headlights": replace(WEATHERS["night"], has_street_lamps=False),
    "glare": replace(WEATHERS["night"], has_street_lamps=False, has_oncoming_car=True),
}
FOG_RANGES_M = (20.0, 1000.0)  # the meteorological optical ranges that have a name
FOG_LEVELS_M = (200, 100, 60, 40, 25)  # those that studies and tables use
FORMS: tuple[str, ...] = (
    *WEATHERS,
    f"fog:METRES ({FOG_RANGES_M[0]:g} to {FOG_RANGES_M[1]:g}, such as fog:40)",
    *(f"night:{level}" for level in NIGHT_LEVELS),
    "path/of/a/file.yaml",
    "night+fog (with or without levels, such as night:headlights+fog:60)",
)
_NUMBER = re.compile(r"\d+(\.\d+)?")


def preset(name: str) -> WeatherPreset:
    """The weather of that name.

    Args:
        name: a kind such as `fog`, with or without a level (`fog:40`, `night:glare`), or a
            night and a fog (`night:headlights+fog:60`); or the path of a YAML file.

    Raises:
        ConfigError: a kind or level is unknown; it lists the known ones.
    """
    if is_weather_file(name):
        return read_weather_file(Path(name).expanduser())
    night, plus, fog = name.partition("+")
    if not plus:
        return _single(name)
    if night.partition(":")[0] != "night" or fog.partition(":")[0] != "fog":
        raise ConfigError(
            f"weather '{name}': expected a night, '+' and a fog, such as night+fog:60 or "
            "night:glare+fog"
        )
    dark, foggy = _single(night), _single(fog)
    return replace(dark, fog_density=foggy.fog_density, fog_falloff=foggy.fog_falloff)


def weather_name(name: str) -> str:
    """What rows and files call a weather: its name, or that of its file without the suffix."""
    return Path(name).stem if is_weather_file(name) else name


def carla_weather(chosen: str | WeatherPreset) -> carla.WeatherParameters:
    """A weather, or the one of that name, as the client's type."""
    if isinstance(chosen, str):
        chosen = preset(chosen)
    weather = carla.WeatherParameters()
    for name in CARLA_NAMES:
        setattr(weather, name, getattr(chosen, name))
    return weather


def _single(name: str) -> WeatherPreset:
    kind, colon, level = name.partition(":")
    if kind not in WEATHERS:
        raise unknown_name("weather", name, FORMS)
    if not colon:
        return WEATHERS[kind]
    if kind == "fog":
        return _fog(level)
    if kind != "night":
        raise ConfigError(f"weather '{name}': '{kind}' has no levels; fog and night have")
    if level not in NIGHT_LEVELS:
        raise unknown_name("level of night", level, NIGHT_LEVELS)
    return NIGHT_LEVELS[level]


def _fog(level: str) -> WeatherPreset:
    """Fog of a range in metres, written in one way only, since rows tell weathers by name."""
    least, most = FOG_RANGES_M
    is_number = _NUMBER.fullmatch(level) is not None
    range_m = float(level) if is_number else 0.0
    if not least <= range_m <= most:
        raise ConfigError(
            f"weather 'fog:{level}': expected a range of {least:g} to {most:g} m, such as fog:40; "
            f"found '{level}'"
        )
    if level != f"{range_m:g}":
        raise ConfigError(f"weather 'fog:{level}': write fog:{range_m:g}")
    fog = WEATHERS["fog"]
    return replace(fog, fog_density=fog_density_for(range_m, fog.fog_falloff))
