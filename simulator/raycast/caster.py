"""What rays from a sensor meet: the scenery in the detail a camera there would see, and bodies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.raycast.layout import Placement, make_scratch, make_trees
from simulator.raycast.trees import box_faces, build, cast
from simulator.render.moving import Placed, model_of, nearby
from simulator.render.renderer import Renderer
from simulator.render.solids import Model
from simulator.types import F32, F64, U8, Drawable

_MODEL_FACES = 131_072  # kept at once; the walkers of a crowd have some hundred shapes


class Hits(NamedTuple):
    """What N rays met."""

    distance_m: F64  # (N,) infinite for nothing
    facing: F64  # (N,) cosine of the angle of incidence
    tags: U8  # (N,) Tag, 0 for nothing
    bodies: NDArray[np.int32]  # (N,) index of the drawable, -1 for scenery or nothing

    def only(self, which: NDArray[np.bool_]) -> Hits:
        """Those of the chosen rays."""
        return Hits(
            self.distance_m[which], self.facing[which], self.tags[which], self.bodies[which]
        )


class _Entry(NamedTuple):
    """One thing that rays can meet."""

    start: int  # its first face
    low: F64  # (3,) m
    high: F64  # (3,) m
    rotation: F64 | None  # (3, 3) of bodies
    origin: F64  # (3,) of bodies, m
    body: int  # index of the drawable, -1 for scenery


class _Models:
    """Faces and trees of the models that rays have come near to."""

    def __init__(self) -> None:
        self.corners: F32 = np.empty((_MODEL_FACES, 9), np.float32)
        self.normals: F32 = np.empty((_MODEL_FACES, 3), np.float32)
        self.tags: U8 = np.empty(_MODEL_FACES, np.uint8)
        self.trees = make_trees(_MODEL_FACES)
        self._known: dict[int, tuple[int, Model]] = {}  # by identity, which the model keeps alive
        self._used = 0
        self._scratch = make_scratch()

    def start_of(self, model: Model) -> int:
        """First face of a model; its tree is there. Raises KeyError if there is no more room."""
        known = self._known.get(id(model))
        if known is not None:
            return known[0]
        start, count = self._used, len(model.corners)
        if start + count > _MODEL_FACES:
            raise KeyError("no room")
        part = slice(start, start + count)
        self.corners[part] = model.corners
        self.normals[part] = model.normals
        self.tags[part] = model.tags
        boxes = np.empty((count, 6), np.float32)
        box_faces(self.corners, start, start + count, boxes)
        build(boxes, start, start + count, self.trees, self._scratch)
        self._used += count
        self._known[id(model)] = (start, model)
        return start

    def clear(self) -> None:
        """Forget all models."""
        self._known.clear()
        self._used = 0


class RayCaster:
    """Casts rays in one town. Not for use by several threads at once."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        still = renderer.static
        self._trees = make_trees(still.still)
        self._has_tree = np.zeros(len(still.chunks.starts), np.bool_)
        self._models = _Models()
        self._scratch = make_scratch()

    def cast(
        self, origin: F64, directions: F64, reaches_m: F64, bodies: Sequence[Drawable]
    ) -> Hits:
        """What rays from one point meet first.

        A body that roofs the origin over is left out: CARLA's meshes are seen from outside only, so
        that a sensor in the middle of its car looks through it.

        Args:
            origin: (3,) m.
            directions: (N, 3) unit vectors in the world.
            reaches_m: (N,) where the rays end.
            bodies: everything that moves or switches.
        """
        found = Hits(
            np.empty(len(directions)), np.zeros(len(directions)),
            np.zeros(len(directions), np.uint8), np.full(len(directions), -1, np.int32),
        )  # fmt: skip
        if not len(directions):
            return found
        reach = float(reaches_m.max())
        entries = self._scenery(origin, reach)
        things = self._bodies(origin, reach, bodies)
        for thing in things:
            if not self._roofs(thing, origin):
                entries.append(thing)
        self._run(origin, directions, reaches_m, entries, found)
        return found

    def _scenery(self, origin: F64, reach: float) -> list[_Entry]:
        """Chunks within reach in the detail that a camera would see (`chunks.visible`)."""
        tri, chunks, _ = self._renderer.static
        away = np.maximum(np.maximum(chunks.low - origin, origin - chunks.high), 0.0)
        flat = np.hypot(chunks.middle[:, 0] - origin[0], chunks.middle[:, 1] - origin[1])
        near = (away**2).sum(1) < reach * reach
        near &= (flat >= chunks.near_m) & (flat < chunks.far_m)
        entries = []
        for n in np.flatnonzero(near):
            start, stop = int(chunks.starts[n]), int(chunks.stops[n])
            if not self._has_tree[n]:
                boxes = np.empty((stop - start, 6), np.float32)
                box_faces(tri.corners, start, stop, boxes)
                build(boxes, start, stop, self._trees, self._scratch)
                self._has_tree[n] = True
            entries.append(_Entry(start, chunks.low[n], chunks.high[n], None, origin, -1))
        return entries

    def _bodies(self, origin: F64, reach: float, bodies: Sequence[Drawable]) -> list[_Entry]:
        numbers = {id(thing): n for n, thing in enumerate(bodies)}
        placed = nearby(bodies, origin, reach + 15.0)
        try:
            return [self._body(p, numbers[id(p.thing)]) for p in placed]
        except KeyError:
            self._models.clear()
            return [self._body(p, numbers[id(p.thing)]) for p in placed]

    def _body(self, placed: Placed, number: int) -> _Entry:
        start = self._models.start_of(model_of(placed))
        box = self._models.trees.nodes[2 * start].astype(np.float64)
        rotation = placed.rotation.astype(np.float64)
        centre, half = 0.5 * (box[:3] + box[3:]), 0.5 * (box[3:] - box[:3])
        at = np.array(placed.thing.pose[:3])
        middle, spread = at + rotation @ centre, np.abs(rotation) @ half + 1e-4
        return _Entry(start, middle - spread, middle + spread, rotation, at, number)

    def _roofs(self, thing: _Entry, origin: F64) -> bool:
        """Whether a body covers a point that lies within its box."""
        if not ((thing.low <= origin) & (origin <= thing.high)).all():
            return False
        hits = Hits(np.empty(1), np.zeros(1), np.zeros(1, np.uint8), np.full(1, -1, np.int32))
        up = np.array([[0.0, 0.0, 1.0]])
        self._run(origin, up, np.full(1, 10.0), [thing], hits)
        return math.isfinite(hits.distance_m[0])

    def _run(
        self, origin: F64, directions: F64, reaches: F64, entries: list[_Entry], found: Hits
    ) -> None:
        """Cast at the given things and write down what was found."""
        tri, models, count = self._renderer.static.triangles, self._models, len(entries)
        low = np.array([e.low for e in entries], np.float64).reshape(-1, 3)
        high = np.array([e.high for e in entries], np.float64).reshape(-1, 3)
        # Grown by more than what 32 bits take away.
        boxes: F32 = np.concatenate([low - 1e-3, high + 1e-3], 1).astype(np.float32)
        moves = np.array([e.rotation is not None for e in entries], np.bool_)
        placed = Placement(
            np.array([e.start for e in entries], np.int32),
            moves,
            np.array([np.eye(3) if e.rotation is None else e.rotation for e in entries]).reshape(
                -1, 3, 3
            ),
            np.array([e.origin for e in entries], np.float64).reshape(-1, 3),
        )
        upper = make_trees(max(count, 1))
        if count:
            build(boxes, 0, count, upper, self._scratch)
        which, faces = (np.empty(len(directions), np.int32) for _ in range(2))
        cast(
            np.ascontiguousarray(origin, np.float64), np.ascontiguousarray(directions, np.float64),
            np.ascontiguousarray(reaches, np.float64), tri.corners, self._trees,
            models.corners, models.trees, placed, upper, self._scratch,
            found.distance_m, which, faces,
        )  # fmt: skip
        hit = np.flatnonzero(which >= 0)
        entry, face = which[hit], faces[hit]
        of_model = moves[entry]
        model_face, still_face = np.where(of_model, face, 0), np.where(of_model, 0, face)
        turned = np.einsum("nij,nj->ni", placed.rotations[entry], models.normals[model_face])
        normals = np.where(of_model[:, None], turned, tri.normals[still_face])
        found.facing[hit] = np.abs((normals * directions[hit]).sum(1))
        found.tags[hit] = np.where(of_model, models.tags[model_face], tri.tags[still_face])
        found.bodies[hit] = np.array([e.body for e in entries], np.int32)[entry]
