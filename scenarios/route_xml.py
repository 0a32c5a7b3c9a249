"""One <route> of a Leaderboard file: its keypoints and weather, and what of it is not served."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from fusiondrive.errors import MapError
from fusiondrive.types import Pose
from scenarios.hazards.route_file import read_file_hazards
from scenarios.route_weather import read_weather
from scenarios.spec import RouteSpec
from scenarios.text_files import read_text

FARTHEST_M = 1e6
_PLACES = ("waypoint", "position")
# What is read, or changes nothing: a keypoint's pitch and roll are those of its lane.
_POSE = frozenset({"x", "y", "z", "yaw", "pitch", "roll"})
_KNOWN_ATTRIBUTES = {
    "route": frozenset({"id", "town", "map"}),
    "waypoint": _POSE,
    "position": _POSE,
}
_SERVED = ("waypoint", "waypoints", "weather", "weathers", "scenarios")


def town_name(name: str) -> str:
    """`Town02` for `Carla/Maps/Town02`, `/Game/Carla/Maps/Town02_Opt` and the like."""
    return name.rstrip("/").rsplit("/", 1)[-1].removesuffix("_Opt")


def parse_xml(path: Path) -> Element:
    """Parse a file and return its root element.

    Raises:
        MapError: the file cannot be read, or is not XML without entities; the text names file,
            line and reason.
    """
    text = read_text(path)
    try:
        root: Element = fromstring(text)  # text, so that the declared encoding is not applied twice
    except ParseError as err:
        line = err.position[0]
        raise MapError(f"{path}:{line}: broken XML: {err}") from err
    except (DefusedXmlException, ValueError) as err:
        raise MapError(f"{path}: refused XML feature: {type(err).__name__}") from err
    return root


def read_route(element: Element, path: Path) -> RouteSpec:
    """Read a route of the Leaderboard's format 1.0 (`waypoint`) or 2.0 (`waypoints/position`).

    Raises:
        MapError: something is missing or is no number; names file, route and place.
    """
    route_id = element.get("id")
    town = element.get("town") or element.get("map")  # so the CARLA challenge of 2019
    if route_id is None or town is None:
        raise MapError(f"{path}: a <route> lacks its {'id' if route_id is None else 'town'}")
    where = f"{path}: route '{route_id}'"
    nodes = element.findall("waypoint") or [
        node for node in element.findall("waypoints/*") if node.tag in _PLACES
    ]
    if len(nodes) < 2:
        raise MapError(f"{where} has {len(nodes)} waypoints; needs 2 or more")
    keypoints = tuple(
        _read_pose(node, f"{where}, waypoint {number}") for number, node in enumerate(nodes)
    )
    unserved = Counter(_foreign(element, nodes))
    weather = read_weather(element, where, unserved)
    hazards = read_file_hazards(element, unserved)
    return RouteSpec(
        route_id, town_name(town), keypoints, weather, tuple(sorted(unserved.items())), hazards
    )


def _foreign(route: Element, nodes: list[Element]) -> Iterable[str]:
    """Kinds of the parts of a route that are not served, one entry for each occurrence."""
    for element in (route, *nodes):
        for attribute in element.attrib:
            if attribute not in _KNOWN_ATTRIBUTES[element.tag]:
                yield f"attribute {element.tag}.{attribute}"
    for child in route:
        if child.tag not in _SERVED:
            yield f"element {child.tag}"
    used = set(map(id, nodes))
    for child in route.findall("waypoints/*"):
        if id(child) not in used:
            yield f"element waypoints/{child.tag}"


def _read_pose(node: Element, where: str) -> Pose:
    values: dict[str, float] = {}
    for name, default in (("x", None), ("y", None), ("z", "0"), ("yaw", "nan")):
        text = node.get(name, default)
        if text is None:
            raise MapError(f"{where}: lacks '{name}'")
        try:
            values[name] = float(text)
        except ValueError as err:
            raise MapError(f"{where}: {name}='{text}' is not a number") from err
        if name != "yaw" and not math.isfinite(values[name]):
            raise MapError(f"{where}: {name}='{text}' is not finite")
        if name != "yaw" and abs(values[name]) > FARTHEST_M:
            raise MapError(f"{where}: {name}='{text}' is off every map")
    return Pose(values["x"], values["y"], values["z"], yaw=values["yaw"])
