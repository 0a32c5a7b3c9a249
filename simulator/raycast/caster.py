"""What rays from a sensor meet: the scenery in the detail a camera there would see, and bodies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.raycast.layout import I32, Placement, Trees, make_scratch, make_trees
from simulator.raycast.trees import box_faces, build, cast
from simulator.render.moving import Placed, model_of, nearby
from simulator.render.renderer import Renderer
from simulator.render.solids import Model
from simulator.types import F32, F64, U8, Drawable

_PARTS = 4  # of the rays, for the threads
_WORTH_SHARING = 256  # rays
_MARGIN_M = 1e-3
_NO_CHUNKS = np.zeros(0, np.int64)
_MODEL_FACES = 131_072  # kept at once; the walkers of a crowd have some hundred shapes


class Hits(NamedTuple):
    """What N rays met."""

    distance_m: F64  # (N,) infinite for nothing
    facing: F64  # (N,) cosine of the angle of incidence
    tags: U8  # (N,) Tag, 0 for nothing
    bodies: NDArray[np.int32]  # (N,) index of the drawable, -1 for scenery or nothing

    def only(self, which: NDArray[np.bool_]) -> Hits:
        """The hits of the chosen rays."""
        return Hits(
            self.distance_m[which], self.facing[which], self.tags[which], self.bodies[which]
        )


class _Body(NamedTuple):
    """A thing that moves or switches, where it stands."""

    start: int  # its first face
    low: F64  # (3,) of its box in the world, m
    high: F64  # (3,) m
    rotation: F64  # (3, 3)
    origin: F64  # (3,) m
    number: int  # index of the drawable


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
        """First face of a model whose tree is there. Raises KeyError if there is no more room."""
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
        self._scratch = [make_scratch() for _ in range(_PARTS)]

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
        origin = np.ascontiguousarray(origin, np.float64)
        found = Hits(
            np.empty(len(directions)), np.zeros(len(directions)),
            np.zeros(len(directions), np.uint8), np.full(len(directions), -1, np.int32),
        )  # fmt: skip
        if not len(directions):
            return found
        reach = float(reaches_m.max())
        near = [b for b in self._bodies(origin, reach, bodies) if not self._roofs(b, origin)]
        self._run(origin, directions, reaches_m, self._chunks(origin, reach), near, found)
        return found

    def _chunks(self, origin: F64, reach: float) -> NDArray[np.int64]:
        """Chunks within reach in the detail that a camera would see (`chunks.visible`)."""
        tri, chunks, _ = self._renderer.static
        away = np.maximum(np.maximum(chunks.low - origin, origin - chunks.high), 0.0)
        flat = np.hypot(chunks.middle[:, 0] - origin[0], chunks.middle[:, 1] - origin[1])
        near = (away**2).sum(1) < reach * reach
        near &= (flat >= chunks.near_m) & (flat < chunks.far_m)
        for n in np.flatnonzero(near & ~self._has_tree):
            start, stop = int(chunks.starts[n]), int(chunks.stops[n])
            boxes = np.empty((stop - start, 6), np.float32)
            box_faces(tri.corners, start, stop, boxes)
            build(boxes, start, stop, self._trees, self._scratch[0])
            self._has_tree[n] = True
        return np.flatnonzero(near)

    def _bodies(self, origin: F64, reach: float, bodies: Sequence[Drawable]) -> list[_Body]:
        numbers = {id(thing): n for n, thing in enumerate(bodies)}
        placed = nearby(bodies, origin, reach + 15.0)
        try:
            return [self._body(p, numbers[id(p.thing)]) for p in placed]
        except KeyError:
            self._models.clear()
            return [self._body(p, numbers[id(p.thing)]) for p in placed]

    def _body(self, placed: Placed, number: int) -> _Body:
        start = self._models.start_of(model_of(placed))
        box = self._models.trees.nodes[2 * start].astype(np.float64)
        rotation = placed.rotation.astype(np.float64)
        centre, half = 0.5 * (box[:3] + box[3:]), 0.5 * (box[3:] - box[:3])
        at = np.array(placed.thing.pose[:3])
        middle, spread = at + rotation @ centre, np.abs(rotation) @ half + 1e-4
        return _Body(start, middle - spread, middle + spread, rotation, at, number)

    def _roofs(self, thing: _Body, origin: F64) -> bool:
        """Whether a body covers a point that lies within its box."""
        if not ((thing.low <= origin) & (origin <= thing.high)).all():
            return False
        hits = Hits(np.empty(1), np.zeros(1), np.zeros(1, np.uint8), np.full(1, -1, np.int32))
        up = np.array([[0.0, 0.0, 1.0]])
        self._run(origin, up, np.full(1, 10.0), _NO_CHUNKS, [thing], hits)
        return math.isfinite(hits.distance_m[0])

    def _run(
        self,
        origin: F64,
        directions: F64,
        reaches: F64,
        chunks: NDArray[np.int64],
        bodies: list[_Body],
        found: Hits,
    ) -> None:
        """Cast at chunks and bodies and write down what was found."""
        placed, upper = self._place(chunks, bodies)
        which, faces = (np.empty(len(directions), np.int32) for _ in range(2))
        still, models = self._renderer.static.triangles.corners, self._models
        rays = np.ascontiguousarray(directions, np.float64)
        parts = _PARTS if len(rays) >= _WORTH_SHARING else 1
        cuts = [len(rays) * n // parts for n in range(parts + 1)]

        def shoot(n: int) -> None:
            part = slice(cuts[n], cuts[n + 1])
            cast(
                origin, rays[part], reaches[part], still, self._trees, models.corners,
                models.trees, placed, upper, self._scratch[n],
                found.distance_m[part], which[part], faces[part],
            )  # fmt: skip

        if parts > 1:
            self._renderer.share(shoot, parts)
        else:
            shoot(0)
        numbers = np.array([-1] * len(chunks) + [b.number for b in bodies], np.int32)
        self._describe(directions, placed, numbers, which, faces, found)

    def _place(self, chunks: NDArray[np.int64], bodies: list[_Body]) -> tuple[Placement, Trees]:
        """Chunks and after them bodies as items of a tree, and the tree."""
        still, count = self._renderer.static.chunks, len(chunks) + len(bodies)
        rotations, origins = np.zeros((count, 3, 3)), np.zeros((count, 3))
        starts, boxes = np.empty(count, np.int32), np.empty((count, 6), np.float32)
        starts[: len(chunks)] = still.starts[chunks]
        # Grown by more than what 32 bits take away.
        boxes[: len(chunks), :3] = still.low[chunks] - _MARGIN_M
        boxes[: len(chunks), 3:] = still.high[chunks] + _MARGIN_M
        for n, body in enumerate(bodies, len(chunks)):
            starts[n], rotations[n], origins[n] = body.start, body.rotation, body.origin
            boxes[n, :3], boxes[n, 3:] = body.low - _MARGIN_M, body.high + _MARGIN_M
        upper = make_trees(max(count, 1))
        if count:
            build(boxes, 0, count, upper, self._scratch[0])
        return Placement(starts, np.arange(count) >= len(chunks), rotations, origins), upper

    def _describe(
        self,
        directions: F64,
        placed: Placement,
        bodies: I32,
        which: I32,
        faces: I32,
        found: Hits,
    ) -> None:
        """Write down what the faces are that were hit: scenery first, then bodies."""
        tri, models = self._renderer.static.triangles, self._models
        of_body = placed.moves[which] & (which >= 0) if len(placed.moves) else which >= 0
        for hit, is_body in ((which >= 0) & ~of_body, False), (of_body, True):
            at, face = np.flatnonzero(hit), faces[hit]
            if is_body:
                turns = placed.rotations[which[at]]
                normals = np.einsum("nij,nj->ni", turns, models.normals[face])
                found.tags[at] = models.tags[face]
                found.bodies[at] = bodies[which[at]]
            else:
                normals = tri.normals[face]
                found.tags[at] = tri.tags[face]
            found.facing[at] = np.abs((normals * directions[at]).sum(1))
