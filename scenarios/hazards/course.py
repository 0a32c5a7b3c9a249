"""The hazards of one episode: their scripts, and the actors that they brought into the world."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import carla

from fusiondrive.types import Closing, Route, WorldState
from scenarios.hazards.cars import BrakingCar, BrokenDownCar
from scenarios.hazards.cyclist import SlowCyclist
from scenarios.hazards.pedestrians import CrossingPerson, HiddenPerson
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.scene import Scene
from scenarios.hazards.script import Phase, Script
from scenarios.hazards.stage import Stage
from scenarios.hazards.way import Way

logger = logging.getLogger(__name__)

SCRIPTS: dict[str, type[Script]] = {
    "DynamicObjectCrossing": CrossingPerson,
    "ParkingCrossingPedestrian": HiddenPerson,
    "ParkedObstacle": BrokenDownCar,
    "HazardAtSideLane": SlowCyclist,
    "HardBreakRoute": BrakingCar,
}


class HazardCourse(Closing):
    """Plays the hazards of a route while it is driven; call `advance` once before each tick."""

    def __init__(self, route: Route, placed: Sequence[PlacedHazard], stage: Stage) -> None:
        self.way = Way(route)
        self.scripts = tuple(SCRIPTS[item.kind](item, self.way) for item in placed)
        self._stage = stage

    def advance(self, state: WorldState) -> None:
        """Send what the scripts order for the next tick, unanswered as the ego's own control is.

        Args:
            state: of the last frame, with the progress along the route.
        """
        leaving = [item.actor_ids for item in self.scripts if item.phase is Phase.LEAVING]
        scene = Scene(state, self.way, frozenset(actor_id for ids in leaving for actor_id in ids))
        commands = []
        for script in self.scripts:
            if script.phase is not Phase.GONE:
                commands += script.advance(scene, self._stage)
        if commands:
            self._stage.client.apply_batch(commands)

    def close(self) -> None:
        """Remove what is still in the world; may be called twice."""
        commands: list[carla.command] = []
        for script in self.scripts:
            commands += script.leave()
        if commands:
            self._stage.client.apply_batch_sync(commands, False)
