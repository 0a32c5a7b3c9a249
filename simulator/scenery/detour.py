"""Bytes of a navigation mesh: one Detour tile in the set file that `carla::nav::Navigation` loads.

Layouts: Detour `DetourNavMesh.h` (version 7, 32-bit references), `DetourNavMeshBuilder.cpp`;
LibCarla 0.9.16 `carla/nav/Navigation.cpp`. Detour's axes are CARLA's x, z, y.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.types import F32

MAX_POLYGONS = 0x7FFE  # a neighbour is a number of 15 bits that begins at 1
_SET_MAGIC = int.from_bytes(b"MSET", "big")
_SET_VERSION = 1
_TILE_MAGIC = int.from_bytes(b"DNAV", "big")
_TILE_VERSION = 7
_WALKER_HEIGHT_M, _WALKER_RADIUS_M, _CLIMB_M = 1.8, 0.3, 0.5
_QUANT_M = 0.1  # of the bounding-volume tree
_ROOM_M = 2.0  # above and below

_POLYGON = np.dtype(
    [("link", "<u4"), ("corners", "<u2", 6), ("neighbours", "<u2", 6), ("flags", "<u2"),
     ("count", "u1"), ("area", "u1")]
)  # fmt: skip
_DETAIL = np.dtype(
    [("vertex", "<u4"), ("triangle", "<u4"), ("vertices", "u1"), ("triangles", "u1"),
     ("pad", "<u2")]
)  # fmt: skip
_NODE = np.dtype([("low", "<u2", 3), ("high", "<u2", 3), ("item", "<i4")])
_LINK_BYTES = 12


class NavPolygons(NamedTuple):
    """What a mesh consists of."""

    corners: F32  # (V, 3) m, Detour's axes
    rings: Sequence[tuple[int, ...]]  # 3 to 6 corners, clockwise in x and Detour's z
    areas: Sequence[int]
    flags: Sequence[int]


def encode(mesh: NavPolygons) -> bytes:
    """The bytes of the file.

    Raises:
        ValueError: more polygons than a tile can hold.
    """
    count = len(mesh.rings)
    if not 0 < count <= MAX_POLYGONS or len(mesh.corners) > 0xFFFF:
        raise ValueError(f"{count} polygons, expected 1 to {MAX_POLYGONS}")
    low, high = mesh.corners.min(0), mesh.corners.max(0)
    low[1] -= _ROOM_M
    high[1] += _ROOM_M
    tile = _tile(mesh, low, high)
    poly_bits = max((count - 1).bit_length(), 1)
    width, depth = float(high[0] - low[0]) + 1.0, float(high[2] - low[2]) + 1.0
    head = struct.pack("<3i", _SET_MAGIC, _SET_VERSION, 1)
    head += struct.pack("<5f2i", *low.tolist(), width, depth, 1, 1 << poly_bits)
    return head + struct.pack("<Ii", 1 << poly_bits, len(tile)) + tile  # salt 1, tile 0


def _tile(mesh: NavPolygons, low: F32, high: F32) -> bytes:
    polygons = _polygons(mesh)
    links = int(polygons["count"].sum())
    details, triangles = _details(mesh.rings)
    tree = _tree(mesh, low)
    counts = (len(polygons), len(mesh.corners), links, len(details), 0, len(triangles), len(tree))
    head = struct.pack("<5iI", _TILE_MAGIC, _TILE_VERSION, 0, 0, 0, 0)
    head += struct.pack("<9i", *counts, 0, len(polygons))  # no off-mesh connections
    head += struct.pack("<3f", _WALKER_HEIGHT_M, _WALKER_RADIUS_M, _CLIMB_M)
    head += struct.pack("<7f", *low.tolist(), *high.tolist(), 1.0 / _QUANT_M)
    return b"".join(
        [head, mesh.corners.astype("<f4").tobytes(), polygons.tobytes(), bytes(links * _LINK_BYTES),
         details.tobytes(), triangles.tobytes(), tree.tobytes()]
    )  # fmt: skip


def _polygons(mesh: NavPolygons) -> NDArray[np.void]:
    sides = {
        side: number
        for number, ring in enumerate(mesh.rings)
        for side in zip(ring, ring[1:] + ring[:1], strict=True)
    }
    table = np.zeros(len(mesh.rings), _POLYGON)
    for number, ring in enumerate(mesh.rings):
        row = table[number]
        row["corners"][: len(ring)] = ring
        for k, (a, b) in enumerate(zip(ring, ring[1:] + ring[:1], strict=True)):
            row["neighbours"][k] = sides.get((b, a), -1) + 1
    table["count"] = [len(ring) for ring in mesh.rings]
    table["area"], table["flags"] = mesh.areas, mesh.flags
    return table


def _details(rings: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
    """Each polygon as a fan of triangles, whose last byte flags edges of the polygon."""
    table = np.zeros(len(rings), _DETAIL)
    triangles: list[tuple[int, int, int, int]] = []
    for row, ring in zip(table, rings, strict=True):
        row["triangle"], row["triangles"] = len(triangles), len(ring) - 2
        for j in range(2, len(ring)):
            edges = 4 | (1 if j == 2 else 0) | (16 if j == len(ring) - 1 else 0)
            triangles.append((0, j - 1, j, edges))
    return table, np.array(triangles, np.uint8)


def _tree(mesh: NavPolygons, low: F32) -> NDArray[np.void]:
    """The bounding volumes in depth-first order; an inner node holds minus what it spans."""
    boxes = np.zeros((len(mesh.rings), 2, 3), np.int64)
    for number, ring in enumerate(mesh.rings):
        corners = (mesh.corners[list(ring)] - low) / _QUANT_M
        boxes[number] = np.floor(corners.min(0)), np.ceil(corners.max(0))
    boxes = np.clip(boxes, 0, 0xFFFF)
    nodes: list[tuple[NDArray[np.int64], NDArray[np.int64], int]] = []
    _divide(boxes, np.arange(len(boxes)), nodes)
    table = np.zeros(2 * len(boxes), _NODE)  # Detour counts one node too many
    for row, (least, most, item) in zip(table, nodes, strict=False):
        row["low"], row["high"], row["item"] = least, most, item
    return table[: len(nodes)]


def _divide(
    boxes: NDArray[np.int64],
    items: NDArray[np.int64],
    nodes: list[tuple[NDArray[np.int64], NDArray[np.int64], int]],
) -> None:
    least, most = boxes[items, 0].min(0), boxes[items, 1].max(0)
    here = len(nodes)
    if len(items) == 1:
        nodes.append((least, most, int(items[0])))
        return
    nodes.append((least, most, 0))
    axis = int(np.argmax(most - least))
    order = items[np.argsort(boxes[items, 0, axis], kind="stable")]
    half = len(order) // 2
    _divide(boxes, order[:half], nodes)
    _divide(boxes, order[half:], nodes)
    nodes[here] = (least, most, here - len(nodes))
