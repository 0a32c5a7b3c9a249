"""From CARLA's fourteen weather parameters to light, fog, exposure and noise."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from simulator.types import F64, Weather


class Light(NamedTuple):
    """What the shading needs to know; colours are linear RGB with full sunlight near one."""

    sun_x: float
    sun_y: float
    sun_z: float
    sun_r: float
    sun_g: float
    sun_b: float
    zenith_r: float
    zenith_g: float
    zenith_b: float
    horizon_r: float
    horizon_g: float
    horizon_b: float
    cloud_cover: float  # 0..1
    cloud_drift: float  # m
    fog_per_m: float  # extinction at z = 0
    fog_start_m: float
    fog_falloff_per_m: float
    haze_per_m: float  # the same at any height
    air_r: float
    air_g: float
    air_b: float
    night: float  # 0 day .. 1 night: lamps and windows lit
    lamp: float  # radiance scale of street lamps
    wet: float  # 0..1
    rain: float  # 0..1
    exposure: float
    noise: float  # deviation for a signal of one


def light_of(weather: Weather, time_s: float) -> Light:
    """Light of a weather at a simulated time (clouds drift with it)."""
    return _light(weather)._replace(cloud_drift=time_s * weather.wind_intensity * 0.02)


@lru_cache(maxsize=8)
def _light(weather: Weather) -> Light:
    """Light of a weather at time zero.

    Fog: visibility (5 % contrast, Koschmieder) is 25 m at `fog_density` 100, 50 m at 80, 200 m at
    50 and beyond a kilometre at 20; CARLA's values are artistic, these keep their order. It goes on
    to 120, where one sees 14 m.
    """
    altitude, azimuth = np.radians([weather.sun_altitude_angle, weather.sun_azimuth_angle])
    to_sun = np.array(
        [
            np.cos(altitude) * np.cos(azimuth),
            np.cos(altitude) * np.sin(azimuth),
            np.sin(altitude),
        ]
    )
    cover = float(np.clip(weather.cloudiness / 100.0, 0.0, 1.0))
    sun = _sunlight(weather.sun_altitude_angle) * (1.0 - 0.93 * cover**1.6)
    zenith, horizon = _sky(weather.sun_altitude_angle, cover)
    fog = 0.12 * float(np.clip(weather.fog_density / 100.0, 0.0, 1.2)) ** 3
    # Behind fog the sun becomes part of the diffuse light.
    thick = min(fog / 0.04, 1.0)
    sky_sun = sun * 0.33 * thick * max(to_sun[2], 0.0)
    sun = sun * (1.0 - 0.96 * thick)
    grey = (zenith + horizon).mean() * 0.5 * np.array([0.97, 1.0, 1.03])
    zenith = zenith + (grey - zenith) * thick + sky_sun
    horizon = horizon + (grey - horizon) * thick + sky_sun
    rain = float(np.clip(weather.precipitation / 100.0, 0.0, 1.0))
    dust = float(np.clip(weather.dust_storm / 100.0, 0.0, 1.0))
    air = horizon * (1.0 - 0.25 * dust) + dust * np.array([0.10, 0.05, -0.06]) * horizon.mean()
    night = float(np.clip((3.0 - weather.sun_altitude_angle) / 9.0, 0.0, 1.0))
    # Fog glows in the light of the town.
    air = air + night * thick * np.array([0.014, 0.0115, 0.0085])
    wet = max(weather.wetness, weather.precipitation_deposits, weather.precipitation * 0.6)
    gain, noise = _exposure(sun, zenith, horizon, to_sun)
    return Light(
        sun_x=float(to_sun[0]),
        sun_y=float(to_sun[1]),
        sun_z=float(to_sun[2]),
        sun_r=float(sun[0]),
        sun_g=float(sun[1]),
        sun_b=float(sun[2]),
        zenith_r=float(zenith[0]),
        zenith_g=float(zenith[1]),
        zenith_b=float(zenith[2]),
        horizon_r=float(horizon[0]),
        horizon_g=float(horizon[1]),
        horizon_b=float(horizon[2]),
        cloud_cover=cover,
        cloud_drift=0.0,
        fog_per_m=fog,
        fog_start_m=max(weather.fog_distance, 0.0),
        # UExponentialHeightFog: density falls by half in 10 m where the falloff is 1
        fog_falloff_per_m=0.0693 * max(weather.fog_falloff, 0.0),
        haze_per_m=0.0007 + 0.004 * rain + 0.03 * dust,
        air_r=float(air[0]),
        air_g=float(air[1]),
        air_b=float(air[2]),
        night=night,
        lamp=night,
        wet=float(np.clip(wet / 100.0, 0.0, 1.0)),
        rain=rain,
        exposure=gain,
        noise=noise,
    )


def _sunlight(altitude_deg: float) -> F64:
    """Sunlight through the air mass of its altitude (Kasten and Young 1989)."""
    if altitude_deg < -1.0:
        return np.zeros(3)
    high = max(altitude_deg, 0.1)
    mass = 1.0 / (np.sin(np.radians(high)) + 0.50572 * (high + 6.07995) ** -1.6364)
    rise = float(np.clip((altitude_deg + 1.0) / 4.0, 0.0, 1.0))
    through: F64 = np.exp(-np.array([0.10, 0.19, 0.37]) * mass)
    return 1.75 * rise * through


_ALTITUDES = (-90.0, -14.0, -6.0, -1.0, 4.0, 15.0, 40.0, 90.0)
_ZENITH = np.array(
    [
        [0.0006, 0.0008, 0.0016],
        [0.0006, 0.0008, 0.0016],
        [0.006, 0.010, 0.024],
        [0.030, 0.045, 0.095],
        [0.085, 0.130, 0.240],
        [0.120, 0.220, 0.450],
        [0.130, 0.270, 0.590],
        [0.130, 0.280, 0.620],
    ]
)
_HORIZON = np.array(
    [
        [0.0016, 0.0017, 0.0022],
        [0.0016, 0.0017, 0.0022],
        [0.030, 0.022, 0.026],
        [0.190, 0.115, 0.080],
        [0.480, 0.320, 0.210],
        [0.600, 0.590, 0.570],
        [0.620, 0.720, 0.820],
        [0.620, 0.730, 0.840],
    ]
)


def _sky(altitude_deg: float, cover: float) -> tuple[F64, F64]:
    """Colours of the sky overhead and at the horizon."""
    zenith = np.array([np.interp(altitude_deg, _ALTITUDES, _ZENITH[:, c]) for c in range(3)])
    horizon = np.array([np.interp(altitude_deg, _ALTITUDES, _HORIZON[:, c]) for c in range(3)])
    grey = (0.45 * zenith.mean() + 0.45 * horizon.mean()) * np.array([0.96, 1.0, 1.05])
    share = 0.9 * cover**1.5
    return zenith + (grey * 0.85 - zenith) * share, horizon + (grey * 1.05 - horizon) * share


def _exposure(sun: F64, zenith: F64, horizon: F64, to_sun: F64) -> tuple[float, float]:
    """Gain of the camera and its noise; the gain stops where street lamps light the road."""
    luma = np.array([0.2126, 0.7152, 0.0722])
    ground = float(luma @ (sun * max(to_sun[2], 0.0) + (zenith + horizon) * 0.5))
    gain = min(1.08 / (ground + 0.03) ** 0.88, 7.0)
    noise = 0.004 + 0.030 * max(np.log2(max(gain, 1.0)) / np.log2(7.0), 0.0)
    return float(gain), float(noise)
