"""Arrays in which trees of boxes, what they stand for and their work space lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.types import F32, F64

I32 = NDArray[np.int32]

DEPTH = 96  # of the stacks; trees are cut in halves below level 40, so none comes near
BINS = 12  # of the surface area heuristic


class Trees(NamedTuple):
    """A row of trees; the tree over items s to t has its nodes at 2s to 2t."""

    nodes: F32  # (2F, 6) low and high corner of each node's box, m
    links: (
        I32  # (2F, 2) second child and 0, or first item and their number; the first child follows
    )
    order: I32  # (F,) items of a tree, counted from its first one


class Scratch(NamedTuple):
    """Work space of the kernels."""

    ranges: I32  # (DEPTH, 4)
    bins: F64  # (BINS + 1, 7)
    areas: F64  # (BINS,)
    outer: I32  # (DEPTH,)
    outer_m: F64  # (DEPTH,)
    inner: I32  # (DEPTH,)
    inner_m: F64  # (DEPTH,)


class Placement(NamedTuple):
    """Trees of faces that stand in the world: the items of the tree above them."""

    starts: I32  # (E,) first face
    moves: NDArray[np.bool_]  # (E,) whether the faces are those of a model in its own frame
    rotations: F64  # (E, 3, 3) local to world, for models
    origins: F64  # (E, 3) m, for models


def make_trees(count: int) -> Trees:
    """Room for trees over a number of items; memory is taken only where trees are built."""
    return Trees(
        np.empty((2 * count, 6), np.float32),
        np.empty((2 * count, 2), np.int32),
        np.empty(count, np.int32),
    )


def make_scratch() -> Scratch:
    """Work space for one thread."""
    return Scratch(
        np.empty((DEPTH, 4), np.int32),
        np.empty((BINS + 1, 7), np.float64),
        np.empty(BINS, np.float64),
        np.empty(DEPTH, np.int32),
        np.empty(DEPTH, np.float64),
        np.empty(DEPTH, np.int32),
        np.empty(DEPTH, np.float64),
    )
