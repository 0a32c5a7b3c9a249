"""The renderer: what a camera in a town sees, drawn by compiled kernels on one or more threads."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np

from simulator.render import glare
from simulator.render.chunks import Static, cut, empty_triangles, visible
from simulator.render.finishing import BAND_ROWS, Finishing
from simulator.render.ground_maps import GroundMaps, no_maps
from simulator.render.moving import (
    Placed,
    beams_of,
    in_sight,
    model_of,
    nearby,
    palette_of,
    place,
)
from simulator.render.passes import (
    Bins,
    Visibility,
    draw_bands,
    new_scratch,
    project_slices,
    sort_slices,
)
from simulator.render.raster import (
    I32,
    RECORD_FLOATS,
    SAMPLE_X,
    Triangles,
    View,
    set_up,
)
from simulator.render.shade import Targets
from simulator.render.textures import grow_textures
from simulator.render.threads import RenderThreads
from simulator.render.town_maps import TownMaps
from simulator.render.view import reach_of, view_of
from simulator.render.weather import Light, light_of
from simulator.system.kernel_cache import is_kept
from simulator.types import F32, F64, U8, Camera, Drawable, Frame, Scenery, Weather

logger = logging.getLogger(__name__)

MOVING_REACH_M = 400.0
_SLICES = 16  # shares of the faces; fixed, so that threads do not change the order of drawing
_LOW_BAND_ROWS = 8  # of images that have few rows to share out
_LOW_IMAGE_ROWS = 160
_MOVING_FACES = 65_536
_NO_BEAMS = np.zeros((0, 8))


class Stages(NamedTuple):
    """Seconds the last frame spent in each stage."""

    cull: float
    transform: float
    raster_and_shade: float
    glare: float


class Surroundings(NamedTuple):
    """What the shading of a frame needs besides its faces."""

    maps: GroundMaps
    beams: F64
    sources: F64  # from `glare.light_sources`


class Renderer:
    """Draws one town on threads of its own. Only one thread at a time may call it."""

    # draws bands from what `_transform` gives
    _draw_bands: Callable[..., None] = staticmethod(draw_bands)

    def __init__(self, scenery: Scenery, threads: int | None = None) -> None:
        """Prepare a town for drawing.

        Args:
            scenery: what stands still.
            threads: how many draw; two by default, or one on a machine with a single core.
        """
        self._fresh = not is_kept(set_up)
        self._started = False
        count = max(1, threads if threads is not None else min(2, os.cpu_count() or 1))
        self._threads = RenderThreads(count)
        self._static: Static = cut(scenery, _MOVING_FACES)
        self._lamps = np.ascontiguousarray(scenery.lamps, np.float32).reshape(-1, 3)
        self._textures: U8 = grow_textures()
        self._maps = TownMaps(scenery, self._lamps)
        self.finishing = Finishing(self._threads)
        self._records = np.empty((1024, RECORD_FLOATS), np.float32)
        self._owners = np.empty(1024, np.int32)
        self._items: I32 = np.empty((_SLICES, 8192), np.int32)
        self._no_maps = no_maps()
        self.stages = Stages(0.0, 0.0, 0.0, 0.0)

    def render(
        self,
        camera: Camera,
        drawables: Sequence[Drawable],
        weather: Weather,
        time_s: float,
        *,
        shot_noise_seed: int = 0,
        color: bool = True,
        normals: bool = False,
    ) -> Frame:
        """Draw what a camera sees.

        Args:
            camera: pinhole camera in the world.
            drawables: everything that moves or switches.
            weather: CARLA's parameters.
            time_s: simulated time; moves the clouds.
            shot_noise_seed: of the sensor's noise; same seed, same noise.
            color: False leaves `bgra` black and saves the shading.
            normals: whether to write down the directions of surfaces.
        """
        began = perf_counter()
        self._note_start()
        view = view_of(camera)
        light = light_of(weather, time_s)
        reach = reach_of(light)
        placed = nearby(drawables, view.eye.astype(np.float64), min(reach, MOVING_REACH_M))
        about = self._begin(placed, light, view, reach) if color else None
        tri, starts, stops = self._collect(view, placed, light, reach)
        culled = perf_counter()
        samples = len(SAMPLE_X) if color else 1
        bands = self._transform(tri, starts, stops, view, samples)
        transformed = perf_counter()
        targets = _room_for(camera)
        directions = np.empty((camera.height if normals else 0, camera.width, 3), np.float32)
        around = about() if about is not None else None
        self._draw(tri, around, light, view, bands, samples, targets, directions)
        drawn = perf_counter()
        bgra = np.zeros((camera.height, camera.width, 4), np.uint8)
        if around is not None:
            self.finishing.finish(
                targets, around.sources, light, view, time_s, shot_noise_seed, bgra
            )
        self.stages = Stages(
            culled - began, transformed - culled, drawn - transformed, perf_counter() - drawn
        )
        self._note_end(perf_counter() - began)
        return Frame(
            bgra, targets.tags, targets.depth, targets.instances, directions if normals else None
        )

    def _note_start(self) -> None:
        if not self._started and self._fresh:
            logger.info("compiling the renderer, about half a minute, once per installation")

    def _note_end(self, spent_s: float) -> None:
        if not self._started and self._fresh:
            logger.info("renderer compiled in %.1f s", spent_s)
        self._started = True

    @property
    def threads(self) -> int:
        """How many threads draw."""
        return self._threads.count

    @property
    def static(self) -> Static:
        """The town's faces; those behind the first `still` ones change with every frame."""
        return self._static

    def rest(self) -> None:
        """Give up what can be made again in a moment; for towns that nobody is in."""
        self._maps.rest()

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    def _begin(
        self, placed: list[Placed], light: Light, view: View, reach: float
    ) -> Callable[[], Surroundings]:
        """Work out what the shading needs beside the search for faces; a call waits for it."""

        def work() -> Surroundings:
            maps = self._maps.at(light, placed, view)
            sources = glare.light_sources(placed, self._lamps, light, view, reach)
            return Surroundings(maps, beams_of(placed, light), sources)

        return self._threads.ahead(work)

    def _collect(
        self, view: View, placed: list[Placed], light: Light, reach: float
    ) -> tuple[Triangles, I32, I32]:
        """Faces to draw: ranges of the chunks in sight, moving things first."""
        tri, chunks, first = self._static
        room = len(tri.tags) - first
        used = 0
        for p in in_sight(placed, view):
            model = model_of(p)
            if used + len(model.slots) > room:
                tri = self._grow(max(2 * room, room + len(model.slots)))
                room = len(tri.tags) - first
            origin = np.array(p.thing.pose[:3], np.float32)
            palette = palette_of(p.thing, light)
            place(model, p.rotation, origin, palette, p.thing.instance & 0xFFFF, first + used, tri)
            used += len(model.slots)
        seen = visible(chunks, view, reach)
        starts = np.concatenate([[first], chunks.starts[seen]]).astype(np.int32)
        stops = np.concatenate([[first + used], chunks.stops[seen]]).astype(np.int32)
        return tri, starts, stops

    def _grow(self, room: int) -> Triangles:
        """More room for moving faces."""
        old, chunks, first = self._static
        tri = empty_triangles(first + room)
        for name in Triangles._fields:
            source = getattr(old, name)
            getattr(tri, name)[: len(source)] = source
        self._static = Static(tri, chunks, first)
        return tri

    def _transform(
        self, tri: Triangles, starts: I32, stops: I32, view: View, samples: int
    ) -> Bins | Visibility:
        """Project all faces and sort what is left of them by band, whatever the samples."""
        total = int((stops - starts).sum())
        if 2 * total > len(self._owners):
            self._records = np.empty((3 * total, RECORD_FLOATS), np.float32)
            self._owners = np.empty(3 * total, np.int32)
        band_rows = _LOW_BAND_ROWS if view.height < _LOW_IMAGE_ROWS else BAND_ROWS
        bounds = np.arange(_SLICES + 1, dtype=np.int64) * total // _SLICES
        bands = -(-view.height // band_rows)
        bins = Bins(
            self._records,
            self._owners,
            bounds,
            (2 * bounds[:-1]).astype(np.int32),
            np.zeros(_SLICES, np.int64),
            np.zeros(_SLICES, np.int64),
            np.empty((_SLICES, bands + 1), np.int32),
            self._items,
            band_rows,
        )
        counter = np.zeros(1, np.int64)

        def project() -> None:
            polygon, place = np.empty((4, 3), np.float32), np.empty(bands + 1, np.int32)
            project_slices(counter, tri.corners, starts, stops, view, bins, polygon, place)

        self._threads.together(project)
        if bins.needs.max() <= self._items.shape[1]:
            return bins
        self._items = np.empty((_SLICES, int(bins.needs.max()) * 3 // 2), np.int32)
        roomy = bins._replace(items=self._items)
        counter[0] = 0
        self._threads.together(
            lambda: sort_slices(counter, view.height, roomy, np.empty(bands + 1, np.int32))
        )
        return roomy

    def _draw(
        self,
        tri: Triangles,
        around: Surroundings | None,
        light: Light,
        view: View,
        bands: Bins | Visibility,
        samples: int,
        targets: Targets,
        directions: F32,
    ) -> None:
        """Find what is visible and shade it, band by band."""
        maps = around.maps if around is not None else self._no_maps
        beams = around.beams if around is not None else _NO_BEAMS
        counter = np.zeros(1, np.int64)

        def work() -> None:
            scratch = new_scratch(samples, bands.band_rows, view.width)
            self._draw_bands(
                counter, tri, maps, self._textures, light, beams, view, bands,
                around is not None, scratch, targets, directions,
            )  # fmt: skip

        self._threads.together(work)

    def share(self, work: Callable[[int], None], count: int) -> None:
        """Run work(0) to work(count - 1) on all threads, each taking the next one when free."""
        self._threads.share(work, count)


def _room_for(camera: Camera) -> Targets:
    shape = (camera.height, camera.width)
    return Targets(
        np.empty((*shape, 3), np.float32),
        np.empty(shape, np.uint8),
        np.empty(shape, np.float32),
        np.empty(shape, np.uint16),
    )
