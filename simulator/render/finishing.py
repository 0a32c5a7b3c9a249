"""Turns radiance into an image: rain, glare, exposure, noise and tone curve."""

from __future__ import annotations

import numpy as np

from simulator.render import glare
from simulator.render.passes import compose_bands, gather_bands
from simulator.render.rain import add_rain
from simulator.render.raster import View
from simulator.render.shade import Targets
from simulator.render.threads import RenderThreads
from simulator.render.weather import Light
from simulator.types import F32, F64, U8

BAND_ROWS = 16


class Finishing:
    """The last pass over an image, on all threads."""

    def __init__(self, threads: RenderThreads) -> None:
        self._threads = threads
        self._curve = glare.tone_curve()

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
        """Fill an image.

        Args:
            targets: what was drawn; rain and glare are added to its radiance.
            sources: points of light, from `glare.light_sources`.
            light: weather and exposure.
            view: of the camera.
            time_s: simulated time; moves the rain.
            seed: of the sensor's noise.
            bgra: the image, (H, W, 4).
        """
        focal = 0.5 * view.width / float(np.linalg.norm(view.ray_x))
        if light.rain > 0.0:
            add_rain(targets, view, light, focal, time_s)
        screen = glare.project(sources, view)
        if len(sources):
            glare.add_sources(targets, sources, screen, focal)
        bloom = np.zeros(glare.bloom_shape(view.width, view.height), np.float32)
        has_bloom = self._spread(targets, light, view, bloom)
        if len(sources):
            fog = min(light.fog_per_m / 0.05, 1.0)
            glare.add_veil(bloom, sources, screen, focal, light.exposure, fog)
        has_bloom |= len(sources) > 0
        counter = np.zeros(1, np.int64)

        def compose() -> None:
            rows, steps = np.empty((4, view.width)), np.empty((3, view.width), np.int32)
            compose_bands(
                counter, BAND_ROWS, targets.radiance, bloom, has_bloom, light, self._curve,
                seed & 0x7FFFFFFF, rows, steps, bgra,
            )  # fmt: skip

        self._threads.together(compose)

    def _spread(self, targets: Targets, light: Light, view: View, bloom: F32) -> bool:
        """Spread what is brighter than white over `bloom`; tells whether there is any."""
        bright = np.zeros(bloom.shape, np.float32)
        columns = bloom.shape[1]
        counter = np.zeros(1, np.int64)

        def gather() -> float:
            excess, totals = np.zeros((3, glare.CELL * columns)), np.empty((3, columns))
            return gather_bands(counter, targets.radiance, light.exposure, bright, excess, totals)

        has_bloom = max(self._threads.together(gather)) > 1e-3
        if has_bloom:
            unit = max(1, round(view.width / 400))
            spare, work = np.empty(bloom.shape, np.float32), np.empty(bloom.shape, np.float32)
            glare.spread(bright, bloom, spare, work, np.empty_like(bright[0]), unit)
        return has_bloom
