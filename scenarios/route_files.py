"""Route files: ready-made routes per map, Leaderboard XML, NoCrash index pairs."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import carla
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from harness.errors import MapError
from harness.types import Pose

DATA_DIR = Path(__file__).parent / "data"
AUTHORED_MARK = 'vendor="FusionDrive"'  # in the OpenDRIVE header of the authored towns
RANDOM_TOWN = re.compile(r"random:(0|[1-9][0-9]{0,9})")  # what the embedded server makes
MAX_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class RouteSpec:
    """The keypoints of a route; a yaw that the file does not give is NaN."""

    route_id: str
    town: str
    keypoints: tuple[Pose, ...]


def town_name(name: str) -> str:
    """`Town02` for `Carla/Maps/Town02`, `/Game/Carla/Maps/Town02_Opt` and the like."""
    return name.rsplit("/", 1)[-1].removesuffix("_Opt")


def is_random_town(name: str) -> bool:
    """Whether the name is `random:SEED`: a town that is made when it is asked for."""
    return RANDOM_TOWN.fullmatch(town_name(name)) is not None


def map_digest(carla_map: carla.Map) -> str:
    """SHA-256 (first 12 hex digits) of the map's OpenDRIVE text."""
    return hashlib.sha256(carla_map.to_opendrive().encode()).hexdigest()[:12]


def map_identity(carla_map: carla.Map) -> str:
    """`authored:<digest>` for the towns that ship with this package, else `carla:<digest>`."""
    head = carla_map.to_opendrive()[:2000]
    return f"{'authored' if AUTHORED_MARK in head else 'carla'}:{map_digest(carla_map)}"


def load_routes(
    town: str, map_digest_or_origin: str, path: Path | None = None
) -> tuple[RouteSpec, ...]:
    """Routes of a town, from a file or, without one, the ready-made ones of its map.

    Args:
        town: such as `Town02`.
        map_digest_or_origin: `authored:<digest>`, `carla:<digest>`, or either part alone; a
            ready-made file of the same digest is preferred to one of the same origin.
        path: a route XML, or None.

    Raises:
        MapError: no file fits, or the file is broken or has no route in this town.
    """
    town = town_name(town)
    if path is None:
        path = _ready_made_file(town, map_digest_or_origin)
    routes = tuple(route for route in read_route_xml(path) if route.town == town)
    if not routes:
        raise MapError(f"{path}: no route in {town}")
    return routes


def read_route_xml(path: Path) -> tuple[RouteSpec, ...]:
    """Read the Leaderboard's route format (1.0 `waypoint`, 2.0 `waypoints/position`).

    Raises:
        MapError: the file is missing or broken; the text names the file and the reason.
    """
    root = _parse(path)
    if root.tag != "routes":
        raise MapError(f"{path}: expected a <routes> file, found <{root.tag}>")
    routes = tuple(_read_route(element, path) for element in root.iter("route"))
    if not routes:
        raise MapError(f"{path}: no <route> in it")
    ids = [(route.town, route.route_id) for route in routes]
    double = next((item for item in ids if ids.count(item) > 1), None)
    if double is not None:
        raise MapError(f"{path}: route id '{double[1]}' stands twice for {double[0]}")
    return routes


def read_nocrash(path: Path, town: str, spawn_points: Sequence[Pose]) -> tuple[RouteSpec, ...]:
    """Read NoCrash start/goal pairs: indices into the town's spawn points.

    The published pairs index the spawn points of CARLA 0.9.6 (coiltraine: 0.8.4) in the order in
    which that server lists them. Other versions, and the embedded server, list other points, so a
    result on them is not the published benchmark; the pairs are still valid routes.

    Raises:
        MapError: a line is not a pair of known indices; names file and line.
    """
    routes: list[RouteSpec] = []
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2 or not all(field.isdigit() for field in fields):
            raise MapError(f"{path}:{number}: expected two spawn indices, found '{line.strip()}'")
        pair = [int(field) for field in fields]
        if max(pair) >= len(spawn_points):
            raise MapError(
                f"{path}:{number}: spawn index {max(pair)} is out of range; "
                f"{town} has {len(spawn_points)} spawn points here"
            )
        keypoints = (spawn_points[pair[0]], spawn_points[pair[1]])
        routes.append(RouteSpec(f"nocrash_{len(routes):02d}", town_name(town), keypoints))
    if not routes:
        raise MapError(f"{path}: no route in it")
    return tuple(routes)


def write_route_xml(path: Path, routes: Sequence[RouteSpec], attributes: dict[str, str]) -> None:
    """Write routes in the Leaderboard's format, with `attributes` on the root."""
    head = "".join(f' {name}="{value}"' for name, value in attributes.items())
    lines = ["<?xml version='1.0' encoding='UTF-8'?>", f"<routes{head}>"]
    for route in routes:
        lines.append(f'  <route id="{route.route_id}" town="{route.town}">')
        lines.extend(
            f'    <waypoint x="{p.x:.3f}" y="{p.y:.3f}" z="{p.z:.3f}" yaw="{p.yaw:.3f}"/>'
            for p in route.keypoints
        )
        lines.append("  </route>")
    path.write_text("\n".join([*lines, "</routes>", ""]), encoding="utf-8")


def _ready_made_file(town: str, map_digest_or_origin: str) -> Path:
    files = sorted(DATA_DIR.glob(f"routes_{town}_*.xml"))
    parts = map_digest_or_origin.split(":")
    heads = {path: _parse(path) for path in files}
    for path, root in heads.items():
        if root.get("map_digest") in parts:
            return path
    for path, root in heads.items():
        if root.get("map_origin") in parts:
            return path
    known = ", ".join(sorted({path.stem.split("_")[1] for path in DATA_DIR.glob("routes_*.xml")}))
    raise MapError(
        f"no ready-made routes for {town} on map '{map_digest_or_origin}' (towns with routes: "
        f"{known}); give a route file, or make one: python -m scenarios.generate --town {town}"
    )


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise MapError(f"{path}: larger than {MAX_FILE_BYTES // 2**20} MB, not a route file")
        return path.read_text(encoding="utf-8")
    except OSError as err:
        raise MapError(f"route file {path}: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise MapError(f"{path}: not a text file (byte {err.start})") from err


def _parse(path: Path) -> Element:
    text = _read_text(path)
    try:
        root: Element = fromstring(text.encode())
    except ParseError as err:
        line = err.position[0]
        raise MapError(f"{path}:{line}: broken XML: {err}") from err
    except DefusedXmlException as err:
        raise MapError(f"{path}: refused XML feature: {type(err).__name__}") from err
    return root


def _read_route(element: Element, path: Path) -> RouteSpec:
    route_id, town = element.get("id"), element.get("town")
    if route_id is None or town is None:
        raise MapError(f"{path}: a <route> lacks its {'id' if route_id is None else 'town'}")
    nodes = element.findall("waypoint") or element.findall("waypoints/position")
    if len(nodes) < 2:
        raise MapError(f"{path}: route '{route_id}' has {len(nodes)} waypoints; needs 2 or more")
    keypoints = tuple(
        _read_pose(node, f"{path}: route '{route_id}', waypoint {number}")
        for number, node in enumerate(nodes)
    )
    return RouteSpec(route_id, town_name(town), keypoints)


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
    return Pose(values["x"], values["y"], values["z"], yaw=values["yaw"])
