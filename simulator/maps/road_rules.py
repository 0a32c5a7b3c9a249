"""What must hold for every road of an OpenDRIVE file, and for all of them together."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

MAX_COORDINATE_M = 1e5  # CARLA's coordinates are floats: 8 mm apart there
MARGIN_M = 40.0  # of land around the roads
MAX_AREA_M2 = 4e6  # rasters of a town hold a cell for each 0.25 m2
MAX_ROAD_M = 2e4
MAX_HEIGHT_M = 1e4
MAX_WIDTH_M = 100.0
MAX_CURVATURE = 10.0  # 1/m
MAX_ID = 2**31 - 1
MAX_LANE_ID = 999
_LENGTH_SHARE = 0.01  # by which the plan view may miss the road's length
_SLACK_M = 1.0
_S_TOLERANCE_M = 1e-3
_POSES = ("s", "x", "y", "hdg", "length")
_CUBIC = ("a", "b", "c", "d")
_SHAPES = {  # plan-view shapes -> their numbers
    "line": (),
    "arc": ("curvature",),
    "spiral": ("curvStart", "curvEnd"),
    "poly3": _CUBIC,
    "paramPoly3": ("aU", "bU", "cU", "dU", "aV", "bV", "cV", "dV"),
}
_NUMBERS = {  # elements of a road -> attributes that must be numbers where they are given
    "type": ("s",),
    "elevation": ("s", *_CUBIC),
    "superelevation": ("s", *_CUBIC),
    "laneOffset": ("s", *_CUBIC),
    "laneSection": ("s",),
    "width": ("sOffset", *_CUBIC),
    "roadMark": ("sOffset", "width"),
    "signal": ("s", "t", "zOffset", "hOffset"),
    "signalReference": ("s", "t"),
    "positionInertial": ("x", "y", "z", "hdg"),
    "object": ("s", "t", "zOffset", "hdg", "length", "width"),
    "cornerLocal": ("u", "v", "z", "height"),
}
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a piece, where its cubic is looked at
_PLACED = ("signal", "signalReference", "object", "elevation", "superelevation", "laneOffset")
_REQUIRED = {  # without these carla.Map reads nonsense
    "elevation": ("s", "a"),
    "laneOffset": ("s", "a"),
    "width": ("sOffset", "a"),
    "signal": ("s", "t"),
    "signalReference": ("s",),
}


class Problem(NamedTuple):
    """What is wrong, and where."""

    element: Element
    reason: str


def number(element: Element, key: str) -> float:
    """An attribute as a number; NaN where it is missing or none."""
    try:
        return float(element.get(key, "nan"))
    except ValueError:
        return math.nan


def is_whole(text: str | None, limit: int = MAX_ID) -> bool:
    """Whether the text is a whole number of at most `limit` either way."""
    return bool(re.fullmatch(r"-?[0-9]{1,10}", text or "")) and abs(int(text or "")) <= limit


def road_problems(root: Element) -> Iterator[Problem]:
    """Problems of single roads, in the order of the file."""
    ids: set[str | None] = set()
    for road in root.findall("road"):
        name = road.get("id")
        if not is_whole(name):
            yield Problem(road, f"a road has the id {name!r}, expected a whole number")
        if name in ids:
            yield Problem(road, f"two roads have the id {name}")
        ids.add(name)
        for rules in (
            _plan_problems, _number_problems, _lane_problems, _place_problems, _curve_problems,
        ):  # fmt: skip
            for element, reason in rules(road):
                yield Problem(element, f"road {name}: {reason}")


def _plan_problems(road: Element) -> Iterator[Problem]:
    length = number(road, "length")
    if not 0.0 < length <= MAX_ROAD_M:
        found = road.get("length")
        yield Problem(road, f"its length is {found!r}, expected a number above 0, {_m(MAX_ROAD_M)}")
    geometries = road.findall("planView/geometry")
    if not geometries:
        yield Problem(road, "it has no planView geometry")
    at = 0.0
    for geometry in geometries:
        yield from _geometry_problems(geometry)
        slack = _SLACK_M if at else _S_TOLERANCE_M  # carla.Map crashes where nothing is at s=0
        if abs(number(geometry, "s") - at) > slack:
            found = geometry.get("s")
            yield Problem(geometry, f"geometry is at s={found}, expected {at:.3f}")
        at += number(geometry, "length")
    if abs(at - length) > max(_SLACK_M, _LENGTH_SHARE * length):
        yield Problem(road, f"its length is {length:g} m, but its geometries are {at:g} m long")


def _m(limit: float) -> str:
    return f"at most {limit:g} m"


def _geometry_problems(geometry: Element) -> Iterator[Problem]:
    for key in _POSES:
        if not math.isfinite(number(geometry, key)):
            found = geometry.get(key)
            yield Problem(geometry, f"geometry has {key}={found!r}, expected a number")
    if not number(geometry, "length") > 0.0:
        found = geometry.get("length")
        yield Problem(geometry, f"geometry has length={found!r}, expected a number above 0")
    for key in ("x", "y"):
        if abs(number(geometry, key)) > MAX_COORDINATE_M:
            found = geometry.get(key)
            yield Problem(
                geometry,
                f"geometry has {key}={found}, expected {_m(MAX_COORDINATE_M)} from the origin; "
                "move the map there",
            )
    if len(geometry) != 1:
        at = geometry.get("s")
        yield Problem(geometry, f"geometry at s={at} has {len(geometry)} shapes, expected one")
    for shape in geometry:
        yield from _shape_problems(shape)


def _shape_problems(shape: Element) -> Iterator[Problem]:
    if shape.tag not in _SHAPES:
        known = ", ".join(_SHAPES)
        yield Problem(shape, f"unknown geometry <{shape.tag}>; known: {known}")
    for key in _SHAPES.get(shape.tag, ()):
        value = number(shape, key)
        if not math.isfinite(value):
            yield Problem(shape, f"<{shape.tag}> has {key}={shape.get(key)!r}, expected a number")
        if key.startswith("curv") and abs(value) > MAX_CURVATURE:
            yield Problem(
                shape, f"<{shape.tag}> has {key}={shape.get(key)}, at most {MAX_CURVATURE:g} 1/m"
            )


def _number_problems(road: Element) -> Iterator[Problem]:
    for tag, keys in _NUMBERS.items():
        for element in road.iter(tag):
            for key in keys:
                given = element.get(key)
                if given is None and key not in _REQUIRED.get(tag, ()):
                    continue
                if not math.isfinite(number(element, key)):
                    yield Problem(element, f"<{tag}> has {key}={given!r}, expected a number")


def _lane_problems(road: Element) -> Iterator[Problem]:
    sections = road.findall("lanes/laneSection")
    if not sections:
        yield Problem(road, "it has no laneSection")
    length, before = number(road, "length"), -math.inf
    for index, section in enumerate(sections):
        at = number(section, "s")
        if index == 0 and abs(at) > _S_TOLERANCE_M:
            yield Problem(section, f"its first laneSection is at s={section.get('s')}, expected 0")
        if not before < at < length:
            yield Problem(
                section,
                f"laneSection is at s={section.get('s')}, expected above {before:g}, "
                f"below {length:g}",
            )
        before = at
        yield from _section_problems(section)


def _section_problems(section: Element) -> Iterator[Problem]:
    if section.find("center/lane") is None:
        yield Problem(section, f"laneSection at s={section.get('s')} has no center lane")
    ids: set[str | None] = set()
    for side, sign in (("left", 1), ("center", 0), ("right", -1)):
        for lane in section.findall(f"{side}/lane"):
            name = lane.get("id")
            if not is_whole(name, MAX_LANE_ID):
                yield Problem(lane, f"a lane has the id {name!r}, expected a whole number")
            elif int(str(name)) * sign <= 0 and int(str(name)) != sign:
                yield Problem(lane, f"lane {name} is among the {side} lanes")
            if name in ids:
                yield Problem(lane, f"two lanes of a laneSection have the id {name}")
            ids.add(name)
            if side != "center":
                yield from _width_problems(lane)


def _width_problems(lane: Element) -> Iterator[Problem]:
    widths = lane.findall("width")
    if lane.get("type") == "driving" and not widths:
        yield Problem(lane, f"driving lane {lane.get('id')} has no width")
    for width in widths:
        if not -_S_TOLERANCE_M <= number(width, "a") <= MAX_WIDTH_M:
            yield Problem(
                width,
                f"lane {lane.get('id')} has the width {width.get('a')}, expected 0 to "
                f"{MAX_WIDTH_M:g} m",
            )


def _place_problems(road: Element) -> Iterator[Problem]:
    length = number(road, "length")
    for tag in _PLACED:
        for element in road.iter(tag):
            at = number(element, "s")
            if not -_SLACK_M <= at <= length + _SLACK_M:
                what = " ".join(filter(None, (tag, element.get("id"))))
                found = element.get("s")
                yield Problem(element, f"{what} is at s={found}, expected 0 to {length:g}")
    offset = road.find("lanes/laneOffset")
    if offset is not None and number(offset, "s") > 0.0:
        yield Problem(offset, f"its first laneOffset is at s={offset.get('s')}, expected 0")
    for element in road.iter("width"):
        if not -_SLACK_M <= number(element, "sOffset") <= length + _SLACK_M:
            found = element.get("sOffset")
            yield Problem(element, f"width is at sOffset={found}, expected 0 to {length:g}")
    for validity in road.iter("validity"):
        for key in ("fromLane", "toLane"):
            if not is_whole(validity.get(key), MAX_LANE_ID):
                found = validity.get(key)
                yield Problem(validity, f"<validity> has {key}={found!r}, expected a lane's number")


def _curve_problems(road: Element) -> Iterator[Problem]:
    """Heights, offsets and widths along the road; their first values are not the largest."""
    length = number(road, "length")
    yield from _too_far(road.findall("elevationProfile/elevation"), length, "height", MAX_HEIGHT_M)
    yield from _too_far(road.findall("lanes/laneOffset"), length, "laneOffset", MAX_WIDTH_M)
    sections = road.findall("lanes/laneSection")
    starts = [number(section, "s") for section in sections]
    for section, start, end in zip(sections, starts, [*starts[1:], length], strict=False):
        for lane in section.iter("lane"):
            yield from _too_far(lane.findall("width"), end - start, "width", MAX_WIDTH_M)


def _too_far(pieces: list[Element], end: float, what: str, limit: float) -> Iterator[Problem]:
    """Cubics of the distance that leave a limit on their way to the next one, or to the end."""
    starts = [number(piece, "sOffset" if what == "width" else "s") for piece in pieces]
    for piece, start, until in zip(pieces, starts, [*starts[1:], end], strict=False):
        given = [(n, number(piece, key)) for n, key in enumerate(_CUBIC) if piece.get(key)]
        for share in _SHARES:
            along = share * max(until - start, 0.0)
            found = sum(factor * along**n for n, factor in given)
            if abs(found) > limit:
                yield Problem(piece, f"its {what} reaches {found:g} m, expected {_m(limit)}")
                break


def extent_problems(root: Element) -> Iterator[Problem]:
    """The area of all roads together."""
    geometries = root.findall("road/planView/geometry")
    ends = [end for geometry in geometries for end in _ends(geometry)]
    xs, ys = [x for x, _ in ends], [y for _, y in ends]
    wide, high = max(xs) - min(xs) + 2 * MARGIN_M, max(ys) - min(ys) + 2 * MARGIN_M
    if wide * high > MAX_AREA_M2:
        # the piece farthest from the middle of all is the likeliest culprit
        middle = sorted(xs)[len(xs) // 2], sorted(ys)[len(ys) // 2]
        far = [math.dist(end, middle) for end in ends]
        yield Problem(
            geometries[far.index(max(far)) // 2],
            f"the roads spread over {wide:.0f} m by {high:.0f} m; this server grows towns of at "
            f"most {MAX_AREA_M2 / 1e6:g} km2",
        )


def _ends(geometry: Element) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where a piece starts, and where it would end if it were straight, m."""
    x, y, hdg, length = (number(geometry, key) for key in ("x", "y", "hdg", "length"))
    is_line = geometry.find("line") is not None
    end = (x + length * math.cos(hdg), y + length * math.sin(hdg)) if is_line else (x, y)
    return (x, y), end
