"""What every hazard's script shares: its phases, when its actors come and go, and patience."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import Any

import carla
import numpy as np

from scenarios.hazards.own import Run
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.scene import Scene
from scenarios.hazards.stage import Stage
from scenarios.hazards.way import Way

APPEAR_M = 70.0  # before the bumper: a car is then less than 5 pixels high
TOO_LATE_M = 30.0  # where its place is still taken, the hazard is left out
SHIFTS_M = (0.0, 2.0, -2.0, 4.0, -4.0, 6.0, -6.0)  # tried in turn where a tree or lamp stands
PASSED_M = 30.0  # behind the ego
STUCK_MPS, STUCK_S = 0.1, 45.0  # an ego that stands so long waits for others that wait as well

CLOCK_DIGITS = 3  # the server's clock carries the float noise of its whole life

Command = Any  # of carla.command


class Phase(str, Enum):
    """How far a hazard is."""

    AHEAD = "ahead"  # its actors are not there yet
    WAITING = "waiting"  # they are there
    ACTING = "acting"  # it does what it is a hazard by
    LEAVING = "leaving"  # the ego has done its part
    GONE = "gone"


class Script(ABC):
    """Plays one hazard; `advance` once before each tick says what the client has to send.

    Only `cast` and `act` have to be written. A class of another package says beside them where it
    has room.
    """

    appear_m = APPEAR_M
    run: Run = Run()  # of straight road; `placement.RUNS` has those of ours
    is_on_foot: bool = False  # whether it needs a pavement; `placement.ON_FOOT` names ours

    def __init__(self, placed: PlacedHazard, way: Way) -> None:
        self.placed = placed
        self.way = way
        self.route_m = placed.route_m  # shifted where its place is taken
        self.phase = Phase.AHEAD
        self.actor_ids: list[int] = []  # the first is the one to brake for
        self.main_id = 0
        self._rng = np.random.default_rng(placed.key)
        self._since_s = 0.0
        self._tries = 0
        self._stuck = Patience(STUCK_S)

    @property
    def begin_m(self) -> float:
        """Where along the route its first actor appears."""
        return self.route_m

    def advance(self, scene: Scene, stage: Stage) -> list[Command]:
        """Play one step."""
        if self.phase is Phase.GONE:
            return []
        if self.phase is Phase.AHEAD:
            return self._appear(scene, stage)
        is_past = scene.ego_m > self.route_m + PASSED_M and self._is_behind(scene)
        stands = self.phase is Phase.WAITING and scene.speed_mps < STUCK_MPS
        if is_past or self._stuck.is_over(scene, holds=stands):
            return self.leave()
        return self.act(scene)

    def leave(self) -> list[Command]:
        """Take its actors out of the world."""
        ids, self.actor_ids = self.actor_ids, []
        self.phase = Phase.GONE
        return [carla.command.DestroyActor(actor_id) for actor_id in ids]

    @abstractmethod
    def cast(self, scene: Scene, stage: Stage) -> list[Command] | None:
        """Bring the actors in and name them in `actor_ids`; None: a place is taken."""

    @abstractmethod
    def act(self, scene: Scene) -> list[Command]:
        """What its actors do in this step."""

    def _appear(self, scene: Scene, stage: Stage) -> list[Command]:
        ahead_m = self.begin_m - scene.bumper_m
        if ahead_m > self.appear_m:
            return []
        if ahead_m < min(TOO_LATE_M, 0.5 * self.appear_m):
            return self.leave()
        if not scene.is_first(self.begin_m):
            return []  # who comes first would meet it in the ego's place
        self.route_m = self.placed.route_m + SHIFTS_M[self._tries % len(SHIFTS_M)]
        self._tries += 1
        commands = self.cast(scene, stage)
        if commands is None:
            return self._undo()
        self.main_id = self.actor_ids[0]
        self.enter(Phase.WAITING, scene)
        return commands

    def _undo(self) -> list[Command]:
        """Nothing of it is left where only some of its actors found a place."""
        ids, self.actor_ids = self.actor_ids, []
        return [carla.command.DestroyActor(actor_id) for actor_id in ids]

    def _is_behind(self, scene: Scene) -> bool:
        found = scene.by_id.get(self.main_id)
        if found is None:
            return True
        return scene.place_of(found, scene.ego_m).along_m < scene.ego_m - 0.5 * PASSED_M

    def enter(self, phase: Phase, scene: Scene) -> None:
        """Go on to a phase."""
        self.phase = phase
        self._since_s = scene.state.time_s

    def for_s(self, scene: Scene) -> float:
        """Simulated seconds in the present phase."""
        return round(scene.state.time_s - self._since_s, CLOCK_DIGITS)


class Patience:
    """Tells when the ego has done its part long enough."""

    def __init__(self, needed_s: float) -> None:
        self._needed_s = needed_s
        self._began_s: float | None = None

    def is_over(self, scene: Scene, *, holds: bool) -> bool:
        """Whether something has held without a break for as long as needed."""
        if not holds:
            self._began_s = None
            return False
        if self._began_s is None:
            self._began_s = scene.state.time_s
        return round(scene.state.time_s - self._began_s, CLOCK_DIGITS) >= self._needed_s
