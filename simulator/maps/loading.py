"""Finds a town's OpenDRIVE text, checks it and derives spawn points and traffic lights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import carla

from simulator.maps import towns
from simulator.maps.added_lights import with_lights
from simulator.maps.checks import MapError, check_opendrive
from simulator.maps.encoding import decode_xml
from simulator.maps.layout import Layout
from simulator.maps.light_files import light_plan
from simulator.maps.opendrive import write_opendrive
from simulator.maps.random_town import SeedError, random_town, seed_of
from simulator.maps.short_lanes import repaired
from simulator.maps.signals import signals_of
from simulator.maps.spawn_points import spawn_points_of
from simulator.system.home import user_cache
from simulator.types import Town

AUTHORED: dict[str, Callable[[], Layout]] = {
    "Town01": towns.town01,
    "Town02": towns.town02,
    "Town03": towns.town03,
    "track": towns.track,
}


def load_town(name: str, maps_dir: Path | None = None) -> Town:
    """Load a town from `maps_dir`, else from the user's cache, else an authored one.

    Args:
        name: such as `Town02`, `Town02_Opt`, `/Game/Carla/Maps/Town02` or `random:7`.
        maps_dir: directory with `TownXX.xodr` files.

    Raises:
        MapError: no such town, or its file is broken.
    """
    town = town_name(name)
    try:
        seed = seed_of(town)
    except SeedError as err:
        raise MapError(str(err)) from err
    if seed is not None:
        return build_town(town, "authored", write_opendrive(random_town(seed)), town)
    for directory in _directories(maps_dir):
        path = directory / f"{town}.xodr"
        if path.is_file():
            return build_town(town, "carla", _official(path, town), str(path))
    if town not in AUTHORED:
        known = ", ".join(available_towns(maps_dir))
        raise MapError(f"unknown town {name!r}; known: {known}, random:SEED")
    return build_town(town, "authored", write_opendrive(AUTHORED[town]()), f"authored {town}")


def available_towns(maps_dir: Path | None = None) -> tuple[str, ...]:
    """Names that `load_town` knows, sorted; it also makes `random:SEED` for any seed."""
    names = set(AUTHORED)
    for directory in _directories(maps_dir):
        names.update(path.stem for path in directory.glob("*.xodr"))
    return tuple(sorted(names))


def town_name(name: str) -> str:
    """The bare name: without CARLA's asset path and without the `_Opt` of layered maps."""
    return name.rstrip("/").rsplit("/", 1)[-1].removesuffix("_Opt")


def maps_cache() -> Path:
    """Where downloaded or exported official maps live."""
    return user_cache("maps")


def _directories(maps_dir: Path | None) -> list[Path]:
    if maps_dir is not None and not maps_dir.is_dir():
        raise MapError(f"maps directory {maps_dir} does not exist")
    return [maps_cache()] if maps_dir is None else [maps_dir, maps_cache()]


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as err:
        raise MapError(f"{path}: cannot be read: {err.strerror or err}") from err
    return decode_xml(data, str(path))


def _official(path: Path, town: str) -> str:
    """The text of a file, with the lights that the files beside it add."""
    xodr, plan = _read(path), light_plan(path.parent, town)
    if plan is None:
        return xodr
    check_opendrive(xodr, str(path))
    try:
        return with_lights(xodr, town, plan)
    except (RuntimeError, IndexError) as err:
        raise MapError(f"{path}: carla.Map refuses it: {err}") from err


def build_town(name: str, origin: str, xodr: str, source: str) -> Town:
    """The town of an OpenDRIVE text.

    Args:
        name: of the town.
        origin: authored or carla.
        xodr: the text.
        source: what errors call it.

    Raises:
        MapError: the text is no map to drive on; names `source` and the reason.
    """
    check_opendrive(xodr, source)
    unrepaired = xodr
    try:
        carla_map = carla.Map(name, xodr)
        xodr = repaired(name, xodr, carla_map, source)
        if xodr != unrepaired:
            carla_map = carla.Map(name, xodr)
        spawn_points = spawn_points_of(carla_map)
        signals = signals_of(carla_map)
    except (RuntimeError, IndexError) as err:
        raise MapError(f"{source}: carla.Map refuses it: {err}") from err
    if not spawn_points:
        raise MapError(f"{source}: no driving lane is long enough to start on")
    digest = hashlib.sha256(xodr.encode()).hexdigest()[:12]
    was = unrepaired if xodr != unrepaired else ""
    return Town(name, origin, digest, xodr, spawn_points, signals, was)
