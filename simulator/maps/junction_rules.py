"""What must hold between the roads, junctions and signals of an OpenDRIVE file."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from simulator.maps.road_rules import Problem, is_whole

_NOWHERE = "-1"
_ENDS = ("start", "end")


def junction_problems(root: Element) -> Iterator[Problem]:
    """Links that lead nowhere, junctions that do not join their roads, unknown signals."""
    roads = {str(road.get("id")): road for road in root.findall("road")}
    junctions = {str(item.get("id")): item for item in root.findall("junction")}
    for name, junction in junctions.items():
        if not is_whole(name):
            yield Problem(junction, f"a junction has the id {name!r}, expected a whole number")
    for road in roads.values():
        problems = (*_link_problems(road, roads, junctions), *_lane_problems(road, roads))
        for element, reason in problems:
            yield Problem(element, f"road {road.get('id')}: {reason}")
    for name, junction in junctions.items():
        for element, reason in _connection_problems(name, junction, roads):
            yield Problem(element, f"junction {name}: {reason}")
    yield from _lost_roads(roads, junctions)
    yield from _signal_problems(root)


def _link_problems(
    road: Element, roads: dict[str, Element], junctions: dict[str, Element]
) -> Iterator[Problem]:
    junction = road.get("junction", _NOWHERE)
    if junction != _NOWHERE and junction not in junctions:
        yield Problem(road, f"it belongs to junction {junction}, which does not exist")
    for way in ("predecessor", "successor"):
        link = road.find(f"link/{way}")
        if link is None:
            if junction != _NOWHERE:
                yield Problem(road, f"it belongs to junction {junction} and has no {way}")
            continue
        kind, target = link.get("elementType"), link.get("elementId")
        # A dead end may name a junction that is not written: what Osm2Odr makes has many of these.
        if kind != "junction" and target not in roads:
            yield Problem(link, f"its {way} is {kind} {target}, which does not exist")
        if kind == "road" and link.get("contactPoint") not in _ENDS:
            found = link.get("contactPoint")
            yield Problem(link, f"its {way} has contactPoint={found!r}, expected start or end")


def _lane_problems(road: Element, roads: dict[str, Element]) -> Iterator[Problem]:
    """Lanes that go on in lanes which do not exist."""
    sections = road.findall("lanes/laneSection")
    for index, section in enumerate(sections):
        before = sections[index - 1] if index else _adjoining(road, "predecessor", roads)
        is_last = index == len(sections) - 1
        after = _adjoining(road, "successor", roads) if is_last else sections[index + 1]
        for way, other in (("predecessor", before), ("successor", after)):
            if other is None:
                continue
            known = {lane.get("id") for lane in other.iter("lane")}
            for lane in section.iter("lane"):
                link = lane.find(f"link/{way}")
                if link is not None and link.get("id") not in known:
                    reason = f"the {way} of lane {lane.get('id')} is lane {link.get('id')}"
                    yield Problem(link, f"{reason}, which does not exist")


def _adjoining(road: Element, way: str, roads: dict[str, Element]) -> Element | None:
    """The laneSection of another road that follows; None at junctions and dead ends."""
    link = road.find(f"link/{way}")
    if link is None or link.get("elementType") != "road":
        return None
    other = roads.get(str(link.get("elementId")))
    sections = other.findall("lanes/laneSection") if other is not None else []
    return sections[0 if link.get("contactPoint") == "start" else -1] if sections else None


def _connection_problems(
    name: str, junction: Element, roads: dict[str, Element]
) -> Iterator[Problem]:
    for connection in junction.findall("connection"):
        for key in ("incomingRoad", "connectingRoad"):
            if connection.get(key) not in roads:
                reason = f"{key} is {connection.get(key)}, which does not exist"
                yield Problem(connection, reason)
                return  # what follows looks these roads up
        if connection.get("contactPoint") not in _ENDS:
            found = connection.get("contactPoint")
            yield Problem(connection, f"contactPoint is {found!r}, expected start or end")
        connecting = roads[str(connection.get("connectingRoad"))]
        if connecting.get("junction") != name:
            number = connecting.get("id")
            yield Problem(connection, f"connectingRoad {number} does not belong to it")
        yield from _lane_link_problems(connection, roads)


def _lane_link_problems(connection: Element, roads: dict[str, Element]) -> Iterator[Problem]:
    for link in connection.findall("laneLink"):
        for key, of in (("from", "incomingRoad"), ("to", "connectingRoad")):
            road = str(connection.get(of))
            if link.get(key) not in {lane.get("id") for lane in roads[road].iter("lane")}:
                yield Problem(link, f"a laneLink is {key} lane {link.get(key)} of road {road}, "
                              "which does not exist")  # fmt: skip


def _lost_roads(roads: dict[str, Element], junctions: dict[str, Element]) -> Iterator[Problem]:
    """Roads of junctions that no connection leads onto."""
    reached = {
        connection.get("connectingRoad")
        for junction in junctions.values()
        for connection in junction.findall("connection")
    }
    for name, road in roads.items():
        junction = road.get("junction", _NOWHERE)
        if junction != _NOWHERE and name not in reached:
            yield Problem(
                road, f"road {name}: it belongs to junction {junction}, which has no connection "
                "with it"
            )  # fmt: skip


def _signal_problems(root: Element) -> Iterator[Problem]:
    signals = {signal.get("id") for signal in root.findall("road/signals/signal")}
    for reference in root.findall("road/signals/signalReference"):
        if reference.get("id") not in signals:
            name = reference.get("id")
            yield Problem(reference, f"a signalReference names signal {name}, which does not exist")
    for control in root.findall("controller/control"):
        if control.get("signalId") not in signals:
            name = control.get("signalId")
            yield Problem(control, f"a controller names signal {name}, which does not exist")
