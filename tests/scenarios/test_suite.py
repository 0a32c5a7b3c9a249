"""Suites as files, and the order of episodes that factors expand to."""

from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from scenarios.spec import check_traffic
from scenarios.suite import Factors, expand, suite, suite_names
from scenarios.traffic import traffic_counts
from scenarios.weather import WEATHERS, carla_weather
from sensors.arms import arm_named


def test_arms_are_innermost_and_towns_outermost() -> None:
    specs = expand(
        Factors(
            routes={town: ["00", "01"] for town in ("Town02", "Town03")},
            weathers=["fog", "night"],
            arms=[arm_named("rgb"), arm_named("student")],
            seeds=[0, 1],
            policy="cilrs",
        )
    )
    assert len(specs) == len(set(specs)) == 2 * 2 * 2 * 2 * 2
    assert [spec.town for spec in specs] == ["Town02"] * 16 + ["Town03"] * 16
    assert [(s.input, s.fuser) for s in specs[:2]] == [("rgb", "none"), ("fused", "student")]
    assert (specs[0].route_id, specs[0].seed) == (specs[1].route_id, specs[1].seed)


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_that_ships_says_what_it_is_for(name: str) -> None:
    assert suite(name).about.endswith(".")


def test_the_digest_is_of_what_is_driven_and_not_of_comments(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    digests = []
    for text in ("town: Town02\nseed: 1", "# why\nseed: 1\ntown: Town02", "town: Town02\nseed: 2"):
        path.write_text(text, encoding="utf-8")
        digests.append(suite(str(path)).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blocks: 3", "blocks: expected a list of mappings"),
        ("blocks: []", "expected one block or more, found none"),
        ("defaults: 3", "defaults: expected a mapping"),
        ("- fog", "expected a mapping of keys, found list"),
        ("town: [", "not readable as YAML"),
    ],
)
def test_a_broken_suite_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        suite(str(path))
    assert str(path) in str(caught.value)
    with pytest.raises(ConfigError, match=r"suite .*absent\.yaml: No such file"):
        suite(str(tmp_path / "absent.yaml"))


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
    with pytest.raises(ConfigError, match=r"unknown suite 'x'; known: FILE\.yaml, appendix_b"):
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
