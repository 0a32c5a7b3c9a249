"""The renderer: what a camera in a town sees, drawn by compiled kernels on one or more threads."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np

from simulator.kernel_cache import is_kept
from simulator.render import glare
from simulator.render.chunks import Static, cut, empty_triangles, visible
from simulator.render.ground_maps import (
    MOVING_CELL_M,
    MOVING_CELLS,
    GroundMaps,
    light_ground,
    mean_roof,
    measure_heights,
    no_maps,
    stamp_moving,
    sweep_shadow,
)
from simulator.render.moving import (
    Placed,
    beams_of,
    in_sight,
    model_of,
    nearby,
    palette_of,
    place,
    shadow_boxes,
)
from simulator.render.passes import (
    Bins,
    Visibility,
    compose_bands,
    draw_bands,
    gather_bands,
    new_scratch,
    project_slices,
    sort_slices,
)
from simulator.render.rain import add_rain
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
from simulator.render.threads import Crew
from simulator.render.weather import Light, light_of
from simulator.types import F32, F64, U8, Camera, Drawable, Frame, Scenery, Weather

logger = logging.getLogger(__name__)

MOVING_REACH_M = 400.0
# Fog hides what lies behind it from the eye, but tags and depth still serve a thermal camera,
# which sees some way further.
FOG_REACH_M = 150.0
_SLICES = 16  # shares of the faces; fixed, so that threads do not change the order of drawing
_BAND_ROWS = 16
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
    """Draws one town. Not for use by several threads at once; threads of its own it has."""

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
        self.threads = max(1, threads if threads is not None else min(2, os.cpu_count() or 1))
        self._crew = Crew(self.threads)
        self._static: Static = cut(scenery, _MOVING_FACES)
        self._lamps = np.ascontiguousarray(scenery.lamps, np.float32).reshape(-1, 3)
        self._textures: U8 = grow_textures()
        self._heights = measure_heights(scenery)
        self._roof = mean_roof(self._heights)
        self._lamp_map: F32 | None = None
        self._shadow_sun: tuple[float, float] | None = None
        self._shadow: F32 = np.full_like(self._heights.top, -1000.0)
        self._moving = np.zeros((MOVING_CELLS, MOVING_CELLS, 2), np.uint8)
        self._moving_z = np.zeros((MOVING_CELLS, MOVING_CELLS), np.float32)
        self._curve = glare.tone_curve()
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
        if not self._started and self._fresh:
            logger.info("compiling the renderer, about half a minute, once per installation")
        began = perf_counter()
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
        targets = Targets(
            np.empty((camera.height, camera.width, 3), np.float32),
            np.empty((camera.height, camera.width), np.uint8),
            np.empty((camera.height, camera.width), np.float32),
            np.empty((camera.height, camera.width), np.uint16),
        )
        directions = np.empty((camera.height if normals else 0, camera.width, 3), np.float32)
        around = about() if about is not None else None
        self._draw(tri, around, light, view, bands, samples, targets, directions)
        drawn = perf_counter()
        bgra = np.zeros((camera.height, camera.width, 4), np.uint8)
        if around is not None:
            self.finish(targets, around.sources, light, view, time_s, shot_noise_seed, bgra)
        self.stages = Stages(
            culled - began, transformed - culled, drawn - transformed, perf_counter() - drawn
        )
        if not self._started:
            self._started = True
            if self._fresh:
                logger.info("renderer compiled in %.1f s", perf_counter() - began)
        return Frame(
            bgra, targets.tags, targets.depth, targets.instances, directions if normals else None
        )

    @property
    def static(self) -> Static:
        """The town's faces; those behind the first `still` ones change with every frame."""
        return self._static

    def rest(self) -> None:
        """Give up what can be made again in a moment; for towns that nobody is in."""
        self._lamp_map = None

    def close(self) -> None:
        """End the threads."""
        self._crew.close()

    def _begin(
        self, placed: list[Placed], light: Light, view: View, reach: float
    ) -> Callable[[], Surroundings]:
        """Work out what the shading needs beside the search for faces; a call waits for it."""

        def work() -> Surroundings:
            maps = self._maps(light, placed, view)
            sources = glare.light_sources(placed, self._lamps, light, view, reach)
            return Surroundings(maps, beams_of(placed, light), sources)

        return self._crew.ahead(work)

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
        band_rows = _LOW_BAND_ROWS if view.height < _LOW_IMAGE_ROWS else _BAND_ROWS
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

        self._crew.together(project)
        if bins.needs.max() <= self._items.shape[1]:
            return bins
        self._items = np.empty((_SLICES, int(bins.needs.max()) * 3 // 2), np.int32)
        roomy = bins._replace(items=self._items)
        counter[0] = 0
        self._crew.together(
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
        """Visibility and shading, band by band."""
        maps = around.maps if around is not None else self._no_maps
        beams = around.beams if around is not None else _NO_BEAMS
        counter = np.zeros(1, np.int64)

        def work() -> None:
            scratch = new_scratch(samples, bands.band_rows, view.width)
            self._draw_bands(
                counter, tri, maps, self._textures, light, beams, view, bands,
                around is not None, scratch, targets, directions,
            )  # fmt: skip

        self._crew.together(work)

    def finish(
        self,
        targets: Targets,
        sources: F64,
        light: Light,
        view: View,
        time_s: float,
        seed: int,
        bgra: U8,
    ) -> None:
        """Rain, glare, exposure, noise and tone curve."""
        focal = 0.5 * view.width / float(np.linalg.norm(view.ray_x))
        if light.rain > 0.0:
            add_rain(targets, view, light, focal, time_s)
        screen = glare.project(sources, view)
        if len(sources):
            glare.add_sources(targets, sources, screen, focal)
        shape = glare.bloom_shape(view.width, view.height)
        bright = np.zeros(shape, np.float32)
        bloom = np.zeros(shape, np.float32)
        counter = np.zeros(2, np.int64)

        def gather() -> float:
            excess, totals = np.zeros((3, glare.CELL * shape[1])), np.empty((3, shape[1]))
            return gather_bands(
                counter[:1], targets.radiance, light.exposure, bright, excess, totals
            )

        has_bloom = max(self._crew.together(gather)) > 1e-3
        if has_bloom:
            unit = max(1, round(view.width / 400))
            spare, work, totals = (
                np.empty(shape, np.float32),
                np.empty(shape, np.float32),
                bright[0],
            )
            glare.spread(bright, bloom, spare, work, np.empty_like(totals), unit)
        if len(sources):
            fog = min(light.fog_per_m / 0.05, 1.0)
            glare.add_veil(bloom, sources, screen, focal, light.exposure, fog)
        has_bloom |= len(sources) > 0

        def compose() -> None:
            rows, steps = np.empty((4, view.width)), np.empty((3, view.width), np.int32)
            compose_bands(
                counter[1:], _BAND_ROWS, targets.radiance, bloom, has_bloom, light, self._curve,
                seed & 0x7FFFFFFF, rows, steps, bgra,
            )  # fmt: skip

        self._crew.together(compose)

    def _maps(self, light: Light, placed: list[Placed], view: View) -> GroundMaps:
        """Maps from above, brought up to date."""
        sun = (light.sun_x, light.sun_y)
        if light.sun_r > 0.0 and self._shadow_sun != sun:
            to_sun = np.array([light.sun_x, light.sun_y, light.sun_z])
            self._shadow = sweep_shadow(self._heights, to_sun)
            self._shadow_sun = sun
        lamps = self._lamp_map  # once: another thread may let the town rest
        if lamps is None and light.lamp > 0.0:
            lamps = self._lamp_map = light_ground(self._heights, self._lamps)
        lamps = np.zeros((2, 2, 4), np.float32) if lamps is None else lamps
        half = 0.5 * MOVING_CELLS * MOVING_CELL_M
        # The map reaches further ahead of the camera than behind it, and keeps to its grid.
        centre = view.eye[:2] + view.ray_z[:2] * np.float32(half * 0.8)
        x0, y0 = (float(np.floor(c / MOVING_CELL_M) * MOVING_CELL_M) - half for c in centre)
        climb = max(light.sun_z, 0.12)
        is_sunny = light.sun_r > 0.02 and light.sun_z > 0.02
        stamp_moving(
            self._moving,
            self._moving_z,
            x0,
            y0,
            shadow_boxes(placed),
            -light.sun_x / climb,
            -light.sun_y / climb,
            1.0 if is_sunny else 0.0,
        )
        h = self._heights
        return GroundMaps(
            h.x0, h.y0, h.cell, self._shadow, self._roof, lamps, x0, y0, self._moving,
            self._moving_z,
        )  # fmt: skip

    def share(self, work: Callable[[int], None], count: int) -> None:
        """Run work(0) to work(count - 1) on all threads, each taking the next one when free."""
        self._crew.share(work, count)


def view_of(camera: Camera) -> View:
    """The camera's rays and its projection."""
    if camera.width < 1 or camera.height < 1:
        raise ValueError(
            f"expected an image of at least 1x1 pixels, got {camera.width}x{camera.height}"
        )
    if not 1.0 <= camera.fov_deg <= 170.0:
        raise ValueError(f"expected a field of view of 1 to 170 degrees, got {camera.fov_deg}")
    rotation = camera.pose.rotation_matrix()
    tan_x = float(np.tan(np.radians(camera.fov_deg) / 2.0))
    tan_y = tan_x * camera.height / camera.width
    forward, right, up = rotation.T
    return View(
        eye=np.array(camera.pose[:3], np.float32),
        to_clip=np.array([right / tan_x, up / tan_y, forward], np.float32),
        ray_x=(right * tan_x).astype(np.float32),
        ray_y=(up * tan_y).astype(np.float32),
        ray_z=forward.astype(np.float32),
        width=camera.width,
        height=camera.height,
    )


def reach_of(light: Light) -> float:
    """How far to draw: all that the layers allow, or some way past what fog lets through."""
    density = light.fog_per_m + light.haze_per_m
    return max(FOG_REACH_M, 5.5 / density + light.fog_start_m)
