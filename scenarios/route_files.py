"""Route files: ready-made routes per map, Leaderboard XML, NoCrash index pairs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import quoteattr

import carla

from fusiondrive.errors import MapError
from fusiondrive.provenance import text_hash
from fusiondrive.types import Pose
from scenarios.route_xml import parse_xml, read_route, town_name
from scenarios.spec import RouteSpec
from scenarios.text_files import read_text

DATA_DIR = Path(__file__).parent / "data"
AUTHORED_MARK = 'vendor="FusionDrive"'  # in the OpenDRIVE header of the authored towns
RANDOM_TOWN = re.compile(r"random:(0|[1-9][0-9]{0,9})")  # what the embedded server makes


def is_random_town(name: str) -> bool:
    """Whether a town's name is `random:SEED`, which is a town that is made on demand."""
    return RANDOM_TOWN.fullmatch(town_name(name)) is not None


class HasUnserved(Protocol):
    """A route or a record of one, with the parts of its file that are not served."""

    @property
    def unserved(self) -> tuple[tuple[str, int], ...]:
        """The parts that are not served, by kind with counts."""


def describe_unserved(routes: Sequence[HasUnserved]) -> str:
    """Text of the parts of the file that are not served, by kind with counts; may be empty."""
    total: Counter[str] = Counter()
    for route in routes:
        total.update(dict(route.unserved))
    return ", ".join(f"{kind} ({count})" for kind, count in sorted(total.items()))


def map_digest(carla_map: carla.Map) -> str:
    """SHA-256 (first 12 hex digits) of the map's OpenDRIVE text."""
    return text_hash(carla_map.to_opendrive())


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
    root = parse_xml(path)
    if root.tag != "routes":
        raise MapError(f"{path}: expected a <routes> file, found <{root.tag}>")
    routes = tuple(read_route(element, path) for element in root.iter("route"))
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
    for number, line in enumerate(read_text(path).splitlines(), start=1):
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
    head = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    lines = ["<?xml version='1.0' encoding='UTF-8'?>", f"<routes{head}>"]
    for route in routes:
        lines.append(f"  <route id={quoteattr(route.route_id)} town={quoteattr(route.town)}>")
        lines.extend(
            f'    <waypoint x="{p.x:.3f}" y="{p.y:.3f}" z="{p.z:.3f}" yaw="{p.yaw:.3f}"/>'
            for p in route.keypoints
        )
        lines.append("  </route>")
    path.write_text("\n".join([*lines, "</routes>", ""]), encoding="utf-8")


def _ready_made_file(town: str, map_digest_or_origin: str) -> Path:
    files = sorted(DATA_DIR.glob(f"routes_{town}_*.xml"))
    parts = map_digest_or_origin.split(":")
    heads = {path: parse_xml(path) for path in files}
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
