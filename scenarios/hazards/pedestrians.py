"""People who cross: from the pavement, or from behind a parked van.

They walk off so that a car that keeps its speed strikes them at three quarters of its width, seen
from the side from which they come (as Euro NCAP's CPNA-75). Their pace is such that they are in
view when the car is a tenth and 2 m farther away than its stopping distance.
"""

from __future__ import annotations

import carla

from fusiondrive.types import ActorState, Pose
from scenarios.hazards.kinds import stopping_m
from scenarios.hazards.motion import park
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.scene import Scene
from scenarios.hazards.script import Command, Phase, Script
from scenarios.hazards.stage import Stage
from scenarios.hazards.way import Way

PACE_MPS = (0.8, 1.5)
STRUCK_SHARE = 0.25  # of the car's width, beyond its middle
VIEW_FACTOR, VIEW_M = 1.1, 2.0  # times the stopping distance, plus metres
SLOWEST_MPS = 2.0  # a slower car is taken to come at this speed
NEIGHBOUR_M = 7.0  # other cars this near have to pass first
GIVE_UP_S = 3.0  # beyond the time that the way across takes
FAR_SIDE_M = 5.5  # where the map has no pavement opposite
BESIDE_EDGE_M = 1.5  # the same on the side from which they come
CLOSE_M = 3.0  # a standing car this near is not walked in front of

VAN_EDGE_M = 0.75  # the van's middle, to the right of the lane's edge
VAN_LEAST_M = 2.6  # from the middle of the ego's lane: the van's side stays out of its way
VAN_HALF_LENGTH_M = 2.9
VAN_HALF_WIDTH_M = 1.05
BEFORE_VAN_M = 1.1  # from the van's front to the person
BODY_M = 0.3


class CrossingPerson(Script):
    """A person who waits on the pavement and crosses when the car comes."""

    def __init__(self, placed: PlacedHazard, way: Way) -> None:
        super().__init__(placed, way)
        verge = placed.verge
        right_m = verge.right_m if verge.right_m is not None else verge.edge_m + BESIDE_EDGE_M
        left_m = verge.left_m if verge.left_m is not None else -verge.edge_m - FAR_SIDE_M
        self._from_m, self._to_m = (left_m, right_m) if placed.from_left else (right_m, left_m)
        self._pace_mps = PACE_MPS[1]

    def cast(self, scene: Scene, stage: Stage) -> list[Command] | None:
        """The person stands where the way across begins."""
        person = stage.person(self._facing(self._from_m), self._rng)
        if person is None:
            return None
        self.actor_ids = [person.id]
        return []

    def act(self, scene: Scene) -> list[Command]:
        """Wait for the car, walk across, stay on the other side."""
        person = scene.by_id.get(self.main_id)
        if person is None:
            return []
        if self.phase is Phase.WAITING and self._is_time(scene):
            self.enter(Phase.ACTING, scene)
            return [self._walk(self._pace_mps)]
        if self.phase is Phase.ACTING:
            return self._arrive(scene, person)
        return []

    def _sight_m(self, scene: Scene) -> float:
        """Across the road, from where the person comes into view to where the car strikes."""
        return abs(self._from_m - self._strike_m(scene))

    def _strike_m(self, scene: Scene) -> float:
        side = -1.0 if self._from_m > 0 else 1.0
        return side * STRUCK_SHARE * 2.0 * scene.state.ego.box_extent[1]

    def _is_time(self, scene: Scene) -> bool:
        """Whether walking off now ends before the car, if it keeps its speed."""
        gap_m = self.route_m - scene.bumper_m
        speed_mps = max(scene.speed_mps, SLOWEST_MPS)
        if gap_m < CLOSE_M or not self._is_clear(scene):
            return False
        needed_s = (VIEW_FACTOR * stopping_m(speed_mps) + VIEW_M) / speed_mps
        low, high = PACE_MPS
        self._pace_mps = min(max(self._sight_m(scene) / needed_s, low), high)
        walk_m = abs(self._from_m - self._strike_m(scene))
        return gap_m / speed_mps <= walk_m / self._pace_mps

    def _is_clear(self, scene: Scene) -> bool:
        """Whether no other moving car is about to pass."""
        place = self.way.pose(self.route_m)
        return not any(
            (car.pose.x - place.x) ** 2 + (car.pose.y - place.y) ** 2 < NEIGHBOUR_M**2
            for car in scene.state.vehicles
            if car.actor_id not in self.actor_ids
        )

    def _arrive(self, scene: Scene, person: ActorState) -> list[Command]:
        right_m = scene.place_of(person, self.route_m).right_m
        is_across = right_m <= self._to_m if self._to_m < self._from_m else right_m >= self._to_m
        if is_across:
            self.enter(Phase.LEAVING, scene)
            return [self._walk(0.0)]
        takes_s = abs(self._from_m - self._to_m) / self._pace_mps
        return self.leave() if self.for_s(scene) > takes_s + GIVE_UP_S else []

    def _facing(self, right_m: float) -> Pose:
        """A place beside the route, looking across it."""
        pose = self.way.pose(self.route_m, right_m)
        turn = -90.0 if self._to_m < self._from_m else 90.0
        return Pose(pose.x, pose.y, pose.z, yaw=pose.yaw + turn)

    def _walk(self, speed_mps: float) -> Command:
        start = self.way.pose(self.route_m, self._from_m)
        goal = self.way.pose(self.route_m, self._to_m)
        length = max(abs(self._to_m - self._from_m), 1e-6)
        heading = carla.Vector3D((goal.x - start.x) / length, (goal.y - start.y) / length, 0.0)
        control = carla.WalkerControl(heading, speed_mps, False)
        return carla.command.ApplyWalkerControl(self.main_id, control)


class HiddenPerson(CrossingPerson):
    """A person who stands before a parked van until the car comes."""

    def __init__(self, placed: PlacedHazard, way: Way) -> None:
        super().__init__(placed, way)
        self._van_m = max(placed.verge.edge_m + VAN_EDGE_M, VAN_LEAST_M)
        self._from_m = self._van_m

    def cast(self, scene: Scene, stage: Stage) -> list[Command] | None:
        """The van stands at the kerb, the person beyond it."""
        if super().cast(scene, stage) is None:
            return None
        van_m = self.route_m - BEFORE_VAN_M - VAN_HALF_LENGTH_M
        pose = self.way.pose(van_m, self._van_m)
        if not scene.is_free(pose, 0.5 * NEIGHBOUR_M):
            return None
        van = stage.car(pose, self._rng, is_van=True, is_lit=False)
        if van is None:
            return None
        self.actor_ids.append(van.id)
        return [park(van.id)]

    def _sight_m(self, scene: Scene) -> float:
        hidden_until_m = self._van_m - VAN_HALF_WIDTH_M + BODY_M
        return abs(hidden_until_m - self._strike_m(scene))
