"""The renderer with OpenGL for the visibility pass; everything else is the numba renderer's."""

from __future__ import annotations

import weakref
from concurrent.futures import ThreadPoolExecutor

from simulator.render.gl_window import GlWindow
from simulator.render.ground_maps import GroundMaps
from simulator.render.jit import kernel
from simulator.render.passes import I64, Scratch, Visibility, paint_rows, take_next
from simulator.render.raster import I32, Triangles, View
from simulator.render.renderer import Renderer
from simulator.render.shade import Targets
from simulator.render.weather import Light
from simulator.types import F32, F64, U8, Scenery


@kernel
def shade_bands(
    counter: I64,
    tri: Triangles,
    maps: GroundMaps,
    textures: U8,
    light: Light,
    beams: F64,
    view: View,
    seen: Visibility,
    is_shaded: bool,
    scratch: Scratch,
    targets: Targets,
    normals: F32,
) -> None:
    """Do what `passes.draw_bands` does, from what the samples are known to see."""
    while True:
        first = take_next(counter) * seen.band_rows
        if first >= view.height:
            return
        last = min(first + seen.band_rows, view.height)
        for s in range(seen.faces.shape[0]):
            for row in range(first, last):
                for x in range(seen.faces.shape[2]):
                    scratch.inverse_depth[s, row - first, x] = seen.inverse_depth[s, row, x]
                    scratch.faces[s, row - first, x] = seen.faces[s, row, x]
        paint_rows(
            tri, maps, textures, light, beams, view, first, last, is_shaded, scratch, targets,
            normals,
        )  # fmt: skip


class GlRenderer(Renderer):
    """Draws one town through OpenGL. A thread of its own keeps the context."""

    _draw_bands = staticmethod(shade_bands)

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
        super().__init__(scenery, threads)

    def close(self) -> None:
        """End the threads and give the context back."""
        self._end()
        super().close()

    def _transform(
        self, tri: Triangles, starts: I32, stops: I32, view: View, samples: int
    ) -> Visibility:
        """Let OpenGL find at once what all samples see; there is nothing to project or sort."""
        return self._worker.submit(self._window.draw, tri, starts, stops, view, samples).result()


def _release(worker: ThreadPoolExecutor, window: GlWindow) -> None:
    worker.submit(window.release)
    worker.shutdown(wait=False)
