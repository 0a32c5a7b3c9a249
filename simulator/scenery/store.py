"""Grown towns kept in files, so that a server that starts again does not grow them again."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import carla
import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from simulator.scenery.crossings import arm_crossings, zebra_crossings
from simulator.scenery.drivable import survey
from simulator.scenery.ground import Ground
from simulator.scenery.grow import grow
from simulator.scenery.navigation import navigation_mesh
from simulator.types import F64, Layer, Mesh, Obstacle, Scenery, Town

logger = logging.getLogger(__name__)

KEPT = 8  # files; a large town takes 40 MB
_MESH = tuple(field.name for field in fields(Mesh))

Arrays = dict[str, NDArray[np.generic]]


class Grown(NamedTuple):
    """What stands still in a town, the height of its ground, and where walkers may go."""

    scenery: Scenery
    ground: Ground
    navigation: bytes  # the mesh file that clients load


class GrownStore:
    """A folder of grown towns. What cannot be read or written is grown again, never an error."""

    def __init__(self, folder: Path | None) -> None:
        """Use a folder, or None to grow every time."""
        self._folder = folder

    def grown(self, carla_map: carla.Map, town: Town, seed: int) -> Grown:
        """A town's scenery and ground, the same bytes whether read or grown."""
        if self._folder is None:
            return grow_all(carla_map, town, seed)
        path = self._folder / f"{_key(town, seed)}.npz"
        found = _read(path)
        if found is None:
            found = grow_all(carla_map, town, seed)
            _write(path, found)
            _discard(self._folder)
        return found


def grow_all(carla_map: carla.Map, town: Town, seed: int) -> Grown:
    """Survey a road network once, for what stands on it and for its heights."""
    field = survey(carla_map)
    ground = Ground.over(field)
    scenery = grow(carla_map, town, seed, field)
    crossings = zebra_crossings(carla_map)
    crossings += arm_crossings(field, town.signals, crossings)
    return Grown(scenery, ground, navigation_mesh(field, crossings, scenery.obstacles))


def _key(town: Town, seed: int) -> str:
    """Names everything that a grown town depends on: map, seed, this package, its libraries."""
    digest = hashlib.sha256()
    sources = sorted(Path(__file__).parent.glob("*.py"))
    for path in (*sources, Path(__file__).parents[1] / "types.py"):
        digest.update(path.read_bytes())
    libraries = (np.__version__, scipy.__version__, cv2.__version__)
    digest.update(repr((seed, town.signals, libraries)).encode())
    digest.update(town.xodr.encode())
    digest.update(town.unrepaired.encode())
    return f"{town.name.replace(':', '-')}-{digest.hexdigest()[:24]}"


def _read(path: Path) -> Grown | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            grown = _unpack({name: file[name] for name in file.files})
        os.utime(path)  # the files that were used last are kept
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as err:
        logger.warning("%s cannot be used, so the town is grown again: %s", path, err)
        return None
    return grown


def _write(path: Path, grown: Grown) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Servers may write at the same time; a reader must never see half a file.
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, allow_pickle=False, **_pack(grown))
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as err:
        logger.info("the grown town is not kept: %s", err)


def _discard(folder: Path) -> None:
    """Remove the files that were not used for the longest time."""
    try:
        files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime)
        for path in files[:-KEPT]:
            path.unlink(missing_ok=True)
    except OSError as err:
        logger.info("old grown towns stay: %s", err)


def _pack(grown: Grown) -> Arrays:
    scenery, ground, navigation = grown
    arrays: Arrays = {
        "ranges": np.array([(layer.near_m, layer.far_m) for layer in scenery.layers]),
        "obstacles": np.array(scenery.obstacles, np.float64).reshape(-1, len(Obstacle._fields)),
        "lamps": scenery.lamps,
        "lamp_directions": scenery.lamp_directions,
        "low": ground.low,
        "high": ground.high,
        "origin": np.array([ground.x0, ground.y0]),
        "navigation": np.frombuffer(navigation, np.uint8),
    }
    for n, layer in enumerate(scenery.layers):
        arrays.update({f"{name}.{n}": getattr(layer.mesh, name) for name in _MESH})
    return arrays


def _unpack(arrays: Arrays) -> Grown:
    ranges: F64 = arrays["ranges"].astype(np.float64)
    layers = tuple(
        Layer(Mesh(*(arrays[f"{name}.{n}"] for name in _MESH)), near, far)  # type: ignore[arg-type]
        for n, (near, far) in enumerate(ranges.reshape(-1, 2).tolist())
    )
    rows: list[list[float]] = arrays["obstacles"].astype(np.float64).tolist()
    boxes = tuple(
        Obstacle(x, y, z, yaw, half_x, half_y, half_z, int(tag))
        for x, y, z, yaw, half_x, half_y, half_z, tag in rows
    )
    lamps = arrays["lamps"].astype(np.float32)
    directions = arrays["lamp_directions"].astype(np.float32)
    x0, y0 = arrays["origin"].astype(np.float64).tolist()
    low, high = (arrays[name].astype(np.float32) for name in ("low", "high"))
    ground = Ground(low, high, x0, y0)
    navigation = arrays["navigation"].astype(np.uint8).tobytes()
    return Grown(Scenery(layers, boxes, lamps, directions), ground, navigation)
