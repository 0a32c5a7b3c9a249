"""Cameras: those that share a pose and a lens are drawn once and encoded for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numba
import numpy as np
from numpy.typing import NDArray

from simulator import wire
from simulator.actors import Sensor
from simulator.types import Camera, Drawable, Frame, Weather
from simulator.wire import SensorType

U32 = NDArray[np.uint32]
F32 = NDArray[np.float32]
Buffers = list[bytes | memoryview]

CAMERAS = (SensorType.RGB, SensorType.DEPTH, SensorType.SEMANTIC, SensorType.INSTANCE)
_OPAQUE = np.uint32(0xFF000000)
_DEPTH_STEPS = 2.0**24 - 1.0
_FAR_M = 1000.0


class Output(NamedTuple):
    """One camera of a group."""

    stream_id: int
    kind: SensorType
    header: bytes


@dataclass
class Shot:
    """Cameras of one frame that see the same."""

    camera: Camera
    seed: int  # of the noise; counts the ticks of the first camera, so that runs repeat
    age_s: float  # simulated time since the first camera was spawned; moves the clouds
    outputs: list[Output] = field(default_factory=list)

    @property
    def needs_color(self) -> bool:
        """Whether shading is worth its time."""
        return any(output.kind is SensorType.RGB for output in self.outputs)


class CameraJob(NamedTuple):
    """All that the cameras of one frame need; nothing in it changes when the world goes on."""

    shots: list[Shot]
    drawables: list[Drawable]
    weather: Weather
    must_deliver: bool


def camera_of(sensor: Sensor) -> Camera:
    """The pinhole camera of a sensor at its present pose."""
    width, height = (int(float(sensor.attribute(f"image_size_{a}", "600"))) for a in "xy")
    return Camera(width, height, float(sensor.attribute("fov", "90")), sensor.pose)


def group(sensors: Iterable[Sensor], header: Callable[[Sensor], bytes], seed: int) -> list[Shot]:
    """Put cameras of equal pose, size and field of view together, in order of creation."""
    shots: dict[Camera, Shot] = {}
    for sensor in sensors:
        assert sensor.kind is not None, "client-side sensors are no cameras"
        camera = camera_of(sensor)
        shot = shots.setdefault(camera, Shot(camera, seed + sensor.ticks, sensor.age_s))
        shot.outputs.append(Output(sensor.stream_id, sensor.kind, header(sensor)))
    return list(shots.values())


def encode(kind: SensorType, camera: Camera, frame: Frame) -> Buffers:
    """Image header and BGRA pixels, top row first."""
    return [
        wire.image_header(camera.width, camera.height, camera.fov_deg),
        _pixels(kind, frame).data.cast("B"),
    ]


def _pixels(kind: SensorType, frame: Frame) -> NDArray[Any]:
    """Little-endian words: alpha, red, green, blue from the highest byte down."""
    if kind is SensorType.RGB:
        return np.ascontiguousarray(frame.bgra)
    if kind is SensorType.DEPTH:
        return cast(U32, _depth_words(frame.depth_m))
    words: NDArray[Any] = (frame.tags.astype(np.uint32) << 16) | _OPAQUE
    if kind is SensorType.INSTANCE:
        number = frame.instances.astype(np.uint32)
        words |= (number & 0xFF) << 8 | number >> 8
    return words


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _depth_words(depth_m: F32) -> U32:
    """Depth in steps of 1000 m / (2^24 - 1): red holds the low byte, blue the high one."""
    rows, columns = depth_m.shape
    words = np.empty((rows, columns), np.uint32)
    for i in range(rows):
        for j in range(columns):
            share = min(max(depth_m[i, j] / _FAR_M, 0.0), 1.0)
            steps = np.uint32(share * _DEPTH_STEPS + 0.5)
            low, mid, high = steps & 0xFF, (steps >> 8) & 0xFF, steps >> 16
            words[i, j] = _OPAQUE | (low << 16) | (mid << 8) | high
    return words
