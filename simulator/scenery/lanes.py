"""Samples every lane of a road network, sidewalks and shoulders included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

import carla
import numpy as np
from defusedxml import ElementTree

from simulator.types import F64

STEP_M = 2.0
DRIVING = frozenset(
    {"driving", "bidirectional", "entry", "exit", "onRamp", "offRamp", "connectingRamp"}
)
_PARKING = frozenset({"parking", "biking", "stop", "restricted"})
_VERGE = frozenset({"shoulder", "border", "none", "curb", "roadWorks"})
_GUTTER_M = 0.75
_CLOSED_STREET_M = 2.0


class LaneStrip(NamedTuple):
    """A lane between two stations; left and right as seen by somebody who walks along s."""

    road: int
    lane: int
    kind: str  # OpenDRIVE's lane type
    junction: bool
    paved: bool  # part of the carriageway
    s: F64  # (N,) m
    left: F64  # (N, 3) m
    right: F64  # (N, 3) m
    yaw: F64  # (N,) degrees, direction of travel

    @property
    def is_driving(self) -> bool:
        """Whether cars may drive here."""
        return self.kind in DRIVING

    @property
    def is_gutter(self) -> bool:
        """Whether this is the narrow strip between the lanes and the kerb."""
        width = np.linalg.norm(self.left - self.right, axis=1).max()
        return self.paved and not self.is_driving and bool(width < _GUTTER_M)


def sample_lanes(carla_map: carla.Map, step_m: float = STEP_M) -> tuple[LaneStrip, ...]:
    """All lanes as strips, from left to right within each lane section."""
    root = ElementTree.fromstring(carla_map.to_opendrive().encode())
    strips: list[LaneStrip] = []
    for road in root.iter("road"):
        for section, start, end in _sections(road):
            stations = np.linspace(start, end, max(2, int(np.ceil((end - start) / step_m)) + 1))
            inside = np.clip(stations, start + 1e-3, end - 1e-3)
            in_junction = road.get("junction") != "-1"
            for lane, kind, paved in _lanes(section, in_junction):
                strip = _sample(carla_map, int(road.get("id", "0")), lane, inside)
                if strip is not None:
                    strips.append(strip._replace(kind=kind, junction=in_junction, paved=paved))
    return tuple(strips)


def _sections(road: Element) -> Iterator[tuple[Element, float, float]]:
    sections = road.findall("lanes/laneSection")
    starts = [float(section.get("s", "0")) for section in sections]
    ends = [*starts[1:], float(road.get("length", "0"))]
    for section, start, end in zip(sections, starts, ends, strict=True):
        if end - start > 0.02:
            yield section, start, end


def _lanes(section: Element, in_junction: bool) -> Iterator[tuple[int, str, bool]]:
    """Lane ids from left to right, their types, and whether each is carriageway."""
    for side in ("left", "right"):
        lanes = [
            (int(lane.get("id", "0")), lane.get("type", "none"), _width(lane))
            for lane in section.findall(f"{side}/lane")
        ]
        lanes.sort(key=lambda lane: abs(lane[0]))
        paved = _paved([(kind, width) for _, kind, width in lanes], in_junction)
        rows = [(lane, kind, flag) for (lane, kind, _), flag in zip(lanes, paved, strict=True)]
        yield from (reversed(rows) if side == "left" else rows)


def _width(lane: Element) -> float:
    return max((float(width.get("a", "0")) for width in lane.findall("width")), default=0.0)


def _paved(lanes: list[tuple[str, float]], in_junction: bool) -> list[bool]:
    """Which lanes of one side are carriageway.

    Sidewalks and medians cut the side into runs; a run is carriageway when it holds something
    to drive or park on, or when it touches the middle of the road.
    """
    flags: list[bool] = []
    run: list[tuple[str, float]] = []

    def close_run() -> None:
        usable = any(
            kind in DRIVING
            or kind in _PARKING
            or (kind == "none" and width >= _CLOSED_STREET_M and not in_junction)
            for kind, width in run
        )
        usable = usable or len(flags) == 0
        flags.extend(usable and not (in_junction and kind == "none") for kind, _ in run)
        run.clear()

    for kind, width in lanes:
        if kind in DRIVING or kind in _PARKING or kind in _VERGE:
            run.append((kind, width))
        else:
            close_run()
            flags.append(False)
    close_run()
    return flags


def _sample(carla_map: carla.Map, road: int, lane: int, stations: F64) -> LaneStrip | None:
    rows = []
    for s in stations:
        waypoint = carla_map.get_waypoint_xodr(road, lane, float(s))
        if waypoint is not None:
            place = waypoint.transform
            at = place.location
            rows.append((s, at.x, at.y, at.z, place.rotation.yaw, waypoint.lane_width))
    if len(rows) < 2:
        return None
    table = np.array(rows)
    if table[:, 5].max() < 0.05:
        return None
    yaw = np.radians(table[:, 4])
    right = np.stack([-np.sin(yaw), np.cos(yaw), np.zeros_like(yaw)], 1)
    reach = right * table[:, 5:6] * (0.5 if lane < 0 else -0.5)
    center = table[:, 1:4]
    return LaneStrip(
        road, lane, "", False, False, table[:, 0], center - reach, center + reach, table[:, 4]
    )


def carriageways(strips: tuple[LaneStrip, ...]) -> list[tuple[F64, F64, bool]]:
    """Neighbouring lanes of the carriageway joined: left edge, right edge, in a junction."""
    joined: list[tuple[F64, F64, bool]] = []
    previous: LaneStrip | None = None
    for strip in strips:
        if not strip.paved or strip.is_gutter:
            previous = None
            continue
        if previous is not None and _touch(previous, strip):
            joined[-1] = (joined[-1][0], strip.right, strip.junction)
        else:
            joined.append((strip.left, strip.right, strip.junction))
        previous = strip
    return joined


def _touch(a: LaneStrip, b: LaneStrip) -> bool:
    same_road = a.road == b.road and len(a.s) == len(b.s) and np.array_equal(a.s, b.s)
    return same_road and bool(np.abs(a.right - b.left).max() < 0.2)
