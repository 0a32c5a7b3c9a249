"""The oncoming car of `night:glare`: it follows a script, so that every arm meets the same car.

In the lane for the other direction it drives towards the ego with its low beams on. Once it has
passed, it comes again from ahead; near junctions and where no lane comes the other way there is
none. No Traffic Manager has a part in it: the client places the car before every tick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import carla
import numpy as np

from fusiondrive.carla_types import pose_of
from fusiondrive.geometry import to_heading
from fusiondrive.types import Closing, Pose

BLUEPRINTS = ("vehicle.audi.tt", "vehicle.tesla.model3", "vehicle.lincoln.mkz_2017")
ROLE_NAME = "oncoming"
START_M = (50.0, 70.0)  # ahead of the ego where it appears, drawn for each time
LEAST_START_M = 20.0  # on a shorter stretch before a junction no car appears
SPEED_MPS = 8.0
PASSED_M = 5.0  # ahead of the ego's middle: a camera of 100 degrees no longer sees the other lane
IN_VIEW_DEG = 35.0  # to either side of the ego's heading where it appears
STRIDE_M = 5.0  # of the search along the lane
GAP_M = 8.0  # that it keeps to whatever is in its way
HALF_LANE_M = 1.6
_LANES = 6  # across which to look for the other direction
_LIFT_M = 0.5  # at its spawn, so that no wheel starts in the ground
_SALT = 0x61A2E


@dataclass(frozen=True)
class _Spot:
    x: float
    y: float
    yaw_deg: float


class OncomingCar(Closing):
    """Owns the car; `advance` before every tick."""

    def __init__(
        self,
        world: carla.World,
        road: carla.Map,
        ego: carla.Actor,
        seed: int,
        step_s: float,
        *,
        is_shown: bool = True,
    ) -> None:
        """The car appears with the first `advance` that finds a place for it.

        Args:
            world: with the ego in it.
            road: the map of that world.
            ego: whom it comes towards.
            seed: of the distances at which it appears.
            step_s: simulated time of a tick.
            is_shown: False only tells where it would be, and brings no car into the world.
        """
        self._is_shown = is_shown
        self._world, self._road, self._ego = world, road, ego
        self._rng = np.random.default_rng((seed, _SALT))
        self._start_m = float(self._rng.uniform(*START_M))
        self._step_m = SPEED_MPS * step_s
        self._car: carla.Vehicle | None = None
        self._place: carla.Waypoint | None = None
        self._others: list[int] = []  # that it may have to wait for

    @property
    def pose(self) -> Pose | None:
        """Where the car is in the next tick; None while there is none."""
        return None if self._place is None else pose_of(self._place.transform)

    def advance(self) -> None:
        """Place the car for the next tick."""
        snapshot = self._world.get_snapshot()
        seen = snapshot.find(self._ego.id)
        if seen is None:
            return
        ego = _spot_of(seen.get_transform())
        if self._place is not None:
            self._drive_on(ego, snapshot)
        if self._place is None:
            self._appear(ego)

    def close(self) -> None:
        """Remove the car; may be called twice."""
        car, self._car, self._place = self._car, None, None
        if car is not None:
            car.destroy()

    def look_around(self) -> None:
        """Learn who is there; done each time that the car appears."""
        actors = self._world.get_actors()
        own = None if self._car is None else self._car.id
        found = [a.id for a in actors if a.type_id.startswith(("vehicle.", "walker."))]
        self._others = [actor_id for actor_id in found if actor_id != own]

    def _drive_on(self, ego: _Spot, snapshot: carla.WorldSnapshot) -> None:
        assert self._place is not None  # the caller has just checked it
        here = _spot_of(self._place.transform)
        ahead_m, aside_m = to_heading(here.x - ego.x, here.y - ego.y, ego.yaw_deg)
        if ahead_m < PASSED_M or math.hypot(ahead_m, aside_m) > START_M[1] + STRIDE_M:
            self._place = None  # the next one comes at another distance
            self._start_m = float(self._rng.uniform(*START_M))
            return
        if self._is_blocked(here, snapshot):
            return
        onward = self._place.next(self._step_m)
        if not onward or onward[0].is_junction:
            self.close()
            return
        self._place = onward[0]
        self._show()

    def _is_blocked(self, here: _Spot, snapshot: carla.WorldSnapshot) -> bool:
        """Whether a vehicle or walker stands right before the car."""
        for actor_id in self._others:
            seen = snapshot.find(actor_id)
            if seen is None:
                continue
            spot = _spot_of(seen.get_transform())
            ahead_m, aside_m = to_heading(spot.x - here.x, spot.y - here.y, here.yaw_deg)
            if 0.0 < ahead_m < GAP_M and abs(aside_m) < HALF_LANE_M:
                return True
        return False

    def _appear(self, ego: _Spot) -> None:
        place = self._find_place(ego)
        if place is None:
            self.close()
            return
        self.look_around()
        if self._is_shown and self._car is None:
            self._car = self._spawn(place)
        if self._car is not None or not self._is_shown:
            self._place = place
            self._show()

    def _find_place(self, ego: _Spot) -> carla.Waypoint | None:
        """A place in the lane of the other direction ahead, as far as the road allows."""
        lane = self._road.get_waypoint(carla.Location(ego.x, ego.y, self._ego.get_location().z))
        if lane is None or lane.is_junction:
            return None
        way_m, found = 0.0, None
        while way_m + STRIDE_M <= self._start_m:
            onward = lane.next(STRIDE_M)
            if not onward or onward[0].is_junction:
                break
            lane, way_m = onward[0], way_m + STRIDE_M
            other = _other_direction(lane)
            if way_m >= LEAST_START_M and other is not None and _is_in_view(other, ego):
                found = other
        return found

    def _spawn(self, place: carla.Waypoint) -> carla.Vehicle | None:
        """The car, its lamps on; None where something stands at its place."""
        library = self._world.get_blueprint_library()
        blueprint = next(
            (found[0] for name in BLUEPRINTS if (found := list(library.filter(name)))),
            library.filter("vehicle.*")[0],
        )
        blueprint.set_attribute("role_name", ROLE_NAME)
        where = place.transform
        where.location.z += _LIFT_M
        car = self._world.try_spawn_actor(blueprint, where)
        if car is None:
            return None
        assert isinstance(car, carla.Vehicle)  # its blueprint is a vehicle's
        car.set_simulate_physics(False)
        lamps = carla.VehicleLightState.Position | carla.VehicleLightState.LowBeam
        car.set_light_state(carla.VehicleLightState(lamps))
        return car

    def _show(self) -> None:
        assert self._place is not None  # callers have found it
        if self._car is not None:
            self._car.set_transform(self._place.transform)


def _spot_of(transform: carla.Transform) -> _Spot:
    return _Spot(transform.location.x, transform.location.y, transform.rotation.yaw)


def _other_direction(lane: carla.Waypoint) -> carla.Waypoint | None:
    """The nearest driving lane to the left that leads the other way; None where there is none."""
    beside = lane
    for _ in range(_LANES):
        # The left of a lane that leads the other way is the centre of the road again.
        is_across = beside.lane_id * lane.lane_id < 0
        beside = beside.get_right_lane() if is_across else beside.get_left_lane()
        if beside is None or beside.is_junction:
            return None
        is_driven = beside.lane_type == carla.LaneType.Driving
        if is_driven and beside.lane_id * lane.lane_id < 0:
            return beside
    return None


def _is_in_view(place: carla.Waypoint, ego: _Spot) -> bool:
    at = place.transform.location
    ahead_m, aside_m = to_heading(at.x - ego.x, at.y - ego.y, ego.yaw_deg)
    return abs(math.degrees(math.atan2(aside_m, ahead_m))) <= IN_VIEW_DEG
