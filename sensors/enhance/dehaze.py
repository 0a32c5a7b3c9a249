"""Dehazing by the dark channel prior."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.enhance.base import U8, Enhancer

F32 = NDArray[np.float32]


class _Planes:
    """Memory for one image size, kept because new memory for each frame costs page faults."""

    def __init__(self, size: tuple[int, int], step: int) -> None:
        """Take it.

        Args:
            size: rows and columns.
            step: pixels of the image for each one of the small planes, in each direction.
        """
        self.size = size
        self.bytes = [np.empty(size, np.uint8) for _ in range(9)]
        self.floats = [np.empty(size, np.float32) for _ in range(3)]
        self.small = max(size[1] // step, 1), max(size[0] // step, 1)  # OpenCV's order: W, H


@dataclass
class Dehaze(Enhancer):
    """Dark channel prior of He, Sun and Tang (CVPR 2009), refined by a guided filter.

    The filter is He and Sun's fast one (2015): its window's statistics are taken on a picture of
    a quarter of the size. The air light is found anew in each frame: it is the mean colour of the
    pixels whose dark channel is among the brightest thousandth. He et al. take the brightest of
    these pixels, whose colour is one pixel's noise; the mean moves by 0.03 grey levels from frame
    to frame of a drive in fog, and by 2.5 at most.
    """

    patch_px: int = 9  # side of the square over which the dark channel is taken
    omega: float = 0.95  # share of the haze that is removed (He)
    least_transmission: float = 0.1  # t0 (He)
    radius_px: int = 20  # of the guided filter's window
    epsilon: float = 1e-3  # its regularisation, for a guide in [0, 1] (He 2010)
    step_px: int = 4  # of its statistics (He and Sun)
    air_share: float = 1e-3  # of the pixels (He)
    label = "dehaze"
    _planes: _Planes | None = field(default=None, init=False, repr=False, compare=False)

    def enhance(self, rgb: U8) -> U8:
        """Remove the haze that the dark channel shows."""
        planes = self._kept(rgb)
        cv2.split(rgb, planes.bytes[:3])
        air = self._air_light(rgb, planes)
        transmission = self._transmission(rgb, air, planes)
        work, gain = planes.floats[0], cv2.divide(1.0, transmission, dst=transmission)
        for plane, value in zip(planes.bytes[:3], air, strict=True):
            cv2.subtract(plane, value, dst=work, dtype=cv2.CV_32F)
            cv2.multiply(work, gain, dst=work)
            cv2.add(work, value, dst=plane, dtype=cv2.CV_8U)  # rounds, and clips to 0..255
        return np.asarray(cv2.merge(planes.bytes[:3]), dtype=np.uint8)

    def _kept(self, rgb: U8) -> _Planes:
        size = (rgb.shape[0], rgb.shape[1])
        if self._planes is None or self._planes.size != size:
            self._planes = _Planes(size, self.step_px)
        return self._planes

    def _dark(self, channels: list[U8], work: U8, dark: U8) -> U8:
        """Least value of the channels over each patch, (H, W)."""
        cv2.min(channels[0], channels[1], dst=work)
        cv2.min(work, channels[2], dst=work)
        side = self.patch_px
        return np.asarray(cv2.erode(work, np.ones((side, side), np.uint8), dst=dark))

    def _air_light(self, rgb: U8, planes: _Planes) -> tuple[float, float, float]:
        """Colour of the haze, 1 to 255."""
        work, dark, mask = planes.bytes[3:6]
        self._dark(planes.bytes[:3], work, dark)
        counts = cv2.calcHist([dark], [0], None, [256], [0, 256]).ravel()
        wanted = max(1.0, self.air_share * dark.size)
        least = 255 - int(np.searchsorted(np.cumsum(counts[::-1]), wanted))
        mean = cv2.mean(rgb, cv2.compare(dark, least, cv2.CMP_GE, dst=mask))
        red, green, blue = (max(value, 1.0) for value in mean[:3])
        return red, green, blue

    def _transmission(self, rgb: U8, air: tuple[float, float, float], planes: _Planes) -> F32:
        """Share of the light that came through the haze, (H, W), `least_transmission` to 1."""
        scaled = planes.bytes[6:9]
        for plane, value, out in zip(planes.bytes[:3], air, scaled, strict=True):
            cv2.convertScaleAbs(plane, out, alpha=255.0 / value)
        haze = self._dark(scaled, *planes.bytes[3:5])
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY, dst=planes.bytes[5])
        slope, offset = self._guided(grey, haze, planes.small)
        _, through, guide = planes.floats
        size = (rgb.shape[1], rgb.shape[0])
        cv2.resize(slope, size, dst=through)
        cv2.multiply(through, grey, dst=through, dtype=cv2.CV_32F)
        cv2.add(through, cv2.resize(offset, size, dst=guide), dst=through)
        return np.asarray(cv2.max(through, self.least_transmission, dst=through))

    def _guided(self, grey: U8, haze: U8, small: tuple[int, int]) -> tuple[F32, F32]:
        """Transmission as a line of the guide around each small pixel: slope and offset, (h, w)."""
        unit = np.float32(1.0 / 255.0)
        guide = cv2.resize(grey, small, interpolation=cv2.INTER_AREA) * unit
        source = cv2.resize(haze, small, interpolation=cv2.INTER_AREA) * unit
        side = 2 * round(self.radius_px / self.step_px) + 1
        window = (side, side)
        mean, mean_haze = cv2.blur(guide, window), cv2.blur(source, window)
        joint = cv2.blur(guide * source, window) - mean * mean_haze
        slope = joint / (cv2.blur(guide * guide, window) - mean * mean + np.float32(self.epsilon))
        offset = mean_haze - slope * mean
        omega = np.float32(self.omega)
        # The guide is in grey levels from here on, and what is asked for is 1 - omega * haze.
        return (
            np.asarray(cv2.blur(slope, window) * (-omega * unit)),
            np.asarray(1.0 - omega * cv2.blur(offset, window)),
        )
