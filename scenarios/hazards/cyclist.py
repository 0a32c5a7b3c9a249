"""A slow cyclist in the right part of the lane, who turns off once the ego has followed."""

from __future__ import annotations

from fusiondrive.types import ActorState
from scenarios.hazards.motion import drive_along, park
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.scene import FREE_M, Scene
from scenarios.hazards.script import Command, Patience, Phase, Script
from scenarios.hazards.stage import Stage
from scenarios.hazards.way import Way

RIDE_MPS = 3.0
FROM_CENTRE_M = 0.7  # to the right of the lane's middle: there is no way past within the lane
STARTS_BEFORE_M = 12.0
SETS_OFF_M = 45.0  # before the ego's bumper
FOLLOWED_S = 3.0
FOLLOWING_MPS = 4.5
FOLLOWING_M = 14.0
RIDES_ON_M = 25.0  # beyond the place, at the latest
OFF_ROAD_M = 1.1  # beyond the lane's edge
STANDS_M = 0.7  # the same, from which on the cyclist stays


class SlowCyclist(Script):
    """Rides ahead at 11 km/h."""

    def __init__(self, placed: PlacedHazard, way: Way) -> None:
        super().__init__(placed, way)
        self._patience = Patience(FOLLOWED_S)
        self._near_m = self.begin_m

    @property
    def begin_m(self) -> float:
        """Where along the route the cyclist waits for the ego."""
        return self.route_m - STARTS_BEFORE_M

    def cast(self, scene: Scene, stage: Stage) -> list[Command] | None:
        """The cyclist stands in the lane, ready to go."""
        pose = self.way.pose(self.begin_m, FROM_CENTRE_M)
        cyclist = stage.bicycle(pose, self._rng) if scene.is_free(pose, FREE_M) else None
        if cyclist is None:
            return None
        self.actor_ids = [cyclist.id]
        return [park(cyclist.id)]

    def act(self, scene: Scene) -> list[Command]:
        """Set off when the ego is near, ride, turn off to the right, stand there."""
        cyclist = scene.by_id.get(self.main_id)
        if cyclist is None:
            return []
        place = scene.place_of(cyclist, self._near_m)
        self._near_m = place.along_m
        gap_m = place.along_m - cyclist.box_extent[0] - scene.bumper_m
        if self.phase is Phase.WAITING and gap_m < SETS_OFF_M:
            self.enter(Phase.ACTING, scene)
        if self.phase is Phase.ACTING:
            return [self._ride(scene, cyclist, gap_m)]
        if self.phase is Phase.LEAVING:
            return [self._turn_off(scene, cyclist, place.right_m)]
        return []

    def _ride(self, scene: Scene, cyclist: ActorState, gap_m: float) -> Command:
        follows = scene.speed_mps < FOLLOWING_MPS and gap_m < FOLLOWING_M
        is_over = self._patience.is_over(scene, holds=follows)
        if is_over or self._near_m > self.route_m + RIDES_ON_M:
            self.enter(Phase.LEAVING, scene)
        return drive_along(scene, cyclist, self._near_m, speed_mps=RIDE_MPS, right_m=FROM_CENTRE_M)

    def _turn_off(self, scene: Scene, cyclist: ActorState, right_m: float) -> Command:
        edge_m = self.placed.verge.edge_m
        if right_m > edge_m + STANDS_M:
            return park(cyclist.actor_id)
        aside_m = edge_m + OFF_ROAD_M
        return drive_along(scene, cyclist, self._near_m, speed_mps=RIDE_MPS, right_m=aside_m)
