"""The passes over an image as every thread runs them: each takes the next piece until none is left.

One call for each thread and pass instead of one for each piece: crossing from Python into a kernel
costs as much as some hundred pixels, and holds the interpreter lock, for which both threads wait.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core.imputils import impl_ret_untracked
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

from simulator.render.glare import compose_rows, gather_bright
from simulator.render.ground_maps import GroundMaps
from simulator.render.jit import kernel
from simulator.render.normals import normal_rows
from simulator.render.occlusion import TILE
from simulator.render.points import Points
from simulator.render.raster import I32, Triangles, View, bin_records, draw_band, set_up
from simulator.render.shade import Targets, label_rows, shade_rows
from simulator.render.weather import Light
from simulator.types import F32, F64, U8

I64 = NDArray[np.int64]


@intrinsic  # type: ignore[untyped-decorator]
def take_next(_: Any, counter: Any) -> Any:
    """Add one to the only element of an int64 array and return what it was, atomically."""
    if not (isinstance(counter, types.Array) and counter.dtype == types.int64):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = make_array(signature.args[0])(context, builder, args[0])
        one = ir.Constant(ir.IntType(64), 1)
        taken = builder.atomic_rmw("add", array.data, one, "monotonic")
        return impl_ret_untracked(context, builder, signature.return_type, taken)

    return types.int64(counter), generate


class Bins(NamedTuple):
    """The records of all slices, and which of them touch each band of rows."""

    records: F32  # (N, 9)
    owners: I32  # (N,) face of each record
    bounds: I64  # (S + 1,) first face of each slice; records have room for two of each face
    slices: I32  # (S,) first record
    counts: I64  # (S,) records
    needs: I64  # (S,) items that the slice needs room for
    begin: I32  # (S, B + 1) first item of each band
    items: I32  # (S, I) records by band, counted from the slice's first
    band_rows: int


@kernel
def project_slices(
    counter: I64,
    corners: F32,
    starts: I32,
    stops: I32,
    view: View,
    bins: Bins,
    polygon: F32,
    place: I32,
) -> None:
    """Project the faces of slices and sort their records by band.

    Args:
        counter: of the slices.
        corners: (F, 9) of all faces.
        starts: (R,) where ranges of faces to draw start.
        stops: (R,) where they stop.
        view: the camera.
        bins: to fill.
        polygon: (4, 3) scratch.
        place: (B + 1,) scratch.
    """
    while True:
        n = take_next(counter)
        if n >= len(bins.slices):
            return
        first, last = bins.bounds[n], bins.bounds[n + 1]
        records = bins.records[2 * first : 2 * last]
        owners = bins.owners[2 * first : 2 * last]
        bins.counts[n] = set_up(corners, starts, stops, first, last, view, records, owners, polygon)
        bins.needs[n] = bin_records(
            records, bins.counts[n], bins.band_rows, view.height, bins.begin[n], place,
            bins.items[n],
        )  # fmt: skip


@kernel
def sort_slices(counter: I64, height: int, bins: Bins, place: I32) -> None:
    """Sort the records of slices once more, with room for all items; `place` is scratch."""
    while True:
        n = take_next(counter)
        if n >= len(bins.slices):
            return
        first, last = bins.bounds[n], bins.bounds[n + 1]
        bins.needs[n] = bin_records(
            bins.records[2 * first : 2 * last], bins.counts[n], bins.band_rows, height,
            bins.begin[n], place, bins.items[n],
        )  # fmt: skip


class Visibility(NamedTuple):
    """What the samples of a whole image see, where that is known before its bands are drawn."""

    inverse_depth: F32  # (samples, H, W) 1/m, 0 for the sky
    faces: I32  # (samples, H, W), -1 for the sky
    band_rows: int


class Scratch(NamedTuple):
    """What one thread draws a band into."""

    inverse_depth: F32  # (samples, R, W) 1/m
    faces: I32  # (samples, R, W)
    points: Points
    lowest: F32  # (W,)
    tiles: F32  # (ceil(W / TILE),)


def new_scratch(samples: int, rows: int, width: int) -> Scratch:
    """Room for bands of `rows` rows."""
    shape, count = (samples, rows, width), samples * width
    numbers = np.empty((8, count))
    whole = np.empty((2, count), np.int32)
    return Scratch(
        np.empty(shape, np.float32),
        np.empty(shape, np.int32),
        Points(*whole, *numbers),
        np.empty(width, np.float32),
        np.empty(-(-width // TILE), np.float32),
    )


@kernel
def paint_rows(
    tri: Triangles,
    maps: GroundMaps,
    textures: U8,
    light: Light,
    beams: F64,
    view: View,
    first: int,
    last: int,
    is_shaded: bool,
    scratch: Scratch,
    targets: Targets,
    normals: F32,
) -> None:
    """Labels and, where wanted, shading and normals of the rows that `scratch` has seen."""
    label_rows(tri, first, last, scratch.inverse_depth, scratch.faces, targets)
    if len(normals) > 0:
        normal_rows(tri, view, first, last, scratch.faces, normals)
    if is_shaded:
        shade_rows(
            tri, maps, textures, light, beams, view, first, last, scratch.inverse_depth,
            scratch.faces, scratch.points, targets,
        )  # fmt: skip


@kernel
def draw_bands(
    counter: I64,
    tri: Triangles,
    maps: GroundMaps,
    textures: U8,
    light: Light,
    beams: F64,
    view: View,
    bins: Bins,
    is_shaded: bool,
    scratch: Scratch,
    targets: Targets,
    normals: F32,
) -> None:
    """Visibility, labels and, where wanted, shading and normals of bands.

    Args:
        counter: of the bands.
        tri: all faces.
        maps: from above; looked at where it is shaded.
        textures: from `grow_textures`.
        light: the weather's light.
        beams: of headlights.
        view: the camera.
        bins: what to draw.
        is_shaded: whether colour is wanted.
        scratch: of this thread.
        targets: the image.
        normals: (H, W, 3), or with no rows where nobody wants them.
    """
    while True:
        band = take_next(counter)
        first = band * bins.band_rows
        if first >= view.height:
            return
        last = min(first + bins.band_rows, view.height)
        draw_band(
            bins.records, bins.owners, bins.slices, bins.begin, bins.items, band, first, last,
            scratch.inverse_depth, scratch.faces, scratch.lowest, scratch.tiles,
        )  # fmt: skip
        paint_rows(
            tri, maps, textures, light, beams, view, first, last, is_shaded, scratch, targets,
            normals,
        )  # fmt: skip


@kernel
def gather_bands(
    counter: I64, radiance: F32, exposure: float, bright: F32, excess: F64, totals: F64
) -> float:
    """Fill the bloom grid row by row, see `gather_bright`; returns the greatest value."""
    most = 0.0
    while True:
        row = take_next(counter)
        if row >= len(bright):
            return most
        most = max(most, gather_bright(radiance, exposure, bright, row, excess, totals))


@kernel
def compose_bands(
    counter: I64,
    band_rows: int,
    radiance: F32,
    bloom: F32,
    has_bloom: bool,
    light: Light,
    curve: U8,
    seed: int,
    rows: F64,
    steps: I32,
    bgra: U8,
) -> None:
    """Bloom, exposure, noise and tone of bands; scratch as in `compose_rows`."""
    while True:
        first = take_next(counter) * band_rows
        if first >= len(bgra):
            return
        last = min(first + band_rows, len(bgra))
        compose_rows(radiance, bloom, has_bloom, light, curve, seed, first, last, rows, steps, bgra)
