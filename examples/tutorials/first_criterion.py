"""A first criterion: count how often the car begins to brake harshly.

python first_criterion.py --routes 2 --out runs/first_criterion
"""

from __future__ import annotations

import argparse
from pathlib import Path

import results
from fusiondrive.types import WorldState
from harness import run
from harness.criteria import Event, EventKind, Step

LIMIT = 3.5  # m/s^2


class HarshBraking:
    """Reports each time that the car begins to slow down by more than 3.5 m/s^2."""

    def __init__(self) -> None:
        self._before: WorldState | None = None
        self._is_harsh = False

    def update(self, step: Step) -> list[Event]:
        """Compare the speed with that of the step before."""
        before, self._before = self._before, step.state
        if before is None:
            return []
        lost_mps = before.ego.forward_speed_mps - step.state.ego.forward_speed_mps
        deceleration = lost_mps / (step.state.time_s - before.time_s)
        was_harsh, self._is_harsh = self._is_harsh, deceleration > LIMIT
        return [step.event(EventKind.OWN, deceleration)] if self._is_harsh > was_harsh else []


def main() -> None:
    """Drive with the criterion, and print its column."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--routes", default="2")
    parser.add_argument("--out", default="runs/first_criterion")
    options, further = parser.parse_known_args()  # all other flags are those of harness.run
    mine = f"{Path(__file__).stem}:HarshBraking"
    words = ["--policy", "expert", "--town", "Town02", "--routes", options.routes]
    code = run.main([*words, "--criteria", mine, "--out", options.out, *further])
    if code != 0:
        raise SystemExit(code)
    rows = results.load(options.out)
    print(rows[["route_id", "outcome", "own_harsh_braking", "criteria"]].to_string(index=False))


if __name__ == "__main__":
    main()
