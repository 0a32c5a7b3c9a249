"""Which faces lie wholly behind what a band of rows shows already, so that nobody draws them.

Most faces of a town stand behind houses. They are drawn nearest first, so that once the first of
them are there, one look at a few tiles of the band tells it of most others. What is left out would
have changed no sample: pictures are the same to the bit.
"""

from __future__ import annotations

import numpy as np

from simulator.render.jit import kernel
from simulator.types import F32

TILE = 8  # columns
# Slices before which the tiles are looked at again; later ones change little.
REFRESHED = (1, 2, 3, 4, 6, 8, 12)
# Coverage and depths are computed in single precision: 160 of its steps, and two columns.
_SLACK = np.float32(1e-5)
_SLACK_COLUMNS = np.float32(2.0)


@kernel
def find_farthest(inverse_depth: F32, rows: int, lowest: F32, tiles: F32) -> None:
    """Find the farthest that the samples of each tile see.

    Args:
        inverse_depth: (samples, R, W) 1/m, 0 for nothing.
        rows: how many of them are in the image; its last band may have fewer.
        lowest: (W,) scratch.
        tiles: (ceil(W / TILE),) set to the least inverse depth of each, 1/m.
    """
    samples, _, width = inverse_depth.shape
    for c in range(width):
        lowest[c] = inverse_depth[0, 0, c]
    for s in range(samples):
        for r in range(rows):
            depths = inverse_depth[s, r]
            for c in range(width):
                lowest[c] = depths[c] if depths[c] < lowest[c] else lowest[c]
    for n in range(len(tiles)):
        least = lowest[n * TILE]
        for c in range(n * TILE + 1, min(n * TILE + TILE, width)):
            least = min(least, lowest[c])
        tiles[n] = least


@kernel
def is_hidden(records: F32, t: int, width: int, tiles: F32) -> bool:
    """Whether no sample can see record `t` where the tiles show what they do.

    Args:
        records: (N, 9), see `raster`.
        t: which one.
        width: columns of the image.
        tiles: from `find_farthest`.
    """
    x0, y0 = records[t, 0], records[t, 1]
    x1, y1 = records[t, 2], records[t, 3]
    x2, y2 = records[t, 4], records[t, 5]
    zx, zy, z0 = records[t, 6], records[t, 7], records[t, 8]
    left, right = min(x0, x1, x2), max(x0, x1, x2)
    # Within a face no sample is nearer than its nearest corner.
    nearest = max(z0, z0 + zx * (x1 - x0) + zy * (y1 - y0), z0 + zx * (x2 - x0) + zy * (y2 - y0))
    reach_x = max(abs(left), abs(right)) + np.float32(width)
    reach_y = max(abs(y0), abs(y2))
    nearest += _SLACK * (z0 + abs(zx) * reach_x + abs(zy) * reach_y)
    last = np.float32(width - 1)
    first = int(min(max(left - _SLACK_COLUMNS, np.float32(0.0)), last)) // TILE
    final = int(min(max(right + _SLACK_COLUMNS, np.float32(0.0)), last)) // TILE
    for n in range(first, final + 1):  # noqa: SIM110  numba has no generators in `all`
        if not tiles[n] > nearest:
            return False
    return True
