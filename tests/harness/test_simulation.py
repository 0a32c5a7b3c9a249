"""What needs no server of a simulation: it starts nothing by itself, and copies are idle."""

import copy
import pickle
from pathlib import Path

from harness.env_config import EnvConfig
from harness.simulation import Simulation


def test_a_route_file_may_be_drawn_after_the_simulation_is_made(tmp_path: Path) -> None:
    with Simulation(EnvConfig(route_file=tmp_path / "later.xml")) as simulation:
        assert simulation.drive is None


def test_a_copy_has_the_settings_and_no_drive() -> None:
    made = Simulation(EnvConfig(town="Town03"))
    made.clock.totals_s["tick"] = 1.0
    for twin in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert twin.config == made.config
        assert twin.drive is None
        assert not twin.clock.totals_s
        twin.close()
        twin.close()
