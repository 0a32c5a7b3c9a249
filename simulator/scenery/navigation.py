"""The navigation mesh of a town, from the survey of its roads and what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.scenery.detour import MAX_POLYGONS, NavPolygons, encode
from simulator.scenery.drivable import CELL_M, KERB_HEIGHT_M, RoadField
from simulator.scenery.polygons import PolygonSet, polygons_of
from simulator.scenery.walkable import Area, walkable_areas
from simulator.types import F64, Obstacle

# `carla::nav::SamplePolyFlags`, LibCarla 0.9.16; walkers who may not cross roads avoid the last.
FLAGS = {Area.SIDEWALK: 0x02, Area.CROSSWALK: 0x04, Area.ROAD: 0x08}


def navigation_mesh(
    field: RoadField, crossings: Sequence[F64], obstacles: Sequence[Obstacle]
) -> bytes:
    """The mesh as LibCarla reads it; empty where there is nothing to walk on.

    Args:
        field: rasters of the town.
        crossings: corners of the zebra crossings, (4, 2) m each.
        obstacles: boxes to walk around.
    """
    areas = walkable_areas(field, crossings, obstacles)
    found = polygons_of(areas)
    if len(found.rings) > MAX_POLYGONS:  # a very large town: nobody crosses beside the zebras
        areas[areas == Area.ROAD] = Area.BLOCK
        found = polygons_of(areas)
    if not 0 < len(found.rings) <= MAX_POLYGONS:
        return b""
    return encode(_placed(found, field))


def _placed(found: PolygonSet, field: RoadField) -> NavPolygons:
    """Corners in metres and on the ground, in Detour's axes; only those that are used."""
    used, numbers = np.unique(np.concatenate(found.rings), return_inverse=True)
    plane = found.corners[used] * CELL_M + (field.x0, field.y0)
    heights = field.heights(np.column_stack([plane, np.zeros(len(plane))]))
    heights = heights + KERB_HEIGHT_M * (field.at(field.road, plane) > 0.0)
    corners = np.column_stack([plane[:, 0], heights, plane[:, 1]]).astype(np.float32)
    ends = np.cumsum([len(ring) for ring in found.rings])[:-1]
    rings = [tuple(int(n) for n in ring) for ring in np.split(numbers, ends)]
    flags = [FLAGS[Area(area)] for area in found.areas]
    return NavPolygons(corners, rings, found.areas, flags)
