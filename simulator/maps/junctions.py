"""Which lane leads to which at a crossing of an authored town."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simulator.maps.paths import PlanPose, wrap


class MouthLane(NamedTuple):
    """A driving lane where it meets the crossing; `pose` looks in driving direction."""

    lane_id: int
    width: float
    pose: PlanPose


class Border(NamedTuple):
    """What lies outside the last driving lane, m."""

    shoulder: float
    sidewalk: float
    parking: float = 0.0  # between the driving lane and the shoulder


@dataclass(frozen=True)
class Arm:
    """One street end at a crossing; lanes run from the right-hand one to the left-hand one."""

    road: int
    contact: str  # which end of the street: start | end
    heading: float  # away from the crossing, rad
    incoming: tuple[MouthLane, ...]
    outgoing: tuple[MouthLane, ...]
    border_in: Border  # right of the incoming lanes
    border_out: Border  # right of the outgoing lanes


@dataclass(frozen=True)
class Link:
    """One way through a crossing, from a lane of an arm to a lane of another."""

    source: Arm
    source_lane: int  # index from the right
    target: Arm
    target_lane: int
    right: tuple[Border, Border] | None = None  # kerb and pavement at its start and end
    left: tuple[Border, Border] | None = None


def turn_angle(source: Arm, target: Arm) -> float:
    """Heading change from one arm into another, rad; positive turns left."""
    return wrap(target.heading - source.heading - math.pi)


def link_lanes(arms: Sequence[Arm]) -> list[Link]:
    """All links of a crossing: no U-turns, no lane without a way on or a way in."""
    arms = sorted(arms, key=lambda arm: arm.heading)
    pairs: list[tuple[Arm, int, Arm, int]] = []
    for source in arms:
        if source.incoming:
            pairs += _links_from(source, [t for t in arms if t is not source and t.outgoing])
    for target in arms:
        pairs += _missing_entries(target, arms, pairs)
    return [_with_borders(pair, arms) for pair in pairs]


def _links_from(source: Arm, targets: Sequence[Arm]) -> list[tuple[Arm, int, Arm, int]]:
    last = len(source.incoming) - 1
    if len(targets) == 1:
        return [
            (source, i, targets[0], min(i, len(targets[0].outgoing) - 1)) for i in range(last + 1)
        ]
    turns = {id(t): turn_angle(source, t) for t in targets}
    has_left = any(turn > math.pi / 4 for turn in turns.values())
    found: list[tuple[Arm, int, Arm, int]] = []
    for target in targets:
        turn, final = turns[id(target)], len(target.outgoing) - 1
        if turn > math.pi / 4:
            found.append((source, last, target, final))
        elif turn < -math.pi / 4:
            found.append((source, 0, target, 0))
        else:
            through = range(last + 1) if final >= last or not has_left else range(final + 1)
            found += [(source, i, target, min(i, final)) for i in through]
    return found


def _missing_entries(
    target: Arm, arms: Sequence[Arm], pairs: Sequence[tuple[Arm, int, Arm, int]]
) -> list[tuple[Arm, int, Arm, int]]:
    """Links into lanes of `target` that nothing leads to yet, from the straightest arm."""
    served = {lane for _, _, arm, lane in pairs if arm is target}
    sources = [arm for arm in arms if arm is not target and arm.incoming]
    straightest = min(sources, key=lambda arm: abs(turn_angle(arm, target)), default=None)
    if straightest is None:
        return []
    last = len(straightest.incoming) - 1
    return [
        (straightest, min(lane, last), target, lane)
        for lane in range(len(target.outgoing))
        if lane not in served
    ]


def _with_borders(pair: tuple[Arm, int, Arm, int], arms: Sequence[Arm]) -> Link:
    """Kerbs run along the links between neighbouring arms."""
    source, lane, target, target_lane = pair
    right = left = None
    following = arms[(arms.index(source) + 1) % len(arms)]
    if following is target and lane == 0 and target_lane == 0:
        right = (source.border_in, target.border_out)
    preceding = arms[(arms.index(source) - 1) % len(arms)]
    is_one_way = preceding is target and not target.incoming and not source.outgoing
    if is_one_way and lane == len(source.incoming) - 1:
        left = (source.border_out, target.border_in)
    return Link(source, lane, target, target_lane, right, left)
