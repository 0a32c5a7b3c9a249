"""What a route file says beside its keypoints: weather, and what is not served."""

from pathlib import Path

import carla
import pytest

from fusiondrive.errors import MapError
from scenarios.route_files import describe_unserved, read_route_xml
from scenarios.route_weather import LEADERBOARD_WEATHER, NAMES, course_of
from scenarios.spec import RouteSpec
from scenarios.weather import WEATHERS

PLACES = "<waypoints><position x='1' y='2' z='0'/><position x='9' y='2' z='0'/></waypoints>"


def read(tmp_path: Path, inside: str, attributes: str = "") -> RouteSpec:
    path = tmp_path / "r.xml"
    path.write_text(f"<routes><route id='0' town='T' {attributes}>{inside}</route></routes>")
    (route,) = read_route_xml(path)
    return route


def test_weathers_are_linear_between_their_places(tmp_path: Path) -> None:
    route = read(
        tmp_path,
        f"{PLACES}<weathers><weather route_percentage='80' fog_density='90' "
        "sun_altitude_angle='-30'/><weather route_percentage='20' fog_density='30' "
        "sun_altitude_angle='30'/></weathers>",
    )
    course = course_of("route", route.weather)
    assert [course.at(share).fog_density for share in (0.0, 0.2, 0.3, 0.8, 1.0)] == [
        30.0, 30.0, pytest.approx(40.0), 90.0, 90.0,
    ]  # fmt: skip
    assert (course.at(0.4).is_night, course.at(0.6).is_night) == (False, True)
    assert course.at(0.0).cloudiness == 50.0  # the Leaderboard's, where a file says nothing
    assert not course.is_constant


def test_unsaid_values_are_those_of_the_leaderboard() -> None:
    leaderboard = carla.WeatherParameters(sun_altitude_angle=70, cloudiness=50)
    for name in NAMES:
        assert getattr(LEADERBOARD_WEATHER, name) == pytest.approx(getattr(leaderboard, name))
    assert course_of("route", None).at(0.5) == LEADERBOARD_WEATHER
    assert course_of("fog", None).at(0.5) == WEATHERS["fog"]


@pytest.mark.parametrize(
    ("element", "name"),
    [
        ("<weather id='WetSunset'/>", "WetSunset"),
        ("<weather preset='HardRainNoon'/>", "HardRainNoon"),
        ("<weather id='3'/>", "WetNoon"),
    ],
)
def test_weathers_of_carla_are_known_by_name_and_old_number(
    tmp_path: Path, element: str, name: str
) -> None:
    course = read(tmp_path, PLACES + element).weather
    assert course is not None
    assert course.is_constant
    wanted = getattr(carla.WeatherParameters, name)
    assert [getattr(course.at(0.0), n) for n in NAMES] == [getattr(wanted, n) for n in NAMES]


def test_old_attribute_names_are_read(tmp_path: Path) -> None:
    course = read(tmp_path, f"{PLACES}<weather cloudyness='7' sun_altitude='-3'/>").weather
    assert course is not None
    assert (course.at(0.0).cloudiness, course.at(0.0).is_night) == (7.0, True)


@pytest.mark.parametrize(
    ("weathers", "reason"),
    [
        ("<weather cloudiness='thick'/>", "cloudiness='thick' is not a number"),
        ("<weather cloudiness='nan'/>", "cloudiness='nan' is not finite"),
        ("<weather id='Foggy'/>", "unknown weather 'Foggy'; known: .*WetNoon"),
        ("<weather route_percentage='150' wetness='1'/>", "not within 0 and 100"),
        ("<weather wetness='1'/><weather wetness='2'/>", "lacks 'route_percentage'"),
        (
            "<weather route_percentage='5'/><weather route_percentage='5' wetness='2'/>",
            "two weathers at route_percentage 5",
        ),
    ],
)
def test_a_bad_weather_is_named(tmp_path: Path, weathers: str, reason: str) -> None:
    with pytest.raises(MapError, match=reason):
        read(tmp_path, f"{PLACES}<weathers>{weathers}</weathers>")


def test_the_digest_tells_weathers_apart(tmp_path: Path) -> None:
    texts = ("<weather wetness='1'/>", "<weather wetness='1'/>", "<weather wetness='2'/>")
    first, same, other = (course_of("route", read(tmp_path, PLACES + t).weather) for t in texts)
    assert first.digest() == same.digest() != other.digest()


def test_what_is_not_served_is_counted_by_kind(tmp_path: Path) -> None:
    scenario = "<scenario name='a' type='ParkedObstacle'><trigger_point x='1'/></scenario>"
    route = read(
        tmp_path,
        f"{PLACES}<scenarios>{scenario * 2}</scenarios><weather wetness='1' mood='bad'/><speed/>",
        "road_id='3'",
    )
    assert describe_unserved([route, route]) == (
        "attribute route.road_id (2), attribute weather.mood (2), element speed (2), "
        "scenario ParkedObstacle (4)"
    )
