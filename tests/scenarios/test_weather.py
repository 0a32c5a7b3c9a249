"""Weathers by name: levels of fog and night, their physics, and what is said of wrong ones."""

import math

import pytest

from fusiondrive.errors import ConfigError
from scenarios.route_weather import course_of
from scenarios.weather import FOG_LEVELS_M, NIGHT_LEVELS, WEATHERS, carla_weather, preset
from scenarios.weather_preset import CARLA_NAMES, EYE_M, WeatherPreset
from simulator.render.weather import light_of
from simulator.types import Weather

MORE_WEATHERS = ("fog:20", "fog:1000", "night+fog:60", "night:headlights+fog")


def optics(weather: WeatherPreset) -> float:
    """Extinction at the driving camera's height as the embedded server has it, 1/m."""
    light = light_of(Weather(**{name: getattr(weather, name) for name in CARLA_NAMES}), 0.0)
    return light.fog_per_m * math.exp(-light.fog_falloff_per_m * EYE_M) + light.haze_per_m


@pytest.mark.parametrize(
    "name", [*WEATHERS, *MORE_WEATHERS, *(f"fog:{level}" for level in FOG_LEVELS_M)]
)
def test_the_extinction_of_every_weather_is_the_servers(name: str) -> None:
    assert preset(name).extinction_per_m == pytest.approx(optics(preset(name)))


def test_rain_and_dust_take_light_away_as_on_the_server() -> None:
    weather = WeatherPreset(precipitation=40.0, dust_storm=30.0, fog_density=30.0)
    assert weather.extinction_per_m == pytest.approx(optics(weather))


@pytest.mark.parametrize("level", [20, 25.5, 40, 60, 100, 200, 1000])
def test_fog_by_range_has_that_range(level: float) -> None:
    weather = preset(f"fog:{level}")
    assert weather.range_m == pytest.approx(level)
    assert math.exp(-weather.extinction_per_m * level) == pytest.approx(0.05)


def test_plain_names_mean_what_they_meant() -> None:
    assert preset("fog") == WeatherPreset(
        cloudiness=70.0, wind_intensity=5.0, sun_altitude_angle=45.0, fog_density=75.0,
        fog_falloff=0.2, wetness=20.0,
    )  # fmt: skip
    assert preset("fog").range_m == pytest.approx(59.5, abs=0.05)
    assert preset("night") == preset("night:lamps")
    assert preset("clear").range_m is None
    # Identities hold this digest of the Leaderboard's default weather.
    assert course_of("route", None).digest() == "26d05a515504"


def test_levels_of_night_differ_in_what_shines() -> None:
    shining = {n: (w.has_street_lamps, w.has_oncoming_car) for n, w in NIGHT_LEVELS.items()}
    assert shining == {
        "lamps": (True, False), "headlights": (False, False), "glare": (False, True),
    }  # fmt: skip


def test_fog_at_night_is_the_night_with_the_fogs_extinction() -> None:
    weather = preset("night:headlights+fog:60")
    assert weather.is_night
    assert not weather.has_street_lamps
    assert weather.range_m == pytest.approx(60.0)
    assert carla_weather("night+fog:60").sun_altitude_angle == -60.0


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("fgo", r"unknown weather 'fgo'; known: clear, cloudy, fog, fog:METRES \(20 to 1000, such"),
        (
            "fog:19",
            "weather 'fog:19': expected a range of 20 to 1000 m, such as fog:40",
        ),
        ("fog:1001", "expected a range of 20 to 1000 m"),
        ("fog:nan", "expected a range of 20 to 1000 m, such as fog:40; found 'nan'"),
        ("fog:", "expected a range of 20 to 1000 m, such as fog:40; found ''"),
        ("fog:40m", "found '40m'"),
        ("fog:40.0", "weather 'fog:40.0': write fog:40"),
        ("night:dark", "unknown level of night 'dark'; known: glare, headlights, lamps"),
        ("clear:2", "weather 'clear:2': 'clear' has no levels; fog and night have"),
        ("fog:60+night", r"weather 'fog:60\+night': expected a night, '\+' and a fog"),
        ("night+night", r"expected a night, '\+' and a fog, such as night\+fog:60"),
        ("night+fog:9", "weather 'fog:9': expected a range"),
    ],
)
def test_an_unknown_weather_is_one_line(name: str, line: str) -> None:
    with pytest.raises(ConfigError, match=line) as caught:
        preset(name)
    assert "\n" not in str(caught.value)
