"""Cameras: those that share a pose and a lens are drawn once and encoded for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numba
import numpy as np
from numpy.typing import NDArray

from simulator.actors.models import Sensor
from simulator.blueprints.sensors import CAMERAS
from simulator.net import wire
from simulator.net.wire import SensorType
from simulator.sensors.cosmos import control_words
from simulator.sensors.events import EventMemory, EventSpec
from simulator.sensors.flow import FlowMemory
from simulator.sensors.moment import Moment
from simulator.sensors.motion import noise_of
from simulator.types import Camera, Drawable, Frame

U32 = NDArray[np.uint32]
F32 = NDArray[np.float32]
Buffers = list[bytes | memoryview]

_SHADED = (SensorType.RGB, SensorType.DVS)
_OPAQUE = np.uint32(0xFF000000)
_DEPTH_STEPS = 2.0**24 - 1.0
_FAR_M = 1000.0


class Output(NamedTuple):
    """One camera of a group."""

    stream_id: int
    kind: SensorType
    header: bytes
    memory: EventMemory | FlowMemory | None  # touched only where images are drawn
    generator: np.random.Generator | None  # of event cameras


@dataclass
class Shot:
    """Cameras of one frame that see the same."""

    camera: Camera
    seed: int  # of the noise; counts the ticks of the first camera, so that runs repeat
    age_s: float  # simulated time since the first camera was spawned; moves the clouds
    time_s: float  # simulated
    outputs: list[Output] = field(default_factory=list)

    @property
    def needs_color(self) -> bool:
        """Whether shading is worth its time."""
        return any(output.kind in _SHADED for output in self.outputs)

    @property
    def needs_normals(self) -> bool:
        """Whether anybody looks at the directions of surfaces."""
        return any(output.kind is SensorType.NORMALS for output in self.outputs)


def camera_of(sensor: Sensor) -> Camera:
    """The pinhole camera of a sensor at its present pose."""
    width, height = int(sensor.number("image_size_x")), int(sensor.number("image_size_y"))
    return Camera(width, height, sensor.number("fov"), sensor.pose)


def group(
    sensors: Iterable[Sensor], header: Callable[[Sensor], bytes], moment: Moment
) -> list[Shot]:
    """Put cameras of equal pose, size and field of view together, in order of creation.

    Event cameras are drawn apart and with noise that stands still: else they would see the noise.
    """
    shots: dict[tuple[Camera, bool], Shot] = {}
    for sensor in sensors:
        assert sensor.kind is not None, "client-side sensors are no cameras"
        camera, is_event = camera_of(sensor), sensor.kind is SensorType.DVS
        seed = moment.seed if is_event else moment.seed + sensor.ticks
        shot = Shot(camera, seed, sensor.age_s, moment.time_s)
        shot = shots.setdefault((camera, is_event), shot)
        shot.outputs.append(_output(sensor, sensor.kind, header(sensor), moment.seed))
    return list(shots.values())


def _output(sensor: Sensor, kind: SensorType, header: bytes, seed: int) -> Output:
    """How one camera gets its image; makes the memory of those that have one."""
    generator = None
    if kind is SensorType.DVS:
        generator = noise_of(sensor, seed)
        if sensor.memory is None:
            sensor.memory = EventMemory(EventSpec.of(sensor))
    elif kind is SensorType.OPTICAL_FLOW and sensor.memory is None:
        sensor.memory = FlowMemory()
    memory = sensor.memory
    assert memory is None or isinstance(memory, EventMemory | FlowMemory), "set just above"
    return Output(sensor.stream_id, kind, header, memory, generator)


def blank_output(kind: SensorType) -> Output:
    """The output of a camera that nobody has spawned, with the values of its blueprint."""
    names = {value: name for name, value in CAMERAS.items()}
    sensor = Sensor(0, names[kind], stream_id=0, kind=kind)
    return _output(sensor, kind, b"", 0)


def encode(output: Output, shot: Shot, frame: Frame, bodies: Sequence[Drawable]) -> Buffers | None:
    """Image header and pixels, top row first; None if there is nothing to be said."""
    camera, body = shot.camera, _body(output, shot, frame, bodies)
    header = wire.image_header(camera.width, camera.height, camera.fov_deg)
    return [header, body] if len(body) else None


def _body(
    output: Output, shot: Shot, frame: Frame, bodies: Sequence[Drawable]
) -> bytes | memoryview:
    if isinstance(output.memory, EventMemory):
        assert output.generator is not None, "event cameras are given one"
        return output.memory.measure(frame.bgra, shot.time_s, output.generator)
    if isinstance(output.memory, FlowMemory):
        return output.memory.measure(shot.camera, frame, bodies).data.cast("B")
    return _pixels(output.kind, frame).data.cast("B")


def _pixels(kind: SensorType, frame: Frame) -> NDArray[Any]:
    """Little-endian words: alpha, red, green, blue from the highest byte down."""
    if kind is SensorType.RGB:
        return np.ascontiguousarray(frame.bgra)
    if kind is SensorType.DEPTH:
        return cast(U32, _depth_words(frame.depth_m))
    if kind is SensorType.NORMALS:
        assert frame.normals is not None, "the shot asked for them"
        return _normal_words(frame.normals)
    if kind is SensorType.COSMOS:
        return control_words(frame)
    words: NDArray[Any] = (frame.tags.astype(np.uint32) << 16) | _OPAQUE
    if kind is SensorType.INSTANCE:
        number = frame.instances.astype(np.uint32)
        words |= (number & 0xFF) << 8 | number >> 8
    return words


def _normal_words(normals: F32) -> U32:
    """Components x, y, z from -1 to 1 as red, green and blue from 0 to 255."""
    steps = ((normals + 1.0) * 127.5 + 0.5).astype(np.uint32)
    return cast(U32, _OPAQUE | steps[..., 0] << 16 | steps[..., 1] << 8 | steps[..., 2])


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
