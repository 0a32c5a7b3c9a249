import pytest

from fusiondrive.errors import ConfigError
from scenarios.spec import check_traffic
from scenarios.suite import Factors, expand, suite
from scenarios.traffic import traffic_counts
from scenarios.weather import WEATHERS, carla_weather
from sensors.arms import arm_named, arm_of


def test_appendix_b_pairs_inputs_and_keeps_towns_together() -> None:
    chosen = suite("appendix_b")
    specs = expand(
        Factors(
            routes={town: ["00", "01"] for town in chosen.towns},
            weathers=chosen.weathers,
            arms=[arm_of(name, "student") for name in chosen.inputs],
            seeds=[0, 1],
            policy="cilrs",
        )
    )
    assert len(specs) == len(set(specs)) == 2 * 2 * 2 * 2 * 2
    assert [spec.town for spec in specs] == ["Town02"] * 16 + ["Town03"] * 16
    assert [(s.input, s.fuser) for s in specs[:2]] == [("rgb", "none"), ("fused", "student")]
    assert (specs[0].route_id, specs[0].seed) == (specs[1].route_id, specs[1].seed)


def planned(arms: list[str], weathers: list[str]) -> list[tuple[str, str, str]]:
    factors = Factors({"Town02": ["00"]}, weathers, [arm_named(arm) for arm in arms], [0], "cilrs")
    return [(spec.weather, spec.input, spec.arm) for spec in expand(factors)]


def test_the_ceiling_is_driven_once_for_all_weathers() -> None:
    assert planned(["rgb", "clear"], ["fog", "night"]) == [
        ("fog", "rgb", "rgb"),
        ("clear", "rgb", "clear"),
        ("night", "rgb", "rgb"),
    ]


def test_the_ceiling_is_rgb_where_the_clear_day_is_driven_anyway() -> None:
    drives = planned(["clear", "rgb"], ["fog", "clear"])
    assert sorted(drives) == [("clear", "rgb", "rgb"), ("fog", "rgb", "rgb")]


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(ConfigError, match="unknown weather 'fgo'; known: clear, cloudy, fog"):
        carla_weather("fgo")
    with pytest.raises(ConfigError, match="unknown suite 'x'; known: appendix_b"):
        suite("x")


@pytest.mark.parametrize("name", WEATHERS)
def test_every_weather_reaches_the_client_type(name: str) -> None:
    weather = carla_weather(name)
    assert weather.fog_density == WEATHERS[name].fog_density
    assert (weather.sun_altitude_angle < 0) == WEATHERS[name].is_night


def test_traffic_is_a_level_or_counts() -> None:
    assert traffic_counts("Town02", "regular") == (15, 25)
    assert traffic_counts("Town02", "20+30") == (20, 30)
    with pytest.raises(ConfigError, match=r"unknown traffic '20'; known: .*20\+30"):
        check_traffic("20")
