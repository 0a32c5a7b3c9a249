"""From a road network to a town one can look at: the order in which things are placed."""

from __future__ import annotations

import hashlib

import carla
import numpy as np

from simulator.scenery import town as streets
from simulator.scenery.buildings import build, obstacles, settle
from simulator.scenery.crossings import arm_crossings, stop_lines, zebra_crossings
from simulator.scenery.drivable import RoadField, survey
from simulator.scenery.furniture import Street
from simulator.scenery.kerbs import trace_kerbs
from simulator.scenery.markings import paint
from simulator.scenery.plots import Plots
from simulator.scenery.sidewalks import lay_sidewalks
from simulator.scenery.surface import pave
from simulator.scenery.terrain import far_land, near_land
from simulator.scenery.vegetation import distant_woods, grow_plants, trunk
from simulator.types import Layer, Scenery, Town

_PLANTS_PER_HECTARE = 22.0
_ROAD_FAR_M = 400.0
_WALK_FAR_M = 220.0
_PAINT_FAR_M = 150.0
_HORIZON_M = 1200.0
_WOODS = 450


def grow(
    carla_map: carla.Map, town: Town, seed: int = 0, field: RoadField | None = None
) -> Scenery:
    """All static geometry of a town.

    Args:
        carla_map: the road network.
        town: its traffic lights and digest.
        seed: the same roads with another seed get other houses and trees.
        field: the survey of `carla_map`, where the caller has it already.

    Returns:
        Equal meshes for an equal road network, town and seed.
    """
    rng = _generator(town.unrepaired or town.xodr, seed)
    field = survey(carla_map) if field is None else field
    kerbs = trace_kerbs(field)
    plots = Plots(field, kerbs)
    street = Street()
    streets.stand_signals(street, plots, town.signals)
    streets.stand_lamps(street, plots)
    houses = settle(plots, kerbs, rng)
    plants = streets.plant_streets(street, plots, kerbs, rng)
    plants += streets.plant_gardens(street, plots, houses, rng)
    plants += streets.plant_islands(plots, kerbs, rng)
    plants += streets.plant_land(plots, rng, _PLANTS_PER_HECTARE)
    horizon, hills = far_land(field, rng)
    woods = hills[rng.permutation(len(hills))[:_WOODS]] + rng.uniform(-9, 9, (1, 3)) * (1, 1, 0)
    zebras = zebra_crossings(carla_map)
    zebras += arm_crossings(field, town.signals, zebras)
    lines = paint(field, carla_map, stop_lines(carla_map, town.signals), zebras)
    layers = [
        Layer(pave(field).build(), 0.0, _ROAD_FAR_M),
        Layer(lines.build(), 0.0, _PAINT_FAR_M),
        Layer(lay_sidewalks(kerbs).build(), 0.0, _WALK_FAR_M),
        Layer(near_land(field, rng).build(), 0.0, _ROAD_FAR_M),
        Layer(horizon.build(), 0.0, _HORIZON_M),
        Layer(build(houses, rng).build(), 0.0, _ROAD_FAR_M),
        distant_woods(woods, rng),
        *grow_plants(plants, rng),
        *street.layers(),
    ]
    boxes = obstacles(houses) + street.obstacles
    boxes += [box for box in map(trunk, plants) if box is not None]
    bulbs = np.array(street.lamps, np.float32).reshape(-1, 3)
    down = np.tile(np.array([[0.0, 0.0, -1.0]], np.float32), (len(bulbs), 1))
    kept = tuple(layer for layer in layers if len(layer.mesh.faces))
    return Scenery(kept, tuple(boxes), bulbs, down)


def _generator(xodr: str, seed: int) -> np.random.Generator:
    digest = hashlib.sha256(xodr.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
