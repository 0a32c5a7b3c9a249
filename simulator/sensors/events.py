"""The event camera: an event wherever brightness crosses a threshold, as in `DVSCamera.cpp`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from simulator.actors.models import Sensor
from simulator.types import F64, U8

_EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("is_on", "u1")])  # 13 bytes, packed
_LOWEST_CONTRAST = 0.01
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class EventSpec:
    """The attributes of an event camera."""

    on: float  # contrast that makes an event of growing brightness
    off: float
    sigma_on: float
    sigma_off: float
    refractory_ns: int
    uses_log: bool
    log_eps: float

    @classmethod
    def of(cls, sensor: Sensor) -> EventSpec:
        """Read a sensor's attributes."""
        return cls(
            sensor.number("positive_threshold"),
            sensor.number("negative_threshold"),
            sensor.number("sigma_positive_threshold"),
            sensor.number("sigma_negative_threshold"),
            int(sensor.number("refractory_period_ns")),
            sensor.flag("use_log"),
            sensor.number("log_eps"),
        )


class EventMemory:
    """What the pixels remember of the images before."""

    def __init__(self, spec: EventSpec) -> None:
        self._spec = spec
        self._time_ns = 0
        self._before: F64 | None = None  # (H, W) brightness of the previous image
        self._crossed: F64 = np.empty(0)  # (H, W) brightness at the last event
        self._last_ns: NDArray[np.int64] = np.empty(0, np.int64)  # (H, W) of the last event

    def measure(self, bgra: U8, time_s: float, generator: np.random.Generator) -> bytes:
        """Events since the previous image in order of time; the first image has none."""
        now, time_ns = self._brightness(bgra), round(time_s * 1e9)
        before, began = self._before, self._time_ns
        self._before, self._time_ns = now, time_ns
        if before is None or before.shape != now.shape:
            self._crossed = now.copy()
            self._last_ns = np.zeros(now.shape, np.int64)
            return b""
        on, off = self._thresholds(now.shape, generator)
        scene = (before, now, on, off, began, time_ns - began, self._spec.refractory_ns)
        # What is counted on copies is then done for good.
        count = _cross(*scene, self._crossed.copy(), self._last_ns.copy(), np.empty(0, _EVENT))
        events = np.empty(count, _EVENT)
        _cross(*scene, self._crossed, self._last_ns, events)
        return events[np.argsort(events["t"], kind="stable")].tobytes()

    def _brightness(self, bgra: U8) -> F64:
        blue, green, red = (bgra[..., i].astype(np.float64) for i in range(3))
        grey = 0.2989 * red + 0.587 * green + 0.114 * blue
        return np.log(self._spec.log_eps + grey / 255.0) if self._spec.uses_log else grey

    def _thresholds(
        self, shape: tuple[int, ...], generator: np.random.Generator
    ) -> tuple[F64, F64]:
        """Contrast for an event of each pixel, for growing and for falling brightness."""
        found = []
        for middle, sigma in (
            (self._spec.on, self._spec.sigma_on),
            (self._spec.off, self._spec.sigma_off),
        ):
            level = np.full(shape, middle)
            if sigma > 0.0:
                level = level + generator.normal(0.0, sigma, shape)
            found.append(np.maximum(level, _LOWEST_CONTRAST))
        return found[0], found[1]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _cross(
    before: F64, now: F64, on: F64, off: F64, began_ns: int, delta_ns: int, refractory_ns: int,
    crossed: F64, last_ns: Any, events: Any,
) -> int:  # fmt: skip
    """Write events as far as there is room; returns how many there are."""
    count = 0
    rows, columns = now.shape
    for i in range(rows):
        for j in range(columns):
            old, new = before[i, j], now[i, j]
            if abs(new - old) <= _TOLERANCE:
                continue
            step = on[i, j] if new > old else -off[i, j]
            level = crossed[i, j] + step
            while (step > 0.0 and old < level <= new) or (step < 0.0 and new <= level < old):
                t = began_ns + int((level - old) / (new - old) * delta_ns)
                if last_ns[i, j] == 0 or t - last_ns[i, j] >= refractory_ns:
                    if count < len(events):
                        events[count].x = j
                        events[count].y = i
                        events[count].t = t
                        events[count].is_on = 1 if step > 0.0 else 0
                    count += 1
                    last_ns[i, j] = t
                crossed[i, j] = level
                level += step
    return count
