"""Checks OpenDRIVE text before carla.Map sees it: on broken input that crashes the process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeET


class MapError(ValueError):
    """A town that is not known, or a map file that cannot be used."""


def check_opendrive(xodr: str, source: str) -> None:
    """Raise a MapError that names `source` unless the text is a road network that fits together."""
    try:
        root = SafeET.fromstring(xodr.encode())
    except SafeET.ParseError as err:
        raise MapError(f"{source}: not XML: {err}") from err
    except DefusedXmlException as err:
        raise MapError(f"{source}: XML with entities or a DTD is not accepted: {err}") from err
    if root.tag != "OpenDRIVE":
        raise MapError(f"{source}: root element is <{root.tag}>, expected <OpenDRIVE>")
    problem = next(_problems(root), None)
    if problem is not None:
        raise MapError(f"{source}: {problem}")


def _problems(root: Element) -> Iterator[str]:
    roads = root.findall("road")
    if not any(lane.get("type") == "driving" for road in roads for lane in road.iter("lane")):
        yield f"no driving lanes in its {len(roads)} roads"
    ids: set[str] = set()
    for road in roads:
        name = road.get("id")
        if name is None or not name.lstrip("-").isdigit():
            yield f"a road has the id {name!r}, expected a whole number"
        elif name in ids:
            yield f"two roads have the id {name}"
        else:
            ids.add(name)
            yield from (f"road {name}: {problem}" for problem in _road_problems(road))
    junctions = {junction.get("id") for junction in root.findall("junction")}
    for road in roads:
        yield from _link_problems(road, ids, junctions)
    yield from _connection_problems(root, ids)
    yield from _signal_problems(root)


def _road_problems(road: Element) -> Iterator[str]:
    if not _number(road, "length") > 0.0:
        yield f"its length is {road.get('length')!r}, expected a number above 0"
    geometries = road.findall("planView/geometry")
    if not geometries:
        yield "it has no planView geometry"
    elif abs(_number(geometries[0], "s")) > 1e-3:
        yield f"its first geometry is at s={geometries[0].get('s')}, expected 0"
    for geometry in geometries:
        for key in ("s", "x", "y", "hdg", "length"):
            if not math.isfinite(_number(geometry, key)):
                yield f"geometry has {key}={geometry.get(key)!r}, expected a number"
        if len(geometry) != 1:
            yield f"geometry at s={geometry.get('s')} has {len(geometry)} shapes, expected one"
    sections = road.findall("lanes/laneSection")
    if not sections:
        yield "it has no laneSection"
    elif abs(_number(sections[0], "s")) > 1e-3:
        yield f"its first laneSection is at s={sections[0].get('s')}, expected 0"
    for lane in (lane for section in sections for lane in section.iter("lane")):
        if not (lane.get("id") or "").lstrip("-").isdigit():
            yield f"a lane has the id {lane.get('id')!r}, expected a whole number"
        if lane.get("type") == "driving" and lane.get("id") != "0" and lane.find("width") is None:
            yield f"driving lane {lane.get('id')} has no width"


def _number(element: Element, key: str) -> float:
    try:
        return float(element.get(key, "nan"))
    except ValueError:
        return math.nan


def _link_problems(road: Element, ids: set[str], junctions: set[str | None]) -> Iterator[str]:
    junction = road.get("junction", "-1")
    if junction != "-1" and junction not in junctions:
        yield f"road {road.get('id')}: it belongs to junction {junction}, which does not exist"
    for way in ("predecessor", "successor"):
        link = road.find(f"link/{way}")
        if link is None:
            continue
        kind, target = link.get("elementType"), link.get("elementId")
        if target not in (junctions if kind == "junction" else ids):
            yield f"road {road.get('id')}: its {way} is {kind} {target}, which does not exist"


def _connection_problems(root: Element, ids: set[str]) -> Iterator[str]:
    for junction in root.findall("junction"):
        for connection in junction.findall("connection"):
            for key in ("incomingRoad", "connectingRoad"):
                if connection.get(key) not in ids:
                    yield (
                        f"junction {junction.get('id')}: {key} is {connection.get(key)}, "
                        "which does not exist"
                    )


def _signal_problems(root: Element) -> Iterator[str]:
    signals = {signal.get("id") for signal in root.findall("road/signals/signal")}
    for reference in root.findall("road/signals/signalReference"):
        if reference.get("id") not in signals:
            yield f"a signalReference names signal {reference.get('id')}, which does not exist"
    for control in root.findall("controller/control"):
        if control.get("signalId") not in signals:
            yield f"a controller names signal {control.get('signalId')}, which does not exist"
