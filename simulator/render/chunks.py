"""Static faces cut into chunks with bounding boxes; which of them a camera can see."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.render.jit import kernel
from simulator.render.raster import I32, Triangles, View
from simulator.types import F32, F64, Layer, Mesh, Scenery

_CELL_M = 40.0
_FINE_CELL_M = 20.0  # of layers that are swapped by distance


class Chunks(NamedTuple):
    """Ranges of faces with their boxes and the distances at which they are drawn."""

    starts: I32  # (C,)
    stops: I32  # (C,)
    low: F64  # (C, 3) m
    high: F64  # (C, 3) m
    middle: F64  # (C, 2) centre of the cell, m
    near_m: F64  # (C,)
    far_m: F64  # (C,)


class Static(NamedTuple):
    """The town as arrays with room for moving faces behind."""

    triangles: Triangles
    chunks: Chunks
    still: int  # faces that do not move


def cut(scenery: Scenery, room: int) -> Static:
    """Arrays of the whole town, sorted by chunk, with `room` more faces at the end."""
    layers = [layer for layer in scenery.layers if len(layer.mesh.faces)]
    count = sum(len(layer.mesh.faces) for layer in layers)
    tri = empty_triangles(count + room)
    rows: list[tuple[int, int, F64, F64, F64, float, float]] = []
    start = 0
    for layer in layers:
        start = _cut_layer(layer, tri, start, rows)
    columns: list[tuple[object, ...]] = list(zip(*rows, strict=True)) if rows else [()] * 7
    chunks = Chunks(
        np.array(columns[0], np.int32),
        np.array(columns[1], np.int32),
        np.array(columns[2], np.float64).reshape(-1, 3),
        np.array(columns[3], np.float64).reshape(-1, 3),
        np.array(columns[4], np.float64).reshape(-1, 2),
        np.array(columns[5], np.float64),
        np.array(columns[6], np.float64),
    )
    return Static(tri, chunks, count)


def empty_triangles(count: int) -> Triangles:
    """Buffers for a number of faces."""
    return Triangles(
        np.zeros((count, 9), np.float32),
        np.zeros((count, 3), np.float32),
        np.zeros((count, 6), np.float32),
        np.zeros((count, 4), np.uint8),
        np.zeros(count, np.uint8),
        np.zeros(count, np.uint8),
        np.zeros(count, np.uint16),
    )


def _cut_layer(
    layer: Layer,
    tri: Triangles,
    start: int,
    rows: list[tuple[int, int, F64, F64, F64, float, float]],
) -> int:
    """Append a layer's faces and chunks; returns where the next layer starts."""
    mesh: Mesh = layer.mesh
    size = _FINE_CELL_M if layer.near_m > 0.0 or layer.far_m < 200.0 else _CELL_M
    corners = mesh.positions[mesh.faces]  # (F, 3, 3)
    cell = np.floor(corners[:, :, :2].mean(1) / size).astype(np.int64)
    key = (cell[:, 0] + 100_000) * 1_000_000 + cell[:, 1] + 100_000
    order = np.argsort(key, kind="stable")
    stop = start + len(order)
    _fill(tri, slice(start, stop), mesh, corners, order)
    keys, begins = np.unique(key[order], return_index=True)
    ends = np.append(begins[1:], len(order))
    for begin, end, k in zip(begins, ends, keys, strict=True):
        points = tri.corners[start + begin : start + end].reshape(-1, 3).astype(np.float64)
        middle = (np.array([k // 1_000_000, k % 1_000_000]) - 100_000 + 0.5) * size
        rows.append(
            (
                int(start + begin),
                int(start + end),
                points.min(0),
                points.max(0),
                middle,
                layer.near_m,
                layer.far_m,
            )
        )
    return stop


def _fill(tri: Triangles, place: slice, mesh: Mesh, corners: F32, order: NDArray[np.int64]) -> None:
    chosen = corners[order]
    tri.corners[place] = chosen.reshape(-1, 9)
    normals = np.cross(chosen[:, 1] - chosen[:, 0], chosen[:, 2] - chosen[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    tri.normals[place] = normals
    tri.uvs[place] = mesh.uvs[mesh.faces[order]].reshape(-1, 6)
    tri.colors[place, :3] = mesh.colors[order]
    tri.materials[place] = mesh.materials[order]
    tri.tags[place] = mesh.tags[order]


def visible(chunks: Chunks, view: View, reach_m: float) -> NDArray[np.int64]:
    """Indices of chunks that the camera may see, nearest first."""
    m = view.to_clip.astype(np.float64)
    planes = np.array((m[2] + m[0], m[2] - m[0], m[2] + m[1], m[2] - m[1], m[2]))
    found = np.empty(len(chunks.starts), np.int64)
    distance = np.empty(len(chunks.starts))
    count = _find_visible(chunks, view.eye.astype(np.float64), planes, reach_m, found, distance)
    return found[np.argsort(distance[:count], kind="stable")]


@kernel
def _find_visible(
    chunks: Chunks,
    eye: F64,
    planes: F64,
    reach_m: float,
    found: NDArray[np.int64],
    distance: F64,
) -> int:
    """Fill `found` with chunks that meet the pyramid of `planes`; returns how many."""
    count = 0
    for k in range(len(chunks.starts)):
        flat = math.hypot(chunks.middle[k, 0] - eye[0], chunks.middle[k, 1] - eye[1])
        if not chunks.near_m[k] <= flat < chunks.far_m[k]:
            continue
        away2 = 0.0
        for a in range(3):
            away = max(max(chunks.low[k, a] - eye[a], eye[a] - chunks.high[k, a]), 0.0)
            away2 += away * away
        if not np.sqrt(away2) < reach_m:
            continue
        is_seen = True
        for p in range(len(planes)):
            ahead = 0.0
            for a in range(3):
                corner = chunks.high[k, a] if planes[p, a] > 0.0 else chunks.low[k, a]
                ahead += (corner - eye[a]) * planes[p, a]
            is_seen &= ahead > 0.0
        if is_seen:
            found[count] = k
            distance[count] = np.sqrt(away2)
            count += 1
    return count
