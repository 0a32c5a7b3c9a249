"""Collects triangles: quads, boxes, tubes, balls, and copies of small meshes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.types import F32, F64, U8, Material, Mesh, Tag


class Look(NamedTuple):
    """What a surface is painted and called."""

    material: Material
    tag: Tag
    color: tuple[int, int, int]  # sRGB


@dataclass
class MeshBuilder:
    """Grows one mesh; `build` may be called once everything is in."""

    _positions: list[F32] = field(default_factory=list)
    _uvs: list[F32] = field(default_factory=list)
    _faces: list[NDArray[np.int32]] = field(default_factory=list)
    _colors: list[U8] = field(default_factory=list)
    _materials: list[U8] = field(default_factory=list)
    _tags: list[U8] = field(default_factory=list)
    _vertex_count: int = 0

    def add(
        self,
        positions: ArrayLike,
        faces: ArrayLike,
        look: Look,
        uvs: ArrayLike | None = None,
        colors: ArrayLike | None = None,
    ) -> None:
        """Add triangles.

        Args:
            positions: (V, 3) m.
            faces: (F, 3) indices into `positions`.
            look: material, tag and colour of all faces.
            uvs: (V, 2); x and y of the world where it is left out.
            colors: (F, 3) sRGB, instead of the look's colour.
        """
        points = np.asarray(positions, np.float32).reshape(-1, 3)
        triangles = np.asarray(faces, np.int32).reshape(-1, 3)
        if not len(triangles):
            return
        paint = np.asarray(look.color if colors is None else colors)
        self._positions.append(points)
        self._uvs.append(np.asarray(points[:, :2] if uvs is None else uvs, np.float32))
        self._faces.append(triangles + np.int32(self._vertex_count))
        painted = np.broadcast_to(np.clip(paint, 0, 255).astype(np.uint8), (len(triangles), 3))
        self._colors.append(painted)
        self._materials.append(np.full(len(triangles), look.material, np.uint8))
        self._tags.append(np.full(len(triangles), look.tag, np.uint8))
        self._vertex_count += len(points)

    def quads(
        self,
        corners: ArrayLike,
        look: Look,
        uvs: ArrayLike | None = None,
        colors: ArrayLike | None = None,
    ) -> None:
        """Add quads, (Q, 4, 3) around their rims; uvs (Q, 4, 2); colors (Q, 3)."""
        points = np.asarray(corners, np.float64).reshape(-1, 3)
        start = np.arange(0, len(points), 4)[:, None, None]
        faces = start + np.array([[0, 1, 2], [0, 2, 3]])
        flat = None if uvs is None else np.asarray(uvs, np.float64).reshape(-1, 2)
        paint = None if colors is None else np.repeat(np.asarray(colors), 2, axis=0)
        self.add(points, faces, look, flat, paint)

    def ribbon(self, left: F64, right: F64, look: Look, uvs: ArrayLike | None = None) -> None:
        """Add the band between two polylines of equal length, (N, 3) each."""
        corners = np.stack([left[:-1], right[:-1], right[1:], left[1:]], 1)
        self.quads(corners, look, uvs)

    def box(
        self,
        center: ArrayLike,
        half: ArrayLike,
        look: Look,
        yaw_deg: float = 0.0,
        *,
        bottom: bool = False,
    ) -> None:
        """Add a box with texture coordinates in metres; without its underside by default."""
        points = np.asarray(center) + turn(_BOX * np.asarray(half), yaw_deg)
        sides = _BOX_SIDES if bottom else _BOX_SIDES[:5]
        size = 2.0 * np.asarray(half)
        spans = [(size[0], size[2]), (size[1], size[2])] * 2 + [(size[0], size[1])] * 2
        uvs = np.array([[(0, 0), (u, 0), (u, v), (0, v)] for u, v in spans[: len(sides)]])
        self.quads(points[sides], look, uvs)

    def tube(
        self,
        foot: ArrayLike,
        top: ArrayLike,
        radii: tuple[float, float],
        look: Look,
        sides: int = 6,
    ) -> None:
        """Add a round bar between two points, without its ends."""
        a, b = np.asarray(foot, np.float64), np.asarray(top, np.float64)
        axis = (b - a) / np.linalg.norm(b - a)
        across = np.cross(axis, [1.0, 0.0, 0.0] if abs(axis[0]) < 0.9 else [0.0, 1.0, 0.0])
        across /= np.linalg.norm(across)
        angle = np.arange(sides + 1) * (2.0 * np.pi / sides)
        rim = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * np.cross(axis, across)
        turns = angle / (2.0 * np.pi)
        low = np.stack([turns, np.zeros_like(turns)], 1)
        high = np.stack([turns, np.full_like(turns, np.linalg.norm(b - a))], 1)
        uvs = np.stack([low[:-1], low[1:], high[1:], high[:-1]], 1)
        foot_rim, top_rim = a + rim * radii[0], b + rim * radii[1]
        corners = np.stack([foot_rim[:-1], foot_rim[1:], top_rim[1:], top_rim[:-1]], 1)
        self.quads(corners, look, uvs)

    def place(self, mesh: Mesh, poses: F64, tints: F64 | None = None) -> None:
        """Add copies of a mesh.

        Args:
            mesh: what to copy, around its own origin.
            poses: (N, 5) x, y, z in metres, yaw in degrees, scale.
            tints: (N, 3) factors on its colours.
        """
        if not len(poses):
            return
        count, angle = len(poses), np.radians(poses[:, 3])
        c, s = np.cos(angle), np.sin(angle)
        zero, one = np.zeros(count), np.ones(count)
        turns = np.array([[c, -s, zero], [s, c, zero], [zero, zero, one]]) * poses[:, 4]
        points = np.einsum("ijn,vj->nvi", turns, mesh.positions.astype(np.float64))
        points += poses[:, None, :3]
        self._positions.append(points.reshape(-1, 3).astype(np.float32))
        self._uvs.append(np.tile(mesh.uvs, (count, 1)))
        shift = np.arange(count, dtype=np.int32)[:, None, None] * np.int32(len(mesh.positions))
        self._faces.append((mesh.faces[None] + shift + self._vertex_count).reshape(-1, 3))
        factors = np.ones((count, 1, 3)) if tints is None else tints[:, None]
        painted = np.clip(mesh.colors[None] * factors, 0, 255).astype(np.uint8)
        self._colors.append(painted.reshape(-1, 3))
        self._materials.append(np.tile(mesh.materials, count))
        self._tags.append(np.tile(mesh.tags, count))
        self._vertex_count += count * len(mesh.positions)

    def build(self) -> Mesh:
        """The mesh of everything added so far."""
        return Mesh(
            np.concatenate([np.zeros((0, 3), np.float32), *self._positions]),
            np.concatenate([np.zeros((0, 2), np.float32), *self._uvs]),
            np.concatenate([np.zeros((0, 3), np.int32), *self._faces]),
            np.concatenate([np.zeros((0, 3), np.uint8), *self._colors]),
            np.concatenate([np.zeros(0, np.uint8), *self._materials]),
            np.concatenate([np.zeros(0, np.uint8), *self._tags]),
        )


def turn(points: F64, yaw_deg: float) -> F64:
    """Turn points, (N, 3), about the z axis; CARLA's yaw grows from x towards y."""
    c, s = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    turned: F64 = points @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    return turned


def ball(subdivisions: int) -> tuple[F64, NDArray[np.int32]]:
    """A unit icosphere: vertices (V, 3) and faces (F, 3); 20 * 4**n faces."""
    g = (1.0 + 5.0**0.5) / 2.0
    rim = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0)]
    corners = [(a, b, c) for a, b, c in rim]
    corners += [(c, a, b) for a, b, c in rim] + [(b, c, a) for a, b, c in rim]
    points = np.array(corners, np.float64) / np.hypot(1.0, g)
    faces = np.array(_ICOSAHEDRON, np.int32)
    for _ in range(subdivisions):
        points, faces = _split(points, faces)
    return points, faces


def _split(points: F64, faces: NDArray[np.int32]) -> tuple[F64, NDArray[np.int32]]:
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    unique, index = np.unique(edges, axis=0, return_inverse=True)
    middle = points[unique].mean(1)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    m = index.reshape(-1, 3).astype(np.int32) + np.int32(len(points))
    a, b, c = faces.T
    ab, bc, ca = m.T
    parts = [[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]]
    return np.concatenate([points, middle]), np.concatenate([np.stack(p, 1) for p in parts])


_ICOSAHEDRON = (
    (0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11),
    (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6), (7, 1, 8),
    (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9),
    (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1),
)  # fmt: skip
_BOX = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], np.float64)
_BOX_SIDES = [[0, 1, 5, 4], [1, 3, 7, 5], [3, 2, 6, 7], [2, 0, 4, 6], [4, 5, 7, 6], [0, 2, 3, 1]]
