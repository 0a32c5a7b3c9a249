"""What stands or moves in the strip of road that the ego is about to drive over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from fusiondrive.types import ActorState, LightState, Route, StopLine

FloatArray = NDArray[np.float64]

SIDE_MARGIN_M = 0.35  # beside the ego's body, towards vehicles
JUNCTION_MARGIN_M = 1.15  # where both may turn: the front corner swings out of the strip
WALKER_MARGIN_M = 0.6
WALKER_HORIZON_S = 2.5
CROSSING_HORIZON_S = 4.0
CROSSING_TIME_GAP_S = 1.3  # between the two, before and after
EGO_LENGTH_M = 4.8  # how long the ego is in the way of others
ENTRY_PASSED_M = 1.5  # this far into a junction the ego clears it instead of waiting before it
ARRIVAL_SPEED_MPS = 3.0  # a standing ego is taken to arrive at this speed
STEP_S = 0.25
TURN_LIMIT_RAD = 1.8
EDGE_ALLOWANCE_M = 0.5  # of the standstill gap, given back where the gap is to a junction's edge
GUESS_RANGE_M = 32.0
GUESS_RADIUS_M = 9.0  # of a turn that a vehicle may be about to make
ALONG_DEG = 40.0  # a vehicle within this heading of the route is followed, not yielded to
LINE_SIDE_M = 1.9
LINE_HEADING_DEG = 50.0


class HazardKind(Enum):
    """Why the ego has to be slower than the road allows."""

    LEAD = "lead"
    CROSSING = "crossing"
    WALKER = "walker"
    LIGHT = "light"
    GUESS = "guess"  # crossing, if a vehicle turns at a junction without lights


@dataclass(frozen=True)
class Hazard:
    """Something ahead: free distance before the ego's bumper, and its speed along the route."""

    kind: HazardKind
    gap_m: float
    along_mps: float = 0.0  # its own speed along the route, never negative


@dataclass(frozen=True)
class Corridor:
    """The next stretch of a route, as seen from an ego with the given size and speed."""

    points: FloatArray  # (N, 2) m
    tangents: FloatArray  # (N, 2) unit vectors
    in_junction: NDArray[np.bool_]  # (N,)
    ahead_m: FloatArray  # (N,) arc length from the ego's origin; slightly negative at first
    half_width_m: float
    front_m: float  # ego origin to front bumper
    speed_mps: float  # the ego's, never negative
    entry_m: float | None  # front bumper to the next junction's edge; slightly negative inside

    def arrival_s(self) -> FloatArray:
        """When the ego's bumper would be at each point, at its present speed; (N,) in seconds."""
        speed = max(self.speed_mps, ARRIVAL_SPEED_MPS)
        return np.asarray(np.maximum(self.ahead_m - self.front_m, 0.0) / speed)


def make_corridor(route: Route, distance_m: float, ego: ActorState, length_m: float) -> Corridor:
    """Cut the stretch from 3 m behind the ego's place on its route to `length_m` ahead."""
    arc = route.cumulative_m
    low = max(int(np.searchsorted(arc, distance_m - 3.0)), 0)
    high = max(int(np.searchsorted(arc, distance_m + length_m)), low + 2)
    low = min(low, len(arc) - 2)
    yaws = np.deg2rad(route.yaws[low:high])
    front_m = ego.box_center[0] + ego.box_extent[0]
    return Corridor(
        points=route.points[low:high, :2],
        in_junction=route.in_junction[low:high],
        tangents=np.stack([np.cos(yaws), np.sin(yaws)], axis=1),
        ahead_m=arc[low:high] - distance_m,
        half_width_m=ego.box_extent[1],
        front_m=front_m,
        speed_mps=ego.speed_mps,
        entry_m=_next_entry_m(route, distance_m + front_m, float(arc[high - 1])),
    )


def _next_entry_m(route: Route, bumper_m: float, until_m: float) -> float | None:
    """Distance from the bumper to where the route enters a junction; None where it does not."""
    arc = route.cumulative_m
    inside = route.in_junction
    entries = arc[1:][inside[1:] & ~inside[:-1]]
    ahead = entries[(entries > bumper_m - ENTRY_PASSED_M) & (entries < until_m)]
    return float(ahead[0] - bumper_m) if len(ahead) else None


def find_hazards(
    corridor: Corridor,
    vehicles: tuple[ActorState, ...],
    walkers: tuple[ActorState, ...],
    stop_lines: tuple[StopLine, ...],
    yaw_rates: Mapping[int, float],
) -> list[Hazard]:
    """All reasons to slow down, in no particular order.

    Args:
        corridor: the ego's way.
        vehicles: all but the ego.
        walkers: all.
        stop_lines: near the ego, with the states of their lights.
        yaw_rates: rad/s by vehicle id; vehicles that are missing go straight on.
    """
    has_light = any(_is_on_route(corridor, line) for line in stop_lines)
    found = [_vehicle_hazard(corridor, v, yaw_rates.get(v.actor_id, 0.0)) for v in vehicles]
    if corridor.entry_m is not None and corridor.entry_m > 0.0 and not has_light:
        found += [_guessed_hazard(corridor, vehicle) for vehicle in vehicles]
    found += [_walker_hazard(corridor, walker) for walker in walkers]
    found += [_light_hazard(corridor, line) for line in stop_lines]
    return [hazard for hazard in found if hazard is not None]


def _footprint(actor: ActorState) -> FloatArray:
    """Corners, side midpoints and centre of the actor's box on the ground; (9, 2) in metres."""
    yaw = np.deg2rad(actor.pose.yaw)
    forward = np.array((np.cos(yaw), np.sin(yaw)))
    right = np.array((-np.sin(yaw), np.cos(yaw)))
    center = (
        np.array((actor.pose.x, actor.pose.y))
        + forward * actor.box_center[0]
        + right * actor.box_center[1]
    )
    return np.array(
        [
            center + i * actor.box_extent[0] * forward + j * actor.box_extent[1] * right
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        ]
    )


def _nearest(corridor: Corridor, places: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Index of the nearest corridor point and the distance to it, for each place (M, 2)."""
    gaps = np.linalg.norm(places[:, None, :] - corridor.points[None, :, :], axis=2)  # (M, N)
    nearest = np.argmin(gaps, axis=1)
    return nearest, gaps[np.arange(len(places)), nearest]


def _is_far(corridor: Corridor, actor: ActorState, horizon_s: float) -> bool:
    reach = corridor.ahead_m[-1] + 8.0 + actor.speed_mps * horizon_s
    offset = np.array((actor.pose.x, actor.pose.y)) - corridor.points[0]
    return bool(offset @ offset > reach * reach)


def _vehicle_hazard(corridor: Corridor, vehicle: ActorState, yaw_rate: float) -> Hazard | None:
    if _is_far(corridor, vehicle, CROSSING_HORIZON_S):
        return None
    corners = _footprint(vehicle)
    nearest, gaps = _nearest(corridor, corners)
    velocity = np.array(vehicle.velocity[:2])
    inside = (gaps < corridor.half_width_m + SIDE_MARGIN_M) & (
        corridor.ahead_m[nearest] > 0.5 * corridor.front_m
    )
    if inside.any():
        first = int(np.argmin(np.where(inside, corridor.ahead_m[nearest], np.inf)))
        gap = float(corridor.ahead_m[nearest[first]] - corridor.front_m)
        along = float(velocity @ corridor.tangents[nearest[first]])
        return Hazard(HazardKind.LEAD, gap, max(along, 0.0))
    rates = (0.0,) if abs(yaw_rate) < 0.05 else (0.0, yaw_rate)
    found = [_crossing_hazard(corridor, vehicle, corners, rate) for rate in rates]
    crossings = [hazard for hazard in found if hazard is not None]
    return min(crossings, key=lambda hazard: hazard.gap_m, default=None)


def _crossing_hazard(
    corridor: Corridor, vehicle: ActorState, corners: FloatArray, yaw_rate: float
) -> Hazard | None:
    """A moving vehicle that will be in the ego's strip when the ego is about there.

    The vehicle is taken to keep its speed and yaw rate. Before a junction the ego waits at its
    edge, where turning vehicles do not need the place.
    """
    if vehicle.speed_mps < 0.5:
        return None
    arrival = corridor.arrival_s()
    leaving = arrival + EGO_LENGTH_M / max(corridor.speed_mps, ARRIVAL_SPEED_MPS)
    margins = np.where(corridor.in_junction, JUNCTION_MARGIN_M, SIDE_MARGIN_M)
    center = np.array((vehicle.pose.x, vehicle.pose.y))
    course = np.arctan2(vehicle.velocity[1], vehicle.velocity[0])
    place = center.copy()
    for time_s in np.arange(STEP_S, CROSSING_HORIZON_S + 0.01, STEP_S):
        turned = float(np.clip(yaw_rate * time_s, -TURN_LIMIT_RAD, TURN_LIMIT_RAD))
        heading = np.array((np.cos(course + turned), np.sin(course + turned)))
        place = place + heading * vehicle.speed_mps * STEP_S
        nearest, gaps = _nearest(corridor, place + _rotated(corners - center, turned))
        meets = (
            (gaps < corridor.half_width_m + margins[nearest])
            & (corridor.ahead_m[nearest] > corridor.front_m)
            & (time_s > arrival[nearest] - CROSSING_TIME_GAP_S)
            & (time_s < leaving[nearest] + CROSSING_TIME_GAP_S)
            & _is_across(corridor, nearest, heading)
        )
        if meets.any():
            ahead = np.where(meets, corridor.ahead_m[nearest], np.inf)
            gap_m = float(ahead.min() - corridor.front_m)
            if corridor.entry_m is not None and corridor.entry_m < gap_m:
                return Hazard(HazardKind.CROSSING, corridor.entry_m + EDGE_ALLOWANCE_M)
            return Hazard(HazardKind.CROSSING, gap_m)
    return None


def _is_across(
    corridor: Corridor, nearest: NDArray[np.int64], heading: FloatArray
) -> NDArray[np.bool_]:
    """Whether a vehicle at these corridor points is in the ego's way rather than on its own.

    Same direction: it is followed. Opposite direction: it is on the other lane, except inside a
    junction, where turning vehicles swing over.
    """
    facing = corridor.tangents[nearest] @ heading
    limit = np.cos(np.deg2rad(ALONG_DEG))
    return np.asarray((facing < limit) & ((facing > -limit) | corridor.in_junction[nearest]))


def _guessed_hazard(corridor: Corridor, vehicle: ActorState) -> Hazard | None:
    """Whether a vehicle near the junction ahead would cross the ego's way if it turned there."""
    offset = np.array((vehicle.pose.x, vehicle.pose.y)) - corridor.points[0]
    if offset @ offset > GUESS_RANGE_M**2 or vehicle.speed_mps < 1.5:
        return None
    yaw = np.deg2rad(vehicle.pose.yaw)
    if corridor.tangents[0] @ (np.cos(yaw), np.sin(yaw)) > np.cos(np.deg2rad(ALONG_DEG)):
        return None  # goes the ego's way
    corners = _footprint(vehicle)
    rate = vehicle.speed_mps / GUESS_RADIUS_M
    for side in (-rate, rate):
        if _crossing_hazard(corridor, vehicle, corners, side) is not None:
            assert corridor.entry_m is not None  # the caller has just checked it
            return Hazard(HazardKind.GUESS, corridor.entry_m + EDGE_ALLOWANCE_M)
    return None


def _rotated(offsets: FloatArray, angle: float) -> FloatArray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(offsets @ np.array([[cos, sin], [-sin, cos]]))


def _walker_hazard(corridor: Corridor, walker: ActorState) -> Hazard | None:
    if _is_far(corridor, walker, WALKER_HORIZON_S):
        return None
    times = np.arange(0.0, WALKER_HORIZON_S + 0.01, 0.25)[:, None]
    places = np.array((walker.pose.x, walker.pose.y)) + times * np.array(walker.velocity[:2])
    nearest, gaps = _nearest(corridor, places)
    reach = corridor.half_width_m + max(walker.box_extent[:2]) + WALKER_MARGIN_M
    inside = (gaps < reach) & (corridor.ahead_m[nearest] > 0.0)
    if not inside.any():
        return None
    ahead = float(np.where(inside, corridor.ahead_m[nearest], np.inf).min())
    return Hazard(HazardKind.WALKER, ahead - corridor.front_m)


def _is_on_route(corridor: Corridor, line: StopLine) -> bool:
    """Whether a stop line lies across the ego's way, in its direction."""
    gaps = np.linalg.norm(corridor.points - (line.x, line.y), axis=1)
    nearest = int(np.argmin(gaps))
    yaw = np.deg2rad(line.yaw)
    facing = corridor.tangents[nearest] @ (np.cos(yaw), np.sin(yaw))
    return bool(gaps[nearest] <= LINE_SIDE_M and facing >= np.cos(np.deg2rad(LINE_HEADING_DEG)))


def _light_hazard(corridor: Corridor, line: StopLine) -> Hazard | None:
    if line.state not in (LightState.RED, LightState.YELLOW) or not _is_on_route(corridor, line):
        return None
    nearest = int(np.argmin(np.linalg.norm(corridor.points - (line.x, line.y), axis=1)))
    gap_m = float(corridor.ahead_m[nearest] - corridor.front_m)
    if gap_m < -0.3:
        return None  # crossed already: clear the junction
    if line.state is LightState.YELLOW and gap_m < corridor.speed_mps**2 / (2.0 * 3.5):
        return None  # too late to stop in comfort
    return Hazard(HazardKind.LIGHT, gap_m)
