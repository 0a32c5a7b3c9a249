"""A route's own weather as Leaderboard files give it, which may change along the route."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple
from xml.etree.ElementTree import Element

import carla

from fusiondrive.errors import MapError, unknown_name
from fusiondrive.provenance import text_hash
from scenarios.weather import WEATHERS, preset
from scenarios.weather_preset import CARLA_NAMES, WeatherPreset

ROUTE_WEATHER = "route"  # the name that stands for what a route file gives
NAMES = CARLA_NAMES
# What attributes stand at that a file leaves out: the constructor of the client's type sets the
# first two kinds of scattering to 0, and the Leaderboard starts from it.
_UNSET = WeatherPreset(scattering_intensity=0.0, mie_scattering_scale=0.0)
# CARLA Leaderboard 2, leaderboard/utils/route_parser.py, parse_weather: also where none is given.
LEADERBOARD_WEATHER = WeatherPreset(
    cloudiness=50.0, sun_altitude_angle=70.0, scattering_intensity=0.0, mie_scattering_scale=0.0
)
_OLD_NAMES = {
    "cloudyness": "cloudiness",
    "sun_azimuth": "sun_azimuth_angle",
    "sun_altitude": "sun_altitude_angle",
}
_PRESET_ATTRIBUTES = ("id", "preset", "name")
# Numbers of CARLA 0.8's weathers, which older files name.
_NUMBERED = (
    *("Default", "ClearNoon", "CloudyNoon", "WetNoon", "WetCloudyNoon", "MidRainyNoon"),
    *("HardRainNoon", "SoftRainNoon", "ClearSunset", "CloudySunset", "WetSunset"),
    *("WetCloudySunset", "MidRainSunset", "HardRainSunset", "SoftRainSunset"),
)


class WeatherPoint(NamedTuple):
    """The weather at one place of a route."""

    percentage: float  # of the route's length, 0..100
    weather: WeatherPreset


@dataclass(frozen=True)
class RouteWeather:
    """Weathers along a route, linear in between, as in the Leaderboard's RouteWeatherBehavior."""

    points: tuple[WeatherPoint, ...]  # at least one, by ascending percentage

    @cached_property
    def is_constant(self) -> bool:
        """Whether the whole route has one weather."""
        return len({point.weather for point in self.points}) == 1

    def at(self, completion: float) -> WeatherPreset:
        """The weather at a share of the route in [0, 1].

        Before the first and after the last point their own weather holds.
        """
        percentage = 100.0 * completion
        after = bisect_right([point.percentage for point in self.points], percentage)
        if after in (0, len(self.points)):
            return self.points[max(after - 1, 0)].weather
        (begin, first), (end, last) = self.points[after - 1 : after + 1]
        share = (percentage - begin) / (end - begin)
        mixed = {n: (1.0 - share) * getattr(first, n) + share * getattr(last, n) for n in NAMES}
        return _weather(mixed)

    @property
    def range_m(self) -> float | None:
        """The least meteorological optical range along the route, m; None where no fog is."""
        ranges = [point.weather.range_m for point in self.points]
        return min((each for each in ranges if each is not None), default=None)

    def digest(self) -> str:
        """SHA-256 (first 12 hex digits) over percentages and values."""
        values = [[p.percentage, _digested(p.weather)] for p in self.points]
        return text_hash(json.dumps(values, sort_keys=True))


def course_of(name: str, own: RouteWeather | None) -> RouteWeather:
    """The weather of a drive: the one of that name, or for `route` the route's own.

    A route without one gets the Leaderboard's default.

    Raises:
        ConfigError: the name is unknown.
    """
    if name != ROUTE_WEATHER:
        return RouteWeather((WeatherPoint(0.0, preset(name)),))
    return own or RouteWeather((WeatherPoint(0.0, LEADERBOARD_WEATHER),))


def read_weather(route: Element, where: str, unserved: Counter[str]) -> RouteWeather | None:
    """The weather of a <route>: `weathers/weather` (Leaderboard 2) or `weather` (1.0).

    Args:
        route: the element.
        where: what errors call the route.
        unserved: counts the attributes that mean nothing here; it is added to.

    Returns:
        The weather, or None where the route has none.

    Raises:
        MapError: a value is no number, or two weathers share a place.
    """
    nodes, base = route.findall("weathers/weather"), LEADERBOARD_WEATHER
    if not nodes:
        nodes, base = route.findall("weather"), _UNSET
    points = [
        WeatherPoint(
            _percentage(node, f"{where}, weather {number}", is_only=len(nodes) == 1),
            _read_preset(node, base, f"{where}, weather {number}", unserved),
        )
        for number, node in enumerate(nodes)
    ]
    points.sort(key=lambda point: point.percentage)
    for first, second in pairwise(points):
        if first.percentage == second.percentage:
            raise MapError(f"{where}: two weathers at route_percentage {first.percentage:g}")
    return RouteWeather(tuple(points)) if points else None


def _percentage(node: Element, where: str, *, is_only: bool) -> float:
    text = node.get("route_percentage", "0" if is_only else None)
    if text is None:
        raise MapError(f"{where}: lacks 'route_percentage'; with several weathers each needs one")
    value = _number(text, f"{where}: route_percentage")
    if not 0.0 <= value <= 100.0:
        raise MapError(f"{where}: route_percentage='{text}' is not within 0 and 100")
    return value


def _read_preset(
    node: Element, base: WeatherPreset, where: str, unserved: Counter[str]
) -> WeatherPreset:
    given: dict[str, float] = {}
    labels: dict[str, str] = {}
    for attribute, text in node.attrib.items():
        name = _OLD_NAMES.get(attribute, attribute)
        if name in NAMES:
            given[name] = _number(text, f"{where}: {attribute}")
        elif attribute in _PRESET_ATTRIBUTES:
            labels[attribute] = text
        elif attribute != "route_percentage":
            unserved[f"attribute weather.{attribute}"] += 1
    for attribute, text in labels.items():
        found = _named(text)
        if found is not None:
            base = found
        elif given:
            unserved[f"attribute weather.{attribute}"] += 1  # a mere label
        else:
            raise MapError(f"{where}: {unknown_name('weather', text, _known())}")
    return _weather({**{name: getattr(base, name) for name in NAMES}, **given})


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as err:
        raise MapError(f"{where}='{text}' is not a number") from err
    if not math.isfinite(value):
        raise MapError(f"{where}='{text}' is not finite")
    return value


def _named(text: str) -> WeatherPreset | None:
    """One of CARLA's weathers by name or number (of CARLA 0.8), or one of this package's."""
    if text in WEATHERS:
        return WEATHERS[text]
    is_number = text.isascii() and text.isdigit() and int(text) < len(_NUMBERED)
    found = getattr(carla.WeatherParameters, _NUMBERED[int(text)] if is_number else text, None)
    if not isinstance(found, carla.WeatherParameters):
        return None
    return _weather({name: float(getattr(found, name)) for name in NAMES})


def _known() -> Iterable[str]:
    ours = list(WEATHERS)
    theirs = [name for name in dir(carla.WeatherParameters) if _named(name) is not None]
    return [*ours, *theirs]


def _digested(weather: WeatherPreset) -> dict[str, float]:
    """The values that a digest is over; later ones are left out where they are the default."""
    values, first = asdict(weather), (*NAMES, "is_night")
    usual = asdict(WeatherPreset())
    return {k: v for k, v in values.items() if k in first or v != usual[k]}


def _weather(values: dict[str, float]) -> WeatherPreset:
    """A weather of these values; its lamps are on while the sun is below the horizon."""
    is_night = values["sun_altitude_angle"] < 0.0
    return WeatherPreset(**values, is_night=is_night, has_street_lamps=True, has_oncoming_car=False)
