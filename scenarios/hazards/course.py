"""The hazards of one episode: their scripts, and the actors that they brought into the world."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Sequence

import carla

from fusiondrive.errors import ConfigError
from fusiondrive.types import Closing, Route, WorldState
from scenarios.hazards.cars import BrakingCar, BrokenDownCar
from scenarios.hazards.cyclist import SlowCyclist
from scenarios.hazards.own import class_of
from scenarios.hazards.pedestrians import CrossingPerson, HiddenPerson
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.scene import Scene
from scenarios.hazards.script import Command, Phase, Script
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


def check_own(names: Iterable[str]) -> None:
    """Refuse what stands behind another package's name and is no hazard.

    Raises:
        ConfigError: it cannot be imported, or is no `Script`.
    """
    for name in names:
        if name not in SCRIPTS:
            script_of(name)


def script_of(kind: str) -> type[Script]:
    """The class that plays a kind of hazard.

    Raises:
        ConfigError: another package's cannot be imported, or is no `Script`.
    """
    if kind in SCRIPTS:
        return SCRIPTS[kind]
    found = class_of(kind)
    if not (isinstance(found, type) and issubclass(found, Script)) or inspect.isabstract(found):
        name = getattr(found, "__name__", type(found).__name__)
        raise ConfigError(
            f"hazard '{kind}': expected a class derived from scenarios.hazards.script.Script with "
            f"its methods cast and act, found {name}"
        )
    return found


class HazardCourse(Closing):
    """Plays the hazards of a route while it is driven; call `advance` once before each tick."""

    def __init__(self, route: Route, placed: Sequence[PlacedHazard], stage: Stage) -> None:
        self.way = Way(route)
        self.scripts = tuple(script_of(item.kind)(item, self.way) for item in placed)
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
                commands += self._ordered_by(script, scene)
        if commands:
            self._stage.client.apply_batch(commands)

    def _ordered_by(self, script: Script, scene: Scene) -> list[Command]:
        """What a script orders.

        Raises:
            ConfigError: another package's fails.
        """
        try:
            return script.advance(scene, self._stage)
        except RuntimeError:  # of the client: the simulator's fault
            raise
        except Exception as err:  # foreign code may fail in any way
            kind = script.placed.kind
            if kind in SCRIPTS:
                raise
            raise ConfigError(f"hazard '{kind}' failed: {type(err).__name__}: {err}") from err

    def close(self) -> None:
        """Remove what is still in the world; may be called twice."""
        commands: list[carla.command] = []
        for script in self.scripts:
            commands += script.leave()
        if commands:
            self._stage.client.apply_batch_sync(commands, False)
