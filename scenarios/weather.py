"""The weathers by name: CARLA's fourteen values and whether lamps are on."""

from __future__ import annotations

from dataclasses import dataclass, fields

import carla

from fusiondrive.errors import unknown_name
from fusiondrive.types import Atmosphere


@dataclass(frozen=True)
class WeatherPreset:
    """The fields of carla.WeatherParameters, in its order, plus `is_night`."""

    cloudiness: float = 0.0  # percent
    precipitation: float = 0.0  # percent
    precipitation_deposits: float = 0.0  # percent
    wind_intensity: float = 0.0  # percent
    sun_azimuth_angle: float = 0.0  # degrees
    sun_altitude_angle: float = 0.0  # degrees above the horizon
    fog_density: float = 0.0  # percent
    fog_distance: float = 0.0  # m before the fog begins
    fog_falloff: float = 0.0  # with height
    wetness: float = 0.0  # percent
    scattering_intensity: float = 1.0
    mie_scattering_scale: float = 0.03
    rayleigh_scattering_scale: float = 0.0331
    dust_storm: float = 0.0  # percent
    is_night: bool = False

    @property
    def atmosphere(self) -> Atmosphere:
        """What a thermal camera feels of it."""
        return Atmosphere(self.is_night, self.fog_density)


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
    "fog": WeatherPreset(
        cloudiness=70.0,
        wind_intensity=5.0,
        sun_altitude_angle=45.0,
        fog_density=75.0,
        fog_distance=0.0,
        fog_falloff=0.2,
        wetness=20.0,
    ),
    "night": WeatherPreset(
        cloudiness=20.0, wind_intensity=10.0, sun_altitude_angle=-60.0, is_night=True
    ),
}


def preset(name: str) -> WeatherPreset:
    """Look a weather up; an unknown name is a ConfigError that lists the known ones."""
    if name not in WEATHERS:
        raise unknown_name("weather", name, WEATHERS)
    return WEATHERS[name]


def carla_weather(chosen: str | WeatherPreset) -> carla.WeatherParameters:
    """A weather, or the one of that name, as the client's type."""
    if isinstance(chosen, str):
        chosen = preset(chosen)
    weather = carla.WeatherParameters()
    for field in fields(chosen):
        if field.name != "is_night":
            setattr(weather, field.name, getattr(chosen, field.name))
    return weather
