"""Trees and bushes in near and far shapes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.scenery.meshes import Look, MeshBuilder, ball
from simulator.types import F64, Layer, Material, Mesh, Obstacle, Tag

NEAR_M = 50.0
FAR_M = 260.0
_BUSH_FAR_M = 90.0
_BARK = Look(Material.BARK, Tag.VEGETATION, (92, 74, 58))
_KINDS = 4  # the last one is a conifer
_GREENS = ((74, 104, 46), (88, 112, 52), (62, 92, 44), (46, 78, 48))
_TRUNK_HALF_M = 0.14
_MANY = 500  # towns with more trees get simpler ones


class Plant(NamedTuple):
    """A placed tree or bush."""

    x: float
    y: float
    z: float
    yaw: float
    scale: float
    kind: int  # below _KINDS a tree, else a bush
    tint: float


BUSH = _KINDS


def random_plant(
    rng: np.random.Generator, place: tuple[float, float, float], kind: int | None = None
) -> Plant:
    """A plant of random size, turn and tint."""
    chosen = int(rng.choice(_KINDS, p=(0.32, 0.3, 0.26, 0.12))) if kind is None else kind
    scale = float(rng.uniform(0.8, 1.25))
    return Plant(*place, float(rng.uniform(0, 360)), scale, chosen, float(rng.uniform(0.82, 1.15)))


def grow_plants(plants: list[Plant], rng: np.random.Generator) -> list[Layer]:
    """Layers of all plants: full shapes close by, coarse ones far off."""
    near, far, bushes = MeshBuilder(), MeshBuilder(), MeshBuilder()
    for kind in range(_KINDS):
        fine, coarse = _tree(kind, rng, simple=sum(p.kind < BUSH for p in plants) > _MANY)
        poses, tints = _poses(plants, kind)
        near.place(fine, poses, tints)
        far.place(coarse, poses, tints)
    poses, tints = _poses(plants, BUSH)
    bushes.place(_bush(rng), poses, tints)
    return [
        Layer(near.build(), 0.0, NEAR_M),
        Layer(far.build(), NEAR_M, FAR_M),
        Layer(bushes.build(), 0.0, _BUSH_FAR_M),
    ]


def distant_woods(places: F64, rng: np.random.Generator) -> Layer:
    """Coarse clumps of trees for the horizon.

    Args:
        places: (N, 3) m.
        rng: for their sizes and turns.
    """
    builder = MeshBuilder()
    points, faces = ball(0)
    shape = points * (1.0 + 0.25 * rng.uniform(-1, 1, (len(points), 1)))
    mesh = MeshBuilder()
    mesh.add(shape * (1.0, 1.0, 0.9) + (0.0, 0.0, 0.55), faces, _leaf(2), _ball_uvs(points, 3.0))
    sizes = rng.uniform(4.0, 8.5, len(places))
    poses = np.column_stack([places, rng.uniform(0, 360, len(places)), sizes])
    tints = np.repeat(rng.uniform(0.75, 1.1, (len(places), 1)), 3, axis=1)
    builder.place(mesh.build(), poses, tints)
    return Layer(builder.build(), 0.0, 1200.0)


def trunk(plant: Plant) -> Obstacle | None:
    """The box one can run into, or nothing for a bush."""
    if plant.kind >= _KINDS:
        return None
    half = _TRUNK_HALF_M * plant.scale
    return Obstacle(
        plant.x, plant.y, plant.z + 1.5, plant.yaw, half, half, 1.6, int(Tag.VEGETATION)
    )


def _poses(plants: list[Plant], kind: int) -> tuple[F64, F64]:
    chosen = [plant for plant in plants if plant.kind == kind]
    poses = np.array([(p.x, p.y, p.z, p.yaw, p.scale) for p in chosen]).reshape(-1, 5)
    tints = np.array([(p.tint * 1.02, p.tint, p.tint * 0.95) for p in chosen]).reshape(-1, 3)
    return poses, tints


def _leaf(kind: int) -> Look:
    return Look(Material.LEAF, Tag.VEGETATION, _GREENS[kind % len(_GREENS)])


def _tree(kind: int, rng: np.random.Generator, *, simple: bool) -> tuple[Mesh, Mesh]:
    """Fine and coarse shape of one kind."""
    if kind == _KINDS - 1:
        return _conifer(9, 4), _conifer(5, 2)
    fine, coarse = MeshBuilder(), MeshBuilder()
    stem = float(rng.uniform(2.7, 3.3))
    fine.tube((0, 0, -0.3), (0, 0, stem + 1.2), (_TRUNK_HALF_M, 0.1), _BARK, 6)
    coarse.tube((0, 0, -0.3), (0, 0, stem + 1.0), (_TRUNK_HALF_M, 0.1), _BARK, 3)
    for k in range(3):
        angle = k * 2.1 + float(rng.uniform(0, 0.8))
        away = float(rng.uniform(0.6, 1.0))
        radius = float(rng.uniform(1.25, 1.75))
        spot = (away * np.cos(angle), away * np.sin(angle), stem + 1.2 + float(rng.uniform(0, 1)))
        _crown(fine, spot, radius, 0 if simple and k == 2 else 1, kind, rng)
    _crown(coarse, (0.0, 0.0, stem + 1.7), 2.05, 0, kind, rng)
    _crown(fine, (0.0, 0.0, stem + 2.6), 1.4, 0 if simple else 1, kind, rng)
    return fine.build(), coarse.build()


def _crown(
    builder: MeshBuilder,
    spot: tuple[float, float, float],
    radius: float,
    detail: int,
    kind: int,
    rng: np.random.Generator,
) -> None:
    points, faces = ball(detail)
    shape = points * radius * (1.0 + 0.16 * rng.uniform(-1.0, 1.0, (len(points), 1)))
    shape[:, 2] *= 0.88
    height = points[faces][:, :, 2].mean(1)
    shade = (0.9 + 0.2 * height + rng.uniform(-0.06, 0.06, len(faces)))[:, None]
    look = _leaf(kind)
    builder.add(
        shape + np.array(spot), faces, look, _ball_uvs(points, radius), np.array(look.color) * shade
    )


def _ball_uvs(points: F64, radius: float) -> F64:
    """Coordinates that wrap around without a seam that shows in leaves."""
    return (
        np.column_stack([points[:, 0] + 0.5 * points[:, 2], points[:, 1] + points[:, 2]]) * radius
    )


def _conifer(sides: int, tiers: int) -> Mesh:
    builder = MeshBuilder()
    builder.tube((0, 0, -0.3), (0, 0, 1.6), (0.16, 0.14), _BARK, max(3, sides // 2))
    look = _leaf(3)
    for tier in range(tiers):
        low = 1.0 + 5.4 * tier / tiers
        high = low + 5.4 / tiers * 1.7
        radius = 1.9 * (1.0 - 0.8 * tier / tiers)
        angle = np.arange(sides) * 2 * np.pi / sides + tier
        rim = np.column_stack([np.cos(angle) * radius, np.sin(angle) * radius, np.full(sides, low)])
        points = np.concatenate([rim, [[0.0, 0.0, high], [0.0, 0.0, low + 0.2]]])
        k = np.arange(sides)
        faces = np.concatenate(
            [
                np.column_stack([k, (k + 1) % sides, np.full(sides, sides)]),
                np.column_stack([(k + 1) % sides, k, np.full(sides, sides + 1)]),
            ]
        )
        builder.add(points, faces, look, points[:, :2] + points[:, 2:])
    return builder.build()


def _bush(rng: np.random.Generator) -> Mesh:
    builder = MeshBuilder()
    points, faces = ball(0)
    for spot, size in (((0.0, 0.0, 0.35), 0.75), ((0.5, 0.2, 0.25), 0.55)):
        shape = points * size * (1.0, 1.0, 0.8) * rng.uniform(0.85, 1.15, (len(points), 1))
        builder.add(shape + np.array(spot), faces, _leaf(0), _ball_uvs(points, size))
    return builder.build()
