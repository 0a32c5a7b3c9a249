"""What a town has before anybody acts in it: map, scenery, ground, renderer; made once and kept."""

from __future__ import annotations

import bisect
import ctypes
import gc
import hashlib
import logging
import re
import threading
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import carla
import numpy as np
from defusedxml import ElementTree as SafeET

from simulator import maps
from simulator.maps.loading import build_town
from simulator.maps.signals import stop_lines_of
from simulator.raycast import RayCaster
from simulator.render import Renderer
from simulator.render.choice import DEFAULT, make_renderer
from simulator.scenery import Ground, GrownStore
from simulator.system.home import user_cache
from simulator.types import F32, F64, Obstacle, Pose, Town
from simulator.world.map_layers import EVERYTHING, MapLayers, show_layers

logger = logging.getLogger(__name__)

OWN_TOWN = "OpenDriveMap"  # as LibCarla calls the worlds of `generate_opendrive_world`
DEFAULT_LIMIT_KMH = 30.0  # CARLA's vehicles start with it
_KMH = {"mph": 1.609344, "km/h": 1.0, "m/s": 3.6}
_SIGNS = {"206": "traffic.stop", "205": "traffic.yield"}  # German numbers, as in CARLA's maps
_SPEED_SIGN = "274"


class Sign(NamedTuple):
    """A traffic sign of the map that is not a light."""

    sign_id: str
    blueprint: str
    pose: Pose
    stop_lines: tuple[Pose, ...]  # as of a SignalSpec, for each lane that it governs


class SpeedLimits:
    """The limits that the roads of an OpenDRIVE map carry."""

    def __init__(self, xodr: str) -> None:
        self._roads: dict[int, tuple[list[float], list[float]]] = {}
        for road in SafeET.fromstring(xodr.encode()).findall("road"):
            starts, limits = [], []
            for kind in road.findall("type"):
                starts.append(float(kind.get("s", "0")))
                limits.append(_limit_of(kind.find("speed")))
            if starts and (number := re.fullmatch(r"-?\d+", road.get("id", ""))):
                self._roads[int(number[0])] = (starts, limits)

    def at(self, road: int, s: float) -> float:
        """The limit on a road at `s` metres from its start, km/h."""
        starts, limits = self._roads.get(road, ([0.0], [DEFAULT_LIMIT_KMH]))
        return limits[max(bisect.bisect_right(starts, s) - 1, 0)]


def _limit_of(speed: object) -> float:
    get = getattr(speed, "get", None)
    if get is None:
        return DEFAULT_LIMIT_KMH
    try:
        # Without a unit OpenDRIVE means m/s.
        return round(float(get("max", "")) * _KMH.get(get("unit", "m/s"), 3.6), 1)
    except ValueError:
        return DEFAULT_LIMIT_KMH


@dataclass(frozen=True)
class Scene:
    """One town, ready to be driven in."""

    town: Town
    carla_map: carla.Map
    obstacles: tuple[Obstacle, ...]  # the meshes are with the renderer and nowhere else
    listed: tuple[Obstacle, ...]  # the same, with what is hidden where it would stand
    lamps: F32  # (L, 3) bulbs of all street lamps, m
    layers: MapLayers
    ground: Ground
    renderer: Renderer
    caster: RayCaster
    limits: SpeedLimits
    signs: tuple[Sign, ...]
    navigation: bytes  # where walkers may go, the file that clients load; empty without pavements

    @cached_property
    def navigation_file(self) -> str:
        """Name of the navigation mesh; clients keep such files, so it changes with the bytes."""
        digest = hashlib.sha256(self.navigation).hexdigest()[:16]
        return f"Nav/fusiondrive-{self.town.name.replace(':', '-')}-{digest}.bin"

    @cached_property
    def obstacle_boxes(self) -> F64:
        """Centre, yaw in degrees and half extents of the obstacles, (N, 7)."""
        return np.array([o[:7] for o in self.obstacles], np.float64).reshape(-1, 7)


@dataclass(frozen=True)
class SceneOptions:
    """How scenes are made."""

    maps_dir: Path | None = None
    seed: int = 0
    threads: int | None = None
    keeps_grown: bool = True  # in the user's cache folder
    renderer: str = DEFAULT  # see `render.choice`


class SceneStore:
    """Makes scenes and keeps the last two: runs switch between two towns."""

    _KEPT = 2

    def __init__(self, options: SceneOptions) -> None:
        self._options = options
        self._scenes: dict[str, Scene] = {}
        self._own: Town | None = None  # from `generate_opendrive_world`
        self._lock = threading.Lock()  # impatient clients ask twice; a town is made once

    def keep_own(self, xodr: str) -> None:
        """Make an OpenDRIVE text of a client the town `OpenDriveMap`.

        Raises:
            maps.MapError: it is no map; says the line and the reason.
        """
        town = build_town(OWN_TOWN, "client", xodr, f"{OWN_TOWN}.xodr")
        with self._lock:
            self._own = town
            self._scenes.pop(OWN_TOWN, None)

    def available(self) -> tuple[str, ...]:
        """Names of all towns; of the random ones those that are kept."""
        names = {*maps.available_towns(self._options.maps_dir), *tuple(self._scenes)}
        return tuple(sorted(names))

    def scene(self, name: str, layers: MapLayers = EVERYTHING) -> Scene:
        """The scene of a town, given by its name or its asset path.

        Args:
            name: of the town.
            layers: what of it is to be there; a town that is kept otherwise is made again.

        Raises:
            maps.MapError: no such town, or a broken map.
        """
        key = name.rstrip("/").rsplit("/", 1)[-1].removesuffix("_Opt")
        with self._lock:
            scene = self._scenes.pop(key, None)
            town: Town | None = None
            if scene is None:
                town = self._town(key)
            elif scene.layers != layers:
                town, scene = scene.town, None
            # Make room first: growing takes more memory than a town does in the end.
            while len(self._scenes) >= self._KEPT:
                del self._scenes[next(iter(self._scenes))]
            for idle in self._scenes.values():
                idle.renderer.rest()
            if town is not None:
                scene = make_scene(town, self._options, layers)
                return_memory()
            assert scene is not None  # it was kept, or else it has just been made
            self._scenes[key] = scene
            return scene

    def _town(self, key: str) -> Town:
        if key == OWN_TOWN and self._own is not None:
            return self._own
        return maps.load_town(key, self._options.maps_dir)


def return_memory() -> None:
    """Give the freed work space of a town's growth back to the system: about 100 MB."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it
    if trim is not None:
        trim(0)


def make_scene(town: Town, options: SceneOptions, layers: MapLayers = EVERYTHING) -> Scene:
    """Grow a town and prepare its renderer."""
    began = perf_counter()
    carla_map = carla.Map(town.name, town.xodr)
    folder = user_cache("scenery") if options.keeps_grown else None
    grown, ground, navigation = GrownStore(folder).grown(carla_map, town, options.seed)
    scenery = show_layers(grown, layers, town.signals)
    return_memory()
    renderer = make_renderer(options.renderer, scenery, options.threads)
    scene = Scene(
        town=town,
        carla_map=carla_map,
        obstacles=scenery.obstacles,
        listed=grown.obstacles,
        lamps=grown.lamps.reshape(-1, 3),
        layers=layers,
        ground=ground,
        renderer=renderer,
        caster=RayCaster(renderer),
        limits=SpeedLimits(town.xodr),
        signs=_signs_of(carla_map),
        navigation=navigation,
    )
    logger.info(
        "%s (%s:%s) ready after %.1f s: %d obstacles, %d traffic lights",
        town.name, town.origin, town.digest, perf_counter() - began,
        len(scenery.obstacles), len(town.signals),
    )  # fmt: skip
    return scene


def _signs_of(carla_map: carla.Map) -> tuple[Sign, ...]:
    """Stop, yield and speed signs, each once."""
    kinds: dict[str, str] = {}
    landmarks: dict[str, list[carla.Landmark]] = defaultdict(list)
    for landmark in carla_map.get_all_landmarks():
        kind = _SIGNS.get(landmark.type)
        if landmark.type == _SPEED_SIGN:
            kind = f"traffic.speed_limit.{landmark.value:.0f}"
        if kind is not None:
            kinds.setdefault(landmark.id, kind)
            landmarks[landmark.id].append(landmark)
    return tuple(
        Sign(sign_id, kind, _place_of(landmarks[sign_id][0]),
             stop_lines_of(carla_map, landmarks[sign_id]))
        for sign_id, kind in kinds.items()
    )  # fmt: skip


def _place_of(landmark: carla.Landmark) -> Pose:
    place, turn = landmark.transform.location, landmark.transform.rotation
    yaw = (turn.yaw + 180.0) % 360.0 - 180.0
    return Pose(place.x, place.y, place.z, turn.pitch, yaw, turn.roll)
