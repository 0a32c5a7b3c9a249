"""Trees of bounding boxes over faces, and over trees that stand anywhere: building and searching.

All kernels stay in this one file: numba recompiles by the age of a kernel's own file only.
"""

from __future__ import annotations

import numpy as np

from simulator.raycast.layout import BINS, I32, Placement, Scratch, Trees
from simulator.render.jit import kernel
from simulator.types import F32, F64

_HALVE_BELOW = 40
_LEAF = 4  # items
_EPSILON = 1e-9


@kernel
def box_faces(corners: F32, start: int, stop: int, boxes: F32) -> None:
    """Write the boxes of faces `start` to `stop` into the first rows of `boxes` (N, 6)."""
    for f in range(start, stop):
        for a in range(3):
            p, q, r = corners[f, a], corners[f, 3 + a], corners[f, 6 + a]
            boxes[f - start, a] = min(p, q, r)
            boxes[f - start, 3 + a] = max(p, q, r)


@kernel
def build(boxes: F32, start: int, stop: int, trees: Trees, scratch: Scratch) -> None:
    """Build the tree over items `start` to `stop`, whose boxes are the first rows of `boxes`."""
    nodes, links, order = trees
    stack = scratch.ranges
    base = 2 * start
    for i in range(stop - start):
        order[start + i] = i
    used = 0
    top = 1
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, stop - start, -1, 0
    while top > 0:
        top -= 1
        first, last, parent, level = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        node = base + used
        used += 1
        if parent >= 0:
            links[parent, 0] = node - base
        _bound(boxes, order, start + first, start + last, nodes, node)
        if last - first <= _LEAF:
            links[node, 0], links[node, 1] = first, last - first
            continue
        middle = (first + last) // 2
        if level < _HALVE_BELOW:
            middle = _split(boxes, order, start + first, start + last, scratch) - start
        links[node, 1] = 0
        # The second child's parent learns where it lies; the first one comes next.
        stack[top, 0], stack[top, 1], stack[top, 2] = middle, last, node
        stack[top, 3] = level + 1
        top += 1
        stack[top, 0], stack[top, 1], stack[top, 2] = first, middle, -1
        stack[top, 3] = level + 1
        top += 1


@kernel
def _bound(boxes: F32, order: I32, first: int, last: int, nodes: F32, node: int) -> None:
    for a in range(3):
        nodes[node, a] = np.float32(np.inf)
        nodes[node, 3 + a] = np.float32(-np.inf)
    for n in range(first, last):
        for a in range(3):
            nodes[node, a] = min(nodes[node, a], boxes[order[n], a])
            nodes[node, 3 + a] = max(nodes[node, 3 + a], boxes[order[n], 3 + a])


@kernel
def _split(boxes: F32, order: I32, first: int, last: int, scratch: Scratch) -> int:
    """Sort a range of items in two, where the surface area heuristic wants it."""
    axis, low, high = 0, 0.0, -1.0
    for a in range(3):
        small, large = np.inf, -np.inf
        for n in range(first, last):
            centre = float(boxes[order[n], a]) + float(boxes[order[n], 3 + a])
            small = min(small, centre)
            large = max(large, centre)
        if large - small > high - low:
            axis, low, high = a, small, large
    if high - low < 1e-6:
        return (first + last) // 2
    per_m = BINS * 0.999999 / (high - low)
    _fill_bins(boxes, order, first, last, axis, low, per_m, scratch.bins)
    cut = _best_cut(scratch.bins, scratch.areas)
    left, right = first, last - 1
    while left <= right:
        item = order[left]
        centre = float(boxes[item, axis]) + float(boxes[item, 3 + axis])
        if int((centre - low) * per_m) < cut:
            left += 1
        else:
            order[left], order[right] = order[right], item
            right -= 1
    return left if first < left < last else (first + last) // 2


@kernel
def _fill_bins(
    boxes: F32,
    order: I32,
    first: int,
    last: int,
    axis: int,
    low: float,
    per_m: float,
    bins: F64,
) -> None:
    for b in range(BINS):
        bins[b, 6] = 0.0
        for a in range(3):
            bins[b, a] = np.inf
            bins[b, 3 + a] = -np.inf
    for n in range(first, last):
        item = order[n]
        b = int((float(boxes[item, axis]) + float(boxes[item, 3 + axis]) - low) * per_m)
        bins[b, 6] += 1.0
        for a in range(3):
            bins[b, a] = min(bins[b, a], boxes[item, a])
            bins[b, 3 + a] = max(bins[b, 3 + a], boxes[item, 3 + a])


@kernel
def _best_cut(bins: F64, areas: F64) -> int:
    """The bin at which the right part starts; the last row of `bins` serves as work space."""
    _clear(bins)
    for b in range(BINS - 1, 0, -1):
        areas[b] = _join(bins, b)
    _clear(bins)
    best, cut = np.inf, 1
    for b in range(1, BINS):
        cost = _join(bins, b - 1) + areas[b]
        if cost < best:
            best, cut = cost, b
    return cut


@kernel
def _clear(bins: F64) -> None:
    for a in range(3):
        bins[BINS, a] = np.inf
        bins[BINS, 3 + a] = -np.inf
    bins[BINS, 6] = 0.0


@kernel
def _join(bins: F64, b: int) -> float:
    """Add a bin to the last row; gives half the area of its box times the items in it."""
    sums = bins[BINS]
    sums[6] += bins[b, 6]
    for a in range(3):
        sums[a] = min(sums[a], bins[b, a])
        sums[3 + a] = max(sums[3 + a], bins[b, 3 + a])
    if sums[6] == 0.0:
        return 0.0
    x, y, z = sums[3] - sums[0], sums[4] - sums[1], sums[5] - sums[2]
    return float((x * y + y * z + z * x) * sums[6])


@kernel
def _enter(
    nodes: F32,
    n: int,
    ox: float,
    oy: float,
    oz: float,
    ix: float,
    iy: float,
    iz: float,
    limit: float,
) -> float:
    """Distance at which a ray enters a box, infinite if it does not before `limit`."""
    a, b = (nodes[n, 0] - ox) * ix, (nodes[n, 3] - ox) * ix
    enter, leave = min(a, b), max(a, b)
    a, b = (nodes[n, 1] - oy) * iy, (nodes[n, 4] - oy) * iy
    enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
    a, b = (nodes[n, 2] - oz) * iz, (nodes[n, 5] - oz) * iz
    enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
    enter = max(enter, 0.0)
    if enter <= leave + _EPSILON and enter <= limit:
        return float(enter)
    return float(np.inf)


@kernel
def _inverse(v: float) -> float:
    return 1.0 / v if abs(v) > 1e-12 else 1e12


@kernel
def _hit_face(
    corners: F32, f: int, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> float:
    """Distance to a face, infinite where the ray passes by (Moeller and Trumbore, both sides)."""
    ax, ay, az = float(corners[f, 0]), float(corners[f, 1]), float(corners[f, 2])
    ux, uy, uz = corners[f, 3] - ax, corners[f, 4] - ay, corners[f, 5] - az
    vx, vy, vz = corners[f, 6] - ax, corners[f, 7] - ay, corners[f, 8] - az
    px, py, pz = dy * vz - dz * vy, dz * vx - dx * vz, dx * vy - dy * vx
    det = ux * px + uy * py + uz * pz
    if abs(det) < 1e-14:
        return float(np.inf)
    inv = 1.0 / det
    sx, sy, sz = ox - ax, oy - ay, oz - az
    u = (sx * px + sy * py + sz * pz) * inv
    if u < -_EPSILON or u > 1.0 + _EPSILON:
        return float(np.inf)
    qx, qy, qz = sy * uz - sz * uy, sz * ux - sx * uz, sx * uy - sy * ux
    v = (dx * qx + dy * qy + dz * qz) * inv
    if v < -_EPSILON or u + v > 1.0 + _EPSILON:
        return float(np.inf)
    t = (vx * qx + vy * qy + vz * qz) * inv
    return float(t) if t >= 0.0 else float(np.inf)


@kernel
def _search(
    corners: F32,
    trees: Trees,
    start: int,
    ox: float,
    oy: float,
    oz: float,
    dx: float,
    dy: float,
    dz: float,
    limit: float,
    scratch: Scratch,
) -> tuple[float, int]:
    """Nearest face of the tree at item `start` before `limit`: distance and face, -1 if none."""
    nodes, links, order = trees
    stack, stack_m = scratch.inner, scratch.inner_m
    ix, iy, iz = _inverse(dx), _inverse(dy), _inverse(dz)
    base = 2 * start
    best, face = limit, -1
    stack[0] = 0
    stack_m[0] = _enter(nodes, base, ox, oy, oz, ix, iy, iz, best)
    top = 1
    while top > 0:
        top -= 1
        if stack_m[top] > best or stack_m[top] == np.inf:
            continue
        node = stack[top]
        count = links[base + node, 1]
        if count > 0:
            first = start + links[base + node, 0]
            for n in range(first, first + count):
                f = start + order[n]
                t = _hit_face(corners, f, ox, oy, oz, dx, dy, dz)
                if t < best or (t == best and t < np.inf and (face < 0 or f < face)):
                    best, face = t, f
            continue
        near, far = node + 1, links[base + node, 0]
        a = _enter(nodes, base + near, ox, oy, oz, ix, iy, iz, best)
        b = _enter(nodes, base + far, ox, oy, oz, ix, iy, iz, best)
        if b < a:
            near, far, a, b = far, near, b, a
        if b < np.inf:
            stack[top] = far
            stack_m[top] = b
            top += 1
        if a < np.inf:
            stack[top] = near
            stack_m[top] = a
            top += 1
    return best, face


@kernel
def cast(
    origin: F64,
    directions: F64,
    reaches: F64,
    still: F32,
    still_trees: Trees,
    models: F32,
    model_trees: Trees,
    placed: Placement,
    upper: Trees,
    scratch: Scratch,
    distances: F64,
    entries: I32,
    faces: I32,
) -> None:
    """What rays from one point meet first.

    Args:
        origin: (3,) m.
        directions: (N, 3) unit vectors.
        reaches: (N,) m.
        still: (F, 9) faces in the world.
        still_trees: over them.
        models: (G, 9) faces of models in their own frames.
        model_trees: over them.
        placed: which trees stand where.
        upper: the tree over `placed`, from item 0 on.
        scratch: work space.
        distances: (N,) set to the distance in metres, infinite for nothing.
        entries: (N,) set to the item of `placed`, -1 for nothing.
        faces: (N,) set to the face, of `still` or of `models`.
    """
    stack, stack_m = scratch.outer, scratch.outer_m
    ox, oy, oz = origin[0], origin[1], origin[2]
    for ray in range(len(directions)):
        dx, dy, dz = directions[ray, 0], directions[ray, 1], directions[ray, 2]
        ix, iy, iz = _inverse(dx), _inverse(dy), _inverse(dz)
        best, found, face = reaches[ray], -1, -1
        top = 0
        if len(placed.starts) > 0:
            stack[0] = 0
            stack_m[0] = _enter(upper.nodes, 0, ox, oy, oz, ix, iy, iz, best)
            top = 1
        while top > 0:
            top -= 1
            if stack_m[top] > best or stack_m[top] == np.inf:
                continue
            node = stack[top]
            count = upper.links[node, 1]
            if count == 0:
                near, far = node + 1, upper.links[node, 0]
                a = _enter(upper.nodes, near, ox, oy, oz, ix, iy, iz, best)
                b = _enter(upper.nodes, far, ox, oy, oz, ix, iy, iz, best)
                if b < a:
                    near, far, a, b = far, near, b, a
                if b < np.inf:
                    stack[top] = far
                    stack_m[top] = b
                    top += 1
                if a < np.inf:
                    stack[top] = near
                    stack_m[top] = a
                    top += 1
                continue
            first = upper.links[node, 0]
            for n in range(first, first + count):
                e = upper.order[n]
                start = placed.starts[e]
                if placed.moves[e]:
                    r, o = placed.rotations[e], placed.origins[e]
                    sx, sy, sz = ox - o[0], oy - o[1], oz - o[2]
                    t, f = _search(
                        models, model_trees, start,
                        r[0, 0] * sx + r[1, 0] * sy + r[2, 0] * sz,
                        r[0, 1] * sx + r[1, 1] * sy + r[2, 1] * sz,
                        r[0, 2] * sx + r[1, 2] * sy + r[2, 2] * sz,
                        r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz,
                        r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz,
                        r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz,
                        best, scratch,
                    )  # fmt: skip
                else:
                    t, f = _search(still, still_trees, start, ox, oy, oz, dx, dy, dz, best, scratch)
                if f >= 0 and (t < best or found < 0 or e < found):
                    best, found, face = t, e, f
        distances[ray] = best if found >= 0 else np.inf
        entries[ray] = found
        faces[ray] = face
