"""One weather as data: CARLA's fourteen values, the lights of the scene, and how far one sees."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from fusiondrive.types import Atmosphere

# Meteorological optical range: the distance over which a black target keeps 5 % of its contrast
# against the horizon (Koschmieder 1924; ICAO Annex 3, WMO No. 8, chapter 9).
CONTRAST_THRESHOLD = 0.05
# The embedded server's optics, repeated here because only the protocol connects the two sides
# (`simulator/render/weather.py`; a test holds them equal). CARLA publishes none of its own.
FOG_PER_M = 0.12  # extinction on the ground at `fog_density` 100; it grows with the cube
FALLOFF_PER_M = 0.0693  # decrease with height, for each unit of `fog_falloff`
CLEAR_PER_M = 0.0007  # haze of clear air
RAIN_PER_M = 0.004  # at `precipitation` 100
DUST_PER_M = 0.03  # at `dust_storm` 100
EYE_M = 1.4  # height of the driving camera, at which ranges hold


@dataclass(frozen=True)
class WeatherPreset:
    """The fields of carla.WeatherParameters, in its order, and what shines in the scene."""

    cloudiness: float = 0.0  # percent
    precipitation: float = 0.0  # percent
    precipitation_deposits: float = 0.0  # percent
    wind_intensity: float = 0.0  # percent
    sun_azimuth_angle: float = 0.0  # degrees
    sun_altitude_angle: float = 0.0  # degrees above the horizon
    fog_density: float = 0.0  # percent; a little above 100 where the range is below 25 m
    fog_distance: float = 0.0  # m before the fog begins
    fog_falloff: float = 0.0  # with height
    wetness: float = 0.0  # percent
    scattering_intensity: float = 1.0
    mie_scattering_scale: float = 0.03
    rayleigh_scattering_scale: float = 0.0331
    dust_storm: float = 0.0  # percent
    is_night: bool = False
    has_street_lamps: bool = True  # False: they stay dark at night
    has_oncoming_car: bool = False  # a car with low beams keeps coming in the other lane

    @property
    def fog_extinction_per_m(self) -> float:
        """Visible extinction of the fog at the camera's height, 1/m."""
        density = max(self.fog_density, 0.0) / 100.0
        return FOG_PER_M * density**3 * math.exp(-FALLOFF_PER_M * self.fog_falloff * EYE_M)

    @property
    def extinction_per_m(self) -> float:
        """Visible extinction of the air at the camera's height, 1/m: fog, rain, dust and haze."""
        rain, dust = RAIN_PER_M * self.precipitation, DUST_PER_M * self.dust_storm
        return self.fog_extinction_per_m + CLEAR_PER_M + (rain + dust) / 100.0

    @property
    def range_m(self) -> float | None:
        """Meteorological optical range, m; None in weather without fog."""
        if self.fog_density <= 0.0:
            return None
        return -math.log(CONTRAST_THRESHOLD) / self.extinction_per_m

    @property
    def atmosphere(self) -> Atmosphere:
        """What a thermal camera feels of it."""
        return Atmosphere(
            self.is_night,
            fog_extinction_per_m=self.fog_extinction_per_m,
            cloudiness=self.cloudiness,
        )


# The values that `carla.WeatherParameters` has; the others are the harness's own.
CARLA_NAMES: tuple[str, ...] = tuple(
    field.name for field in fields(WeatherPreset) if field.type == "float"
)


def fog_density_for(range_m: float, falloff: float) -> float:
    """The `fog_density` that gives a meteorological optical range in otherwise clear air.

    Args:
        range_m: m, at the height of the driving camera.
        falloff: `fog_falloff` of the weather.
    """
    fog_per_m = -math.log(CONTRAST_THRESHOLD) / range_m - CLEAR_PER_M
    ground_per_m = fog_per_m * math.exp(FALLOFF_PER_M * falloff * EYE_M)
    return 100.0 * float((ground_per_m / FOG_PER_M) ** (1.0 / 3.0))
