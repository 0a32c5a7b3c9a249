"""The renderer with OpenGL for the visibility pass; everything else is the numba renderer's."""

from __future__ import annotations

import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from simulator.render.gl_window import GlWindow
from simulator.render.ground_maps import GroundMaps
from simulator.render.jit import kernel
from simulator.render.normals import normal_rows
from simulator.render.passes import I64, Bins, Scratch, new_scratch, take_next
from simulator.render.raster import I32, SAMPLE_X, Triangles, View
from simulator.render.renderer import Renderer, Surroundings
from simulator.render.shade import Targets, label_rows, shade_rows
from simulator.render.weather import Light
from simulator.types import F32, F64, U8, Scenery

_BAND_ROWS = 8
_NO_BEAMS = np.zeros((0, 8))


class GlRenderer(Renderer):
    """Draws one town through OpenGL. A thread of its own keeps the context."""

    def __init__(self, scenery: Scenery, threads: int | None = None) -> None:
        """Open a context and prepare a town for drawing.

        Args:
            scenery: what stands still.
            threads: how many shade, see `Renderer`.

        Raises:
            gl_window.GlError: moderngl or OpenGL is missing.
        """
        self._worker = ThreadPoolExecutor(1, "opengl")
        self._window = self._worker.submit(GlWindow).result()
        self.device = self._window.device
        # Towns are dropped without a word; the context must go in its own thread.
        self._end = weakref.finalize(self, _release, self._worker, self._window)
        self._end.atexit = False
        self._ranges: tuple[I32, I32] = (np.zeros(0, np.int32), np.zeros(0, np.int32))
        super().__init__(scenery, threads)

    def close(self) -> None:
        """End the threads and give the context back."""
        self._end()
        super().close()

    def _transform(self, tri: Triangles, starts: I32, stops: I32, view: View) -> Bins:
        """Nothing to project here: OpenGL does it while it draws."""
        self._ranges = starts, stops
        none = np.zeros(0, np.int64)
        empty = np.zeros((0, 1), np.int32)
        return Bins(
            self._records, self._owners, none, empty[:, 0], none, none, empty, empty, _BAND_ROWS
        )

    def _draw(
        self,
        tri: Triangles,
        around: Surroundings | None,
        light: Light,
        view: View,
        bins: Bins,
        targets: Targets,
        directions: F32,
    ) -> None:
        """Visibility in one go, then shading band by band."""
        maps = around.maps if around is not None else self._no_maps
        beams = around.beams if around is not None else _NO_BEAMS
        samples = len(SAMPLE_X) if around is not None else 1
        starts, stops = self._ranges
        seen = self._worker.submit(self._window.draw, tri, starts, stops, view, samples).result()
        counter = np.zeros(1, np.int64)

        def work() -> None:
            scratch = new_scratch(samples, bins.band_rows, view.width)
            shade_bands(
                counter, bins.band_rows, tri, maps, self._textures, light, beams, view,
                seen.inverse_depth, seen.faces, around is not None, scratch, targets, directions,
            )  # fmt: skip

        self._crew.together(work)


def _release(worker: ThreadPoolExecutor, window: GlWindow) -> None:
    worker.submit(window.release)
    worker.shutdown(wait=False)


@kernel
def shade_bands(
    counter: I64,
    band_rows: int,
    tri: Triangles,
    maps: GroundMaps,
    textures: U8,
    light: Light,
    beams: F64,
    view: View,
    inverse_depth: F32,
    faces: I32,
    is_shaded: bool,
    scratch: Scratch,
    targets: Targets,
    normals: F32,
) -> None:
    """Labels and, where wanted, shading and normals of bands; see `passes.draw_bands`.

    Args:
        counter: of the bands.
        band_rows: rows in each.
        tri: all faces.
        maps: from above; looked at where it is shaded.
        textures: from `grow_textures`.
        light: the weather's light.
        beams: of headlights.
        view: the camera.
        inverse_depth: (samples, H, W) of the whole image, 1/m.
        faces: (samples, H, W) of the whole image.
        is_shaded: whether colour is wanted.
        scratch: of this thread.
        targets: the image.
        normals: (H, W, 3), or with no rows where nobody wants them.
    """
    while True:
        first = take_next(counter) * band_rows
        if first >= view.height:
            return
        last = min(first + band_rows, view.height)
        for s in range(faces.shape[0]):
            for row in range(first, last):
                for x in range(faces.shape[2]):
                    scratch.inverse_depth[s, row - first, x] = inverse_depth[s, row, x]
                    scratch.faces[s, row - first, x] = faces[s, row, x]
        label_rows(tri, first, last, scratch.inverse_depth, scratch.faces, targets)
        if len(normals) > 0:
            normal_rows(tri, view, first, last, scratch.faces, normals)
        if is_shaded:
            shade_rows(
                tri, maps, textures, light, beams, view, first, last, scratch.inverse_depth,
                scratch.faces, scratch.points, targets,
            )  # fmt: skip
