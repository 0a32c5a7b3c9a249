"""Settings of the cameras: geometry, and the physics of the simulated thermal imager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple


class Surface(NamedTuple):
    """Temperature and emissivity of a class of things between 8 and 14 micrometres."""

    temperature_c: float
    emissivity: float  # 0..1; the rest is reflected sky or surroundings
    spread_c: float  # standard deviation of the temperature over its patches


# Keys are semantic tags of CARLA 0.9.16. Emissivities: tables for 8-14 um of thermography makers
# (asphalt .95-.97, concrete .92-.95, brick .93, paint .90-.95, glass .85-.92, bare metal lower,
# plants .96-.98, skin .98, water .96). Temperatures: our estimate of a clear night at 10 degrees
# air temperature, some hours after sunset: stone keeps heat, grass and roofs radiate to the sky.
NIGHT_SURFACES: Mapping[int, Surface] = MappingProxyType(
    {
        0: Surface(10.0, 0.93, 0.5),  # none
        1: Surface(14.5, 0.967, 0.7),  # road
        2: Surface(11.5, 0.93, 0.6),  # sidewalk
        3: Surface(12.5, 0.93, 1.0),  # building
        4: Surface(11.5, 0.93, 0.7),  # wall
        5: Surface(9.0, 0.90, 0.4),  # fence
        6: Surface(9.5, 0.82, 0.3),  # pole
        7: Surface(13.0, 0.90, 0.5),  # traffic light, warmed by its lamps
        8: Surface(8.5, 0.80, 0.3),  # traffic sign
        9: Surface(10.0, 0.97, 0.8),  # vegetation, close to the air
        10: Surface(7.5, 0.96, 0.9),  # terrain
        11: Surface(10.0, 1.00, 0.0),  # sky: see `sky_*`
        12: Surface(23.0, 0.96, 1.2),  # pedestrian: clothes
        13: Surface(23.0, 0.96, 1.2),  # rider
        14: Surface(12.0, 0.92, 0.6),  # car body
        15: Surface(12.5, 0.92, 0.6),  # truck
        16: Surface(14.0, 0.92, 0.6),  # bus, heated inside
        17: Surface(12.5, 0.92, 0.6),  # train
        18: Surface(15.0, 0.88, 0.8),  # motorcycle
        19: Surface(11.0, 0.88, 0.5),  # bicycle
        20: Surface(10.0, 0.92, 0.6),  # static
        21: Surface(10.5, 0.92, 0.6),  # dynamic
        22: Surface(10.0, 0.92, 0.6),  # other
        23: Surface(13.0, 0.96, 0.2),  # water
        24: Surface(14.5, 0.93, 0.4),  # road line: as warm as the road, paint emits less
        25: Surface(9.5, 0.95, 0.7),  # ground
        26: Surface(10.5, 0.93, 0.6),  # bridge
        27: Surface(9.5, 0.85, 0.4),  # rail track
        28: Surface(8.5, 0.75, 0.3),  # guard rail
    }
)

# The same at noon of a clear day at 22 degrees: the sun heats asphalt most, plants stay cool.
DAY_SURFACES: Mapping[int, Surface] = MappingProxyType(
    {
        0: Surface(25.0, 0.93, 0.8),
        1: Surface(37.0, 0.967, 1.2),
        2: Surface(32.5, 0.93, 1.0),
        3: Surface(28.0, 0.93, 1.6),
        4: Surface(29.0, 0.93, 1.2),
        5: Surface(26.0, 0.90, 0.7),
        6: Surface(27.0, 0.82, 0.5),
        7: Surface(30.0, 0.90, 0.8),
        8: Surface(28.0, 0.80, 0.5),
        9: Surface(23.0, 0.97, 0.9),
        10: Surface(28.0, 0.96, 1.2),
        11: Surface(22.0, 1.00, 0.0),
        12: Surface(31.5, 0.96, 1.2),
        13: Surface(31.5, 0.96, 1.2),
        14: Surface(33.0, 0.92, 1.5),
        15: Surface(32.0, 0.92, 1.5),
        16: Surface(32.0, 0.92, 1.5),
        17: Surface(31.0, 0.92, 1.5),
        18: Surface(35.0, 0.88, 1.5),
        19: Surface(29.0, 0.88, 1.0),
        20: Surface(28.0, 0.92, 1.0),
        21: Surface(28.0, 0.92, 1.0),
        22: Surface(28.0, 0.92, 1.0),
        23: Surface(20.0, 0.96, 0.3),
        24: Surface(29.0, 0.93, 0.8),  # white: the sun heats it less
        25: Surface(29.0, 0.95, 1.0),
        26: Surface(30.0, 0.93, 1.0),
        27: Surface(33.0, 0.85, 0.8),
        28: Surface(30.0, 0.75, 0.6),
    }
)

# How much of Schlick's fall of the emissivity with the angle a class shows, 0 (rough) to 1 (as
# glass): e(a) = e(0) (1 - smoothness (1 - cos a)^5). Schlick (1994), mixed with a constant as in
# ThRend (Aguerre et al., 2020), whose materials have 0.1 for wood, 0.15 for mortar and 1 for glass.
SMOOTHNESS: Mapping[int, float] = MappingProxyType(
    {
        **{1: 0.3, 2: 0.15, 3: 0.15, 4: 0.15, 10: 0.1, 23: 1.0, 24: 0.4, 25: 0.1, 26: 0.15},
        **{8: 0.7, 28: 0.7, 27: 0.5, 20: 0.15, 21: 0.15},
        **dict.fromkeys((14, 15, 16, 17, 18), 0.8),  # lacquer and glass
    }
)


@dataclass(frozen=True)
class ThermalConfig:
    """An uncooled long-wave camera and the world that it sees; temperatures in degrees Celsius.

    The imager's numbers are those of common microbolometer data sheets (NETD below 50 mK, f/1).
    """

    night: Mapping[int, Surface] = field(default_factory=lambda: NIGHT_SURFACES)
    day: Mapping[int, Surface] = field(default_factory=lambda: DAY_SURFACES)
    night_air_c: float = 10.0
    day_air_c: float = 22.0
    night_sky_c: float = -35.0  # apparent temperature of the clear zenith, 8-14 um
    day_sky_c: float = -25.0
    skin_c: float = 32.0  # face and hands
    engine_heat_c: float = 13.0  # above the body, middle of the bonnet of a warm car
    tyre_heat_c: float = 10.0  # above the body, rolling tyres
    exhaust_heat_c: float = 25.0  # above the body, end pipe
    glass_emissivity: float = 0.85
    actor_spread_c: float = 1.5  # standard deviation between single vehicles or people
    window_heat_c: float = 5.0  # lit rooms behind glass
    window_share: float = 0.3  # of windows that are warm
    netd_c: float = 0.05  # temporal noise, standard deviation for a scene at 17 degrees
    blur_sigma_px: float = 0.6  # optics and pixel
    smoothness: Mapping[int, float] = field(default_factory=lambda: SMOOTHNESS)
    # Infrared extinction of fog over the visible one; see `ThermalSettings.fog_ratio`.
    fog_ratio: float = 0.5
    fog_depth_m: float = 70.0  # of the layer, through which the sky is seen
    # Share of a surface's excess over the air that an overcast sky or dense fog takes away. By day
    # a quarter of the sun's heat is left under a closed cover (Kasten and Czeplak 1980: 1 - 0.75
    # n^3.4 for a cloud cover n), so that paint is some 2 K darker than asphalt, not 9 K.
    overcast_evens_day: float = 0.75
    overcast_evens_night: float = 1.0
    clear_extinction_per_m: float = 0.0002  # water vapour
    gain_per_c: float = 12.0  # grey levels per degree at most, so that noise is not blown up
    gain_plateau: float = 0.015  # share of pixels at which a histogram bin is cut
    gain_linear_share: float = 0.45  # linear between the percentiles, the rest equalised
    gain_percentiles: tuple[float, float] = (15.0, 99.95)  # leaves room for small warm things
    gain_top: float = 0.3  # share of the rows, from the top (sky), that the gain leaves out
    gain_memory: float = 0.8  # share of the last frame's curve that is kept
