"""Random towns have no ready-made routes: theirs are made when they are asked for."""

import carla
import pytest

from fusiondrive.errors import ConfigError
from harness.checks import check_towns
from harness.config import RunConfig
from scenarios.generate import fresh_routes
from scenarios.route_files import is_random_town
from simulator.maps import load_town


def test_the_same_town_gets_the_same_routes() -> None:
    town = load_town("random:7")
    first, second = (fresh_routes(carla.Map("random:7", town.xodr), "random:7") for _ in range(2))
    assert first == second
    assert len({route.route_id for route in first}) == 25
    assert {route.town for route in first} == {"random:7"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("random:7", True),
        ("/Game/Carla/Maps/random:0", True),
        ("random:x", False),
        ("Town7", False),
    ],
)
def test_random_towns_are_known_by_their_name(name: str, expected: bool) -> None:
    assert is_random_town(name) == expected


def test_random_towns_need_no_route_file() -> None:
    check_towns(RunConfig(town=("random:7",)))
    with pytest.raises(ConfigError, match=r"unknown town 'random:x'; known: .*, random:SEED"):
        check_towns(RunConfig(town=("random:x",)))


def test_carla_itself_makes_no_random_towns() -> None:
    with pytest.raises(ConfigError, match="only the embedded server makes random:7"):
        check_towns(RunConfig(town=("random:7",), backend="docker"))
