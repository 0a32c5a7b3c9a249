"""Hazards of other packages: by name, with the room that they ask for; no server."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import Route
from harness.run import main
from scenarios.hazards.course import HazardCourse, check_own, script_of
from scenarios.hazards.kinds import HAZARDS, hazard_names, read_hazards
from scenarios.hazards.own import GROUP, Run, own_digest
from scenarios.hazards.placement import PlacedHazard, place_hazards
from scenarios.hazards.roadside import Verge
from scenarios.hazards.scene import Scene
from scenarios.hazards.script import Command, Phase, Script
from scenarios.hazards.stage import Stage
from tests.scenarios.test_hazards import CRUISE_MPS, VERGE, Pavements, straight

HERE = __name__


class Statue(Script):
    """Never there."""

    def cast(self, scene: Scene, stage: Stage) -> list[Command] | None:
        return None

    def act(self, scene: Scene) -> list[Command]:
        return []


class Walker(Statue):
    run = Run(start_m=120.0)
    is_on_foot = True


class Fails(Statue):
    def advance(self, scene: Scene, stage: Stage) -> list[Command]:
        raise KeyError("hat")


class Half(Script):
    """Lacks `act`."""

    def cast(self, scene: Scene, stage: Stage) -> list[Command] | None:
        return None


class Nobody:
    pass


class Bare:
    """A road without pavements."""

    def verge(self, route: Route, index: int) -> Verge:
        return VERGE._replace(right_m=None)


def test_names_of_other_packages_stand_behind_ours() -> None:
    text = read_hazards(f"{HERE}:Statue,ParkedObstacle")
    assert text == f"ParkedObstacle,{HERE}:Statue"
    assert hazard_names(text) == ("ParkedObstacle", f"{HERE}:Statue")
    assert read_hazards("all") == ",".join(HAZARDS)
    with pytest.raises(ConfigError, match="hazard given twice"):
        read_hazards([f"{HERE}:Statue"] * 2)
    with pytest.raises(ConfigError, match=r"unknown hazard 'Statue'; known: .*pkg\.module:Class"):
        read_hazards("Statue")


def test_an_entry_point_is_a_hazard_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("statue", f"{HERE}:Statue", GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    assert read_hazards("statue") == "statue"
    assert script_of("statue") is Statue


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Nobody", "expected a class derived from .*Script .*, found Nobody"),
        ("Half", "with its methods cast and act, found Half"),
        ("Missing", "no 'Missing' in .*; classes there: .*Statue"),
    ],
)
def test_what_is_no_hazard_is_said(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"hazard '{HERE}:{name}': .*{message}"):
        check_own([f"{HERE}:{name}"])


def test_the_command_ends_with_2(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    line = ["--policy", "constant", "--hazards", "nowhere:Thing", "--out", str(tmp_path)]
    assert main(line) == 2
    assert "error: hazard 'nowhere:Thing': no module 'nowhere'" in capsys.readouterr().err


def test_it_is_placed_where_it_has_the_room_that_it_asks_for() -> None:
    route = straight(200)
    for seed in range(5):
        (placed,) = place_hazards(route, Pavements(), [f"{HERE}:Walker"], seed, CRUISE_MPS)
        assert placed.kind == f"{HERE}:Walker"
        assert placed.route_m >= 120.0
    assert place_hazards(route, Bare(), [f"{HERE}:Walker"], 0, CRUISE_MPS) == ()
    assert place_hazards(route, Bare(), [f"{HERE}:Statue"], 0, CRUISE_MPS)


def test_its_file_is_part_of_the_identity() -> None:
    assert len(own_digest([f"{HERE}:Statue"])) == 12
    assert own_digest(HAZARDS) == ""


def test_one_that_fails_in_a_drive_is_named() -> None:
    placed = PlacedHazard(f"{HERE}:Fails", 0, 100.0, VERGE)
    course = HazardCourse(straight(), [placed], stage=None)  # type: ignore[arg-type]
    assert course.scripts[0].phase is Phase.AHEAD
    with pytest.raises(ConfigError, match=f"hazard '{HERE}:Fails' failed: KeyError: 'hat'"):
        course.advance(None)  # type: ignore[arg-type]
