"""A first hazard: a person who stands in the middle of the lane until the car has waited.

python first_hazard.py --routes 2 --out runs/first_hazard
"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import run
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.scene import FREE_M, Scene
from scenarios.hazards.script import Command, Patience, Phase, Script
from scenarios.hazards.stage import Stage
from scenarios.hazards.way import Way

NEAR_M = 45.0  # before the bumper: from here on the car is to brake
WAITS_M, WAITS_S = 15.0, 2.0


class StandingPerson(Script):
    """Stands in the lane, and is gone once the car has waited in front for 2 s."""

    def __init__(self, placed: PlacedHazard, way: Way) -> None:
        super().__init__(placed, way)
        self._patience = Patience(WAITS_S)

    def cast(self, scene: Scene, stage: Stage) -> list[Command] | None:
        """Bring the person in; None where the place is taken."""
        pose = self.way.pose(self.route_m)
        person = stage.person(pose, self._rng) if scene.is_free(pose, FREE_M) else None
        if person is None:
            return None
        self.actor_ids = [person.id]
        return []

    def act(self, scene: Scene) -> list[Command]:
        """Stand still, and leave when the car has done its part."""
        gap_m = self.route_m - scene.bumper_m
        if self.phase is Phase.WAITING and gap_m < NEAR_M:
            self.enter(Phase.ACTING, scene)
        waits = scene.speed_mps < 0.5 and gap_m < WAITS_M
        return self.leave() if self._patience.is_over(scene, holds=waits) else []


def main() -> None:
    """Drive among such people, with a driver that sees everything."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--routes", default="2")
    parser.add_argument("--out", default="runs/first_hazard")
    options, further = parser.parse_known_args()  # all other flags are those of harness.run
    mine = f"{Path(__file__).stem}:StandingPerson"
    words = ["--policy", "expert", "--town", "Town02", "--routes", options.routes]
    code = run.main([*words, "--hazards", mine, "--out", options.out, *further])
    raise SystemExit(code)


if __name__ == "__main__":
    main()
