"""The table of client calls, the checks and the carla package name the same calls."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import carla
import pytest

from simulator.blueprints.sensors import SENSOR_ATTRIBUTES
from simulator.handlers.registry import METHODS, UNSUPPORTED
from tests.simulator import (
    test_conformance_actor,
    test_conformance_client,
    test_conformance_commands,
    test_conformance_lights,
    test_conformance_map,
    test_conformance_pictures,
    test_conformance_sensor,
    test_conformance_vehicle,
    test_conformance_world,
)

PAGE = Path(__file__).parents[2] / "docs/simulator-calls.md"
MODULES = (
    test_conformance_actor,
    test_conformance_client,
    test_conformance_commands,
    test_conformance_lights,
    test_conformance_map,
    test_conformance_pictures,
    test_conformance_sensor,
    test_conformance_vehicle,
    test_conformance_world,
)
CLASSES = (
    "Client", "World", "WorldSnapshot", "ActorSnapshot", "ActorList", "Actor", "Vehicle", "Walker",
    "WalkerAIController", "TrafficSign", "TrafficLight", "Sensor", "ServerSideSensor", "Map",
    "Waypoint", "LaneMarking", "Junction", "Landmark", "LightManager", "Light", "DebugHelper",
    "BlueprintLibrary", "ActorBlueprint", "ActorAttribute",
)  # fmt: skip
BROKEN_IN_THE_WHEEL = {"ServerSideSensor.get_ignored_vehicles", "command.ShowDebugTelemetry"}


def checked() -> list[str]:
    return [call for module in MODULES for call in module.CASES]


def offered() -> set[str]:
    """Every public method and property of the client's classes, where it is defined."""
    found = {f"command.{name}" for name in dir(carla.command) if not name.startswith("_")}
    for name in CLASSES:
        own = getattr(carla, name)
        inherited = {member for base in own.__bases__ for member in dir(base)}
        found |= {f"{name}.{m}" for m in set(dir(own)) - inherited if not m.startswith("_")}
    return found


def rows() -> dict[str, str]:
    """Calls of the page's table with what it says about them."""
    text = PAGE.read_text().split("## Every client call")[1].split("\n## ")[0]
    found: dict[str, str] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `") or len(cells) < 2:
            continue
        owner = ""
        for call in re.findall(r"`([\w.]+)`", cells[0]):
            owner = call.rsplit(".", 1)[0] if "." in call else owner
            full = call if "." in call else f"{owner}.{call}"
            assert full not in found, f"{full} stands twice in the table"
            found[full] = cells[1]
    return found


def test_every_call_that_the_client_offers_is_checked():
    assert offered() - set(checked()) == set()


def test_every_check_is_of_a_call_that_exists_and_stands_once():
    assert set(checked()) - offered() == set()
    assert len(checked()) == len(set(checked()))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rsplit(".", 1)[-1])
def test_every_check_uses_the_call_that_it_stands_for(module):
    checks = inspect.getsource(module).split("\nCASES")[0]
    names = {call: call.rsplit(".", 1)[-1] for call in module.CASES}
    assert [c for c, name in names.items() if not re.search(rf"\b{name}\b", checks)] == []


def test_the_table_has_exactly_the_checked_calls():
    assert sorted(rows()) == sorted(checked())


def test_each_row_says_one_of_three_things():
    known = {"works", "differs", "answers an error", "no effect", "broken in the wheel"}
    assert set(rows().values()) <= known
    broken = {call for call, how in rows().items() if how == "broken in the wheel"}
    assert broken == BROKEN_IN_THE_WHEEL


def test_the_table_of_sensors_has_exactly_the_blueprints():
    text = PAGE.read_text().split("\n## Sensors")[1]
    lines = [line for line in text.splitlines() if re.match(r"\| `[\w.`, ]+ \| works", line)]
    names = [name for line in lines for name in re.findall(r"`([\w.]+)`", line.split("|")[1])]
    assert sorted(f"sensor.{name}" for name in names) == sorted(SENSOR_ATTRIBUTES)


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_what_is_not_simulated_is_named_on_the_page(name):
    assert name not in METHODS
    assert f"`{name}`" in PAGE.read_text()
