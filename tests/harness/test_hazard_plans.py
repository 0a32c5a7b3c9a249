"""Episodes with hazards as they are planned, before a server drives."""

from dataclasses import replace
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from harness import planning
from harness.checks import check_route_hazards, with_route_hazards
from harness.config import RunConfig
from harness.messages import TownFacts
from harness.models import ModelFacts
from harness.planning import PlannedEpisode
from harness.route_facts import RouteFacts, about_routes
from scenarios.hazards.kinds import HAZARDS
from scenarios.route_files import read_route_xml

LONG = RouteFacts("00", "digest", 300.0)
FILE = """<routes><route id="0" town="Town02">
<waypoint x="177" y="-2" yaw="-180"/><waypoint x="40" y="-2" yaw="-180"/><scenarios>
<scenario name="a" type="TYPE"><trigger_point x="150" y="-2" z="0" yaw="180"/></scenario>
</scenarios></route></routes>"""


def plan(route: RouteFacts = LONG, **settings: object) -> PlannedEpisode:
    config = RunConfig.model_validate({"town": "Town02", "routes": 1, **settings})
    facts = TownFacts("Town02", "authored:x", "embedded", 1, "0.9.16", (route,))
    (found,) = planning.plan(config, ModelFacts("beef"), facts)
    return found


def test_hazards_and_speed_are_part_of_the_identity_and_none_are_as_before() -> None:
    plain = plan()
    assert plan(hazards="none").digest == plain.digest
    found = plan(hazards="all", speed_kmh=50)
    assert found.spec.hazards == found.identity.hazards == ",".join(HAZARDS)
    assert found.spec.speed_kmh == 50
    digests = {plain.digest, found.digest, plan(hazards="all").digest}
    digests |= {
        plan(speed_kmh=50).digest,
        plan(hazards="ParkedObstacle").digest,
    }
    assert len(digests) == 5
    listed = plan(hazards=["HardBreakRoute", "ParkedObstacle"])
    assert listed.identity.hazards == "ParkedObstacle,HardBreakRoute"


def test_a_route_that_is_too_short_ends_the_run_before_a_drive() -> None:
    short = replace(LONG, length_m=60.0)
    with pytest.raises(ConfigError, match="route '00' is 60 m long, too short for hazards at 35"):
        plan(short, hazards="all")
    assert plan(short).spec.hazards == ""


def test_a_files_own_hazards_are_driven_unless_others_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "r.xml"
    path.write_text(FILE.replace("TYPE", "ParkedObstacle"))
    config = RunConfig(town=("Town02",), route_file=path)
    assert with_route_hazards(config).hazards == "route"
    asked = RunConfig(town=("Town02",), route_file=path, hazards="none")
    assert with_route_hazards(asked) is asked
    (spec,) = read_route_xml(path)
    given = replace(LONG, hazards_digest="12ab")
    assert (
        "1 of 1 routes give hazards; they are driven"
        in about_routes([given], with_route_hazards(config))[0]
    )
    assert "--hazards route drives them" in about_routes([given], asked)[0]
    found = plan(given, hazards="route", route_file=path)
    assert (found.identity.hazards, found.identity.hazards_digest) == ("route", "12ab")
    assert len(spec.hazards) == 1


def test_a_file_without_hazards_that_are_served_cannot_give_any(tmp_path: Path) -> None:
    path = tmp_path / "r.xml"
    path.write_text(FILE.replace("TYPE", "PriorityAtJunction"))
    config = RunConfig(town=("Town02",), route_file=path, hazards="route")
    with pytest.raises(ConfigError, match="no route in it gives a hazard that is served"):
        check_route_hazards(config, read_route_xml(path))
