"""Every kind of hazard, driven by the client alone on the embedded server."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fusiondrive.types import CameraSpec, Control, Observation, WorldState
from harness.env_config import EnvConfig
from harness.rollout import rollout
from harness.scoring import Score
from harness.server import ServerSpec
from harness.simulation import Simulation
from policies.expert import ExpertPolicy
from results.hazards import HazardRecord
from scenarios.hazards.kinds import HAZARDS
from scenarios.spec import EpisodeSpec

Server = Callable[..., tuple[str, int]]
SMALL = CameraSpec(width=100, height=75)
SPEC = EpisodeSpec("Town02", "08", "clear", "rgb", "none", "expert", 0)


class Blind(ExpertPolicy):
    """An expert that sees nobody."""

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Drive as on an empty road."""
        assert state is not None
        return super().act(observation, replace(state, vehicles=(), walkers=()))


@pytest.fixture(scope="module")
def simulation(emptied: Server) -> Iterator[Simulation]:
    host, port = emptied("Town02")
    server = ServerSpec(backend="external", host=host, port=port)
    with Simulation(EnvConfig(server=server, camera=SMALL)) as made:
        yield made


def drive(simulation: Simulation, spec: EpisodeSpec, policy: ExpertPolicy) -> Score:
    with simulation.begin(spec) as begun:
        return rollout(begun, policy)


def only(score: Score) -> HazardRecord:
    assert score.hazards is not None
    (found,) = score.hazards
    assert found.is_met
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", HAZARDS)
def test_the_expert_stops_and_who_does_not_brake_hits(simulation: Simulation, kind: str) -> None:
    spec = replace(SPEC, hazards=kind)
    score = drive(simulation, spec, ExpertPolicy())
    record = only(score)
    assert score.outcome.value == "success"
    assert (record.kind, record.was_hit, record.impact_mps) == (kind, False, None)
    assert record.braked_m is not None
    assert record.min_ttc_s is not None
    assert record.stopping_m is not None
    assert record.transmission == pytest.approx(1.0, abs=0.05)
    hit = only(drive(simulation, spec, Blind()))
    assert hit.was_hit
    assert hit.impact_mps is not None
    assert hit.impact_mps > 2.0


ROUTE_FILE = """<routes><route id="0" town="Town02"><waypoint x="177" y="-2" yaw="180"/>
<waypoint x="60" y="-2" yaw="180"/><scenarios><scenario name="a" type="ParkingCrossingPedestrian">
<trigger_point x="150" y="-2" z="0" yaw="180"/><distance value="40"/></scenario></scenarios></route>
</routes>"""


@pytest.mark.slow
def test_the_hazards_of_a_route_file_are_met(carla_server: Server, tmp_path: Path) -> None:
    file = tmp_path / "r.xml"
    file.write_text(ROUTE_FILE)
    host, port = carla_server("Town02")
    server = ServerSpec(backend="external", host=host, port=port)
    with Simulation(EnvConfig(server=server, camera=SMALL, route_file=file)) as made:
        score = drive(made, replace(SPEC, route_id="0", hazards="route"), ExpertPolicy())
    record = only(score)
    assert (record.kind, record.was_hit) == ("ParkingCrossingPedestrian", False)
    assert record.route_m == pytest.approx(67.0, abs=1.5)
    assert score.outcome.value == "success"


def test_the_same_seed_gives_the_same_hazards_and_leaves_nobody(simulation: Simulation) -> None:
    spec = replace(SPEC, hazards="DynamicObjectCrossing")
    first = drive(simulation, spec, ExpertPolicy())
    assert drive(simulation, spec, ExpertPolicy()).hazards == first.hazards
    simulation.end_drive()
    actors = simulation.session.world.get_actors()
    assert not list(actors.filter("vehicle.*"))
    assert not list(actors.filter("walker.*"))
