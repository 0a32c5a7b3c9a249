"""Repairs lanes with pieces that have no length, at which CARLA's route planner fails.

`GlobalRoutePlanner` takes the direction of every piece of `carla.Map.get_topology`; of one that
begins where it ends there is none, and the client raises. CARLA's Town03 of 2019 has five: lane
sections of 0.2 micrometres and a road of a millimetre with a lane that leads nowhere.
"""

from __future__ import annotations

import logging
import math
from typing import NamedTuple
from xml.etree import ElementTree as ET

import carla
from defusedxml import ElementTree as SafeET

logger = logging.getLogger(__name__)

LEAST_M = 0.01  # what a piece is given
_SHORT_M = 2e-3  # sections and roads below this are none that anybody drew
_NO_DIRECTION_M = 1e-6  # the client's limit is 2.4e-7; places are stored in steps of 1e-5


class _Piece(NamedTuple):
    road: int
    section: int
    lane: int
    leads_nowhere: bool


def repaired(name: str, xodr: str, carla_map: carla.Map, source: str) -> str:
    """Give every piece of the topology a length; a network without a fault stays as it is.

    Args:
        name: of the town.
        xodr: OpenDRIVE text that was checked.
        carla_map: the map of this text.
        source: what the log calls it.
    """
    found = pieces_without_length(carla_map)
    if not found:
        return xodr
    # The text was decoded already, so what its declaration says of an encoding is past.
    parser = SafeET.DefusedXMLParser(encoding="utf-8", target=ET.TreeBuilder())
    parser.feed(xodr.encode())
    root: ET.Element = parser.close()
    roads = {int(road.get("id", "-1")): road for road in root.findall("road")}
    for piece in found:
        _repair(roads[piece.road], piece)
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"
    left = len(pieces_without_length(carla.Map(name, text)))
    logger.warning(
        "%s: %d pieces of lanes without length (roads %s), on which CARLA's route planner fails: "
        "%d repaired; the map's hash is that of the repaired text",
        source, len(found), ", ".join(map(str, sorted({p.road for p in found}))), len(found) - left,
    )  # fmt: skip
    return text


def pieces_without_length(carla_map: carla.Map) -> list[_Piece]:
    """The segments of a topology that begin where they end."""
    return [
        _Piece(begin.road_id, begin.section_id, begin.lane_id, _is_same(begin, end))
        for begin, end in carla_map.get_topology()
        if begin.transform.location.distance(end.transform.location) < _NO_DIRECTION_M
    ]


def _is_same(a: carla.Waypoint, b: carla.Waypoint) -> bool:
    """Whether a segment ends on the lane on which it begins, for no other follows."""
    return (a.road_id, a.section_id, a.lane_id) == (b.road_id, b.section_id, b.lane_id)


def _repair(road: ET.Element, piece: _Piece) -> None:
    if piece.leads_nowhere:
        _close(road, piece)
    else:
        _lengthen(road)
        _part_sections(road)


def _close(road: ET.Element, piece: _Piece) -> None:
    """Let nobody drive on a lane that has neither length nor successor."""
    section = road.findall("lanes/laneSection")[piece.section]
    for lane in section.iter("lane"):
        if lane.get("id") == str(piece.lane):
            lane.set("type", "none")


def _lengthen(road: ET.Element) -> None:
    """Let a road without length reach a little over both of its ends."""
    length = _number(road, "length")
    if length >= _SHORT_M:
        return
    lines = road.findall("planView/geometry")
    cos, sin = _direction(lines[0])
    lines[0].set("x", repr(_number(lines[0], "x") - LEAST_M * cos))
    lines[0].set("y", repr(_number(lines[0], "y") - LEAST_M * sin))
    for line in lines[1:]:
        line.set("s", repr(_number(line, "s") + LEAST_M))
    sections = road.findall("lanes/laneSection")
    for i, section in enumerate(sections[1:], 1):  # before the next road begins
        section.set("s", repr(LEAST_M * i / len(sections)))
    for line in (lines[0], lines[-1]):
        line.set("length", repr(_number(line, "length") + LEAST_M))
    road.set("length", repr(length + 2.0 * LEAST_M))


def _part_sections(road: ET.Element) -> None:
    """Move the begins of lane sections apart that lie on one spot, where the road has room."""
    sections, end = road.findall("lanes/laneSection"), _number(road, "length")
    begins = [_number(section, "s") for section in sections]
    if end < len(begins) * (LEAST_M + _SHORT_M):
        return
    parted = list(begins)
    for i in range(1, len(parted)):
        if parted[i] - parted[i - 1] < _SHORT_M:
            parted[i] = parted[i - 1] + LEAST_M
    for i in reversed(range(1, len(parted))):
        if end - parted[i] < _SHORT_M:
            parted[i] = end - LEAST_M
        end = parted[i]
    for section, old, new in zip(sections, begins, parted, strict=True):
        if new != old:
            section.set("s", repr(new))


def _direction(line: ET.Element) -> tuple[float, float]:
    heading = _number(line, "hdg")
    return math.cos(heading), math.sin(heading)


def _number(element: ET.Element, name: str) -> float:
    return float(element.get(name, "0"))
