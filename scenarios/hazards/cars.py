"""Cars in the ego's lane: one that has broken down, and one that brakes hard.

Both stand until the ego has stood behind them for 3 s, then drive off along the route and vanish
40 m ahead of it: whoever stops in time can go on.
"""

from __future__ import annotations

import math

import carla

from fusiondrive.types import ActorState
from scenarios.hazards.motion import drive_along, hold, park
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.scene import FREE_M, Scene
from scenarios.hazards.script import Command, Patience, Phase, Script
from scenarios.hazards.stage import Stage
from scenarios.hazards.way import Way

STOOD_S = 3.0
STANDING_MPS = 0.5
NEAR_M = 45.0  # before the bumper: from here on the ego is to brake
BEHIND_M = 15.0  # a car that stands farther back is not waiting for this one
LEAVING_MPS = 15.0  # faster than the ego, so that the road is free again for the next hazard
LEFT_AHEAD_M = 40.0
LEAVE_LIMIT_S = 9.0
HALF_LENGTH_M = 2.4

LEAD_RUN_M = 45.0  # that the lead drives before it brakes
LEAD_APPEARS_M = 38.0  # ahead of the bumper
LEAD_GAP_S, LEAD_GAP_M = 1.0, 4.0  # to the car behind: one second, plus metres
LEAD_GAIN = 0.5  # 1/s, metres of gap to speed
LEAD_SHARE = (0.4, 1.3)  # of the ego's speed, while the gap is not yet as it should be


class Standing(Script):
    """Stands in the lane until the ego has waited behind it, then drives off."""

    def __init__(self, placed: PlacedHazard, way: Way) -> None:
        super().__init__(placed, way)
        self._patience = Patience(STOOD_S)

    def wait_for(self, scene: Scene, car: ActorState) -> list[Command]:
        """Stay until the ego has stood behind it for a while."""
        rear_m = self.rear_m(scene, car)
        waits = scene.speed_mps < STANDING_MPS and rear_m - scene.bumper_m < BEHIND_M
        if not self._patience.is_over(scene, holds=waits):
            return []
        self.enter(Phase.LEAVING, scene)
        return self.drive_off(scene, car)

    def drive_off(self, scene: Scene, car: ActorState) -> list[Command]:
        """Go on along the route; vanish where that is out of the ego's way."""
        along_m = scene.place_of(car, self._near_m).along_m
        self._near_m = along_m
        ahead = self.way.pose(along_m + 0.5 * FREE_M + HALF_LENGTH_M)
        is_free = scene.is_free(ahead, 0.5 * FREE_M, but=(self.main_id,))
        is_far = along_m - scene.bumper_m > LEFT_AHEAD_M
        if is_far or not is_free or self.for_s(scene) > LEAVE_LIMIT_S:
            return self.leave()
        return [drive_along(scene, car, along_m, speed_mps=LEAVING_MPS)]

    def rear_m(self, scene: Scene, car: ActorState) -> float:
        """The rear bumper along the route."""
        self._near_m = scene.place_of(car, self._near_m).along_m
        return self._near_m + car.box_center[0] - car.box_extent[0]

    _near_m = 0.0


class BrokenDownCar(Standing):
    """A car without lights that stands in the middle of the lane."""

    def cast(self, scene: Scene, stage: Stage) -> list[Command] | None:
        """It stands with its rear where the ego meets it."""
        self._near_m = self.route_m + HALF_LENGTH_M
        pose = self.way.pose(self._near_m)
        car = stage.car(pose, self._rng, is_lit=False) if scene.is_free(pose, FREE_M) else None
        if car is None:
            return None
        self.actor_ids = [car.id]
        return [park(car.id)]

    def act(self, scene: Scene) -> list[Command]:
        """Stand, then drive off."""
        car = scene.by_id.get(self.main_id)
        if car is None:
            return []
        if self.phase is Phase.LEAVING:
            return self.drive_off(scene, car)
        if self.phase is Phase.WAITING and self.rear_m(scene, car) - scene.bumper_m < NEAR_M:
            self.enter(Phase.ACTING, scene)
        return self.wait_for(scene, car)


class BrakingCar(Standing):
    """A car that drives ahead of the ego, one second away, and brakes to a standstill."""

    appear_m = LEAD_APPEARS_M

    @property
    def begin_m(self) -> float:
        """Where along the route it appears, already driving."""
        return self.route_m - LEAD_RUN_M

    def cast(self, scene: Scene, stage: Stage) -> list[Command] | None:
        """It appears at the share of the ego's speed at which it lets the ego close up."""
        self._near_m = self.begin_m + HALF_LENGTH_M
        pose = self.way.pose(self._near_m)
        car = stage.car(pose, self._rng) if scene.is_free(pose, FREE_M) else None
        if car is None:
            return None
        self.actor_ids = [car.id]
        speed_mps, yaw = self._speed(scene, LEAD_APPEARS_M), math.radians(pose.yaw)
        velocity = carla.Vector3D(speed_mps * math.cos(yaw), speed_mps * math.sin(yaw), 0.0)
        return [carla.command.ApplyTargetVelocity(car.id, velocity)]

    def act(self, scene: Scene) -> list[Command]:
        """Lead, brake, stand, drive off."""
        car = scene.by_id.get(self.main_id)
        if car is None:
            return []
        if self.phase is Phase.LEAVING:
            return self.drive_off(scene, car)
        rear_m = self.rear_m(scene, car)
        if self.phase is Phase.ACTING:
            return self.wait_for(scene, car)
        gap_m = rear_m - scene.bumper_m
        if rear_m >= self.route_m:
            self.enter(Phase.ACTING, scene)
            return [hold(car.actor_id)]
        speed_mps = self._speed(scene, gap_m)
        return [drive_along(scene, car, self._near_m, speed_mps=speed_mps)]

    def _speed(self, scene: Scene, gap_m: float) -> float:
        own_mps = max(scene.speed_mps, 0.0)
        wanted_m = LEAD_GAP_S * own_mps + LEAD_GAP_M
        low, high = LEAD_SHARE
        speed_mps = own_mps + LEAD_GAIN * (wanted_m - gap_m)
        return min(max(speed_mps, low * own_mps), high * own_mps + 1.0)
