"""Bytes of the CARLA 0.9.16 protocol: RPC messages, stream frames, records; no sockets, no clocks.

Layouts follow LibCarla 0.9.16: `carla/rpc/*.h`, `carla/streaming/detail/Token.h`,
`carla/sensor/s11n/*.h` and `carla/sensor/data/ActorDynamicState.h`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

import msgpack

from simulator.types import Pose

VERSION = "0.9.16"
MAX_MESSAGE_BYTES = 64 << 20  # the largest honest request is an OpenDRIVE text of some MB
WORLD_STREAM = 1

_REQUEST, _RESPONSE, _NOTIFICATION = 0, 1, 2
_FOUR_FIELDS = 0x94  # how every msgpack library begins an array of four
# TypeError: a list as the key of a map.
_UNPACK_ERRORS = (msgpack.exceptions.UnpackException, ValueError, TypeError, OverflowError)


class WireError(Exception):
    """The peer sent what is not msgpack-rpc; the connection is of no more use."""


class Request(NamedTuple):
    """One call. `is_asynchronous` calls get an answer too, which the client drops."""

    message_id: int
    method: str
    args: tuple[Any, ...]
    is_asynchronous: bool


class Form(Enum):
    """How a method wraps its result."""

    VALUE = "value"  # Response<T>: variant of error and T
    VOID = "void"  # Response<void>: optional error
    BARE = "bare"  # not wrapped


def ok(value: Any) -> list[Any]:
    """A successful Response<T>."""
    return [[1, value]]


def failure(message: str) -> list[Any]:
    """A failed Response<T>."""
    return [[0, [message]]]


def wrap(form: Form, value: Any) -> Any:
    """The result of a call that went well."""
    if form is Form.VOID:
        return [[False]]
    return ok(value) if form is Form.VALUE else value


def wrap_error(form: Form, message: str) -> Any:
    """The result of a call that failed; the client raises RuntimeError(message)."""
    return [[True, [message]]] if form is Form.VOID else failure(message)


class RequestReader:
    """Cuts a byte stream into requests.

    Nothing is built before all bytes of a message are there: a length that is only declared
    takes no memory.
    """

    def __init__(self) -> None:
        self._scanner = msgpack.Unpacker(max_buffer_size=MAX_MESSAGE_BYTES)
        self._held = bytearray()  # from the start of the first message that is not complete
        self._taken = 0  # bytes of the stream before it

    @property
    def is_waiting(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._held)

    def feed(self, data: bytes) -> Iterator[Request]:
        """Give received bytes; yields every request that is complete.

        Raises:
            WireError: on bytes that are no msgpack-rpc request or exceed the limit.
        """
        try:
            self._held += data
            self._scanner.feed(data)
            while self._held:
                if self._held[0] != _FOUR_FIELDS:
                    start = bytes(self._held[:16])
                    raise WireError(f"expected a request [0, id, method, args], got {start!r}")
                self._scanner.skip()
                size = self._scanner.tell() - self._taken
                message = _unpack(bytes(memoryview(self._held)[:size]))
                self._taken += size
                del self._held[:size]
                yield _request(message)
        except msgpack.OutOfData:
            if len(self._held) > MAX_MESSAGE_BYTES:
                raise WireError(f"a message of more than {MAX_MESSAGE_BYTES} bytes") from None
        except _UNPACK_ERRORS as err:
            raise WireError(f"not a msgpack-rpc message: {err}") from err


def _unpack(data: bytes) -> Any:
    return msgpack.unpackb(
        data, raw=False, strict_map_key=False, unicode_errors="surrogateescape"
    )  # fmt: skip


def _request(message: Any) -> Request:
    """Layout: rpclib, `rpc/client.h` and `rpc/dispatcher.h`."""
    if not isinstance(message, list) or len(message) != 4 or message[0] != _REQUEST:
        raise WireError(f"expected a request [0, id, method, args], got {str(message)[:80]}")
    _, message_id, method, args = message
    if not (isinstance(message_id, int) and isinstance(method, str) and isinstance(args, list)):
        raise WireError(f"malformed request {str(message)[:80]}")
    # The first argument is carla::rpc::Metadata: [asynchronous].
    has_metadata = bool(args) and isinstance(args[0], list) and len(args[0]) == 1
    is_asynchronous = has_metadata and bool(args[0][0])
    return Request(message_id, method, tuple(args[1:] if has_metadata else args), is_asynchronous)


def pack(value: Any) -> bytes:
    """A value as msgpack."""
    packed: bytes = msgpack.packb(value, use_bin_type=True, unicode_errors="surrogateescape")
    return packed


def response(message_id: int, result: Any) -> bytes:
    """The answer to a request."""
    return pack([_RESPONSE, message_id, None, result])


def no_such_method(message_id: int, method: str) -> bytes:
    """The answer to a call of a method that the protocol does not have."""
    return pack([_RESPONSE, message_id, f"no such method: {method}", None])


def token(stream_id: int, port: int) -> bytes:
    """A stream token of 24 bytes; the address is left unset: the client uses the host it knows."""
    protocol_tcp, address_unset = 1, 0
    return struct.pack("<IHBB16x", stream_id, port, protocol_tcp, address_unset)


class SensorType(Enum):
    """Position in the sensor registry (`carla/sensor/SensorRegistry.h`, 0.9.16)."""

    COLLISION = 0
    DEPTH = 1
    NORMALS = 2
    DVS = 3
    GNSS = 4
    IMU = 5
    OBSTACLE = 7
    OPTICAL_FLOW = 8
    RADAR = 9
    SEMANTIC_LIDAR = 10
    LIDAR = 11
    RGB = 13
    SEMANTIC = 14
    INSTANCE = 15
    COSMOS = 16
    WORLD = 17


_SENSOR_HEADER = struct.Struct("<QQd6f")  # s11n/SensorHeaderSerializer.h
_IMAGE_HEADER = struct.Struct("<IIf")  # s11n/ImageSerializer.h
_WORLD_HEADER = struct.Struct("<Qdf3iI")  # s11n/EpisodeStateSerializer.h
_RECORD = struct.Struct("<IB15f54s")  # sensor/data/ActorDynamicState.h; the union comes last
_VEHICLE = struct.Struct("<3f3?ifB?IB")
_WALKER = struct.Struct("<4f?")
_LIGHT_RECORD = struct.Struct("<IB15f32s4fI?B")  # the same with a light's part of the union
_SIGN = struct.Struct("<32s")
_LENGTH = struct.Struct("<I")
LENGTH_BYTES = _LENGTH.size
RECORD_BYTES = _RECORD.size  # 119

_ACTIVE = 1
_MAP_CHANGED, _LIGHTS_CHANGED = 1, 2


def length_prefix(size: int) -> bytes:
    """What precedes a stream message of that many bytes."""
    return _LENGTH.pack(size)


def stream_id_of(greeting: bytes) -> int:
    """The stream that a subscriber asks for in its first four bytes."""
    return int(_LENGTH.unpack(greeting)[0])


def sensor_header(kind: SensorType, frame: int, time_s: float, pose: Pose) -> bytes:
    """The 48 bytes that start every sensor message."""
    return _SENSOR_HEADER.pack(kind.value, frame, time_s, *pose)


def image_header(width: int, height: int, fov_deg: float) -> bytes:
    """The 12 bytes before the pixels."""
    return _IMAGE_HEADER.pack(width, height, fov_deg)


def world_header(
    episode: int,
    wall_s: float,
    delta_s: float,
    *,
    is_map_changed: bool,
    are_lights_changed: bool = False,
) -> bytes:
    """The 36 bytes before the actor records."""
    flags = (_MAP_CHANGED if is_map_changed else 0) | (_LIGHTS_CHANGED if are_lights_changed else 0)
    return _WORLD_HEADER.pack(episode, wall_s, delta_s, 0, 0, 0, flags)


def actor_record(
    actor_id: int,
    pose: Pose,
    velocity: Sequence[float],
    angular_velocity: Sequence[float],
    acceleration: Sequence[float],
    union: bytes = b"",
) -> bytes:
    """The 119 bytes of one actor in the world state."""
    motion = (*velocity, *angular_velocity, *acceleration)
    return _RECORD.pack(actor_id, _ACTIVE, *pose, *motion, union)


def vehicle_union(
    control: tuple[float, float, float, bool, bool, bool, int],
    speed_limit_kmh: float,
    light: tuple[int, int] | None,
    failure: int,
) -> bytes:
    """The part of a record that only vehicles have.

    Args:
        control: throttle, steer, brake, hand brake, reverse, manual gear shift, gear.
        speed_limit_kmh: of the road below.
        light: state and actor id of the traffic light that governs the vehicle.
        failure: VehicleFailureState.
    """
    state, light_id = light if light is not None else (2, 0)
    return _VEHICLE.pack(*control, speed_limit_kmh, state, light is not None, light_id, failure)


def walker_union(direction: Sequence[float], speed: float, *, jump: bool) -> bytes:
    """The part of a record that only walkers have."""
    return _WALKER.pack(*direction, speed, jump)


def light_record(
    actor_id: int,
    pose: Pose,
    motion: Sequence[float],
    sign_id: str,
    lights: tuple[float, float, float, float, int, bool, int],
) -> bytes:
    """The 119 bytes of a traffic light in the world state.

    Args:
        actor_id: of the light.
        pose: of its actor.
        motion: velocity, angular velocity and acceleration, nine numbers.
        sign_id: of the signal in OpenDRIVE.
        lights: green, yellow, red and elapsed seconds, pole, whether it is frozen, state.
    """
    return _LIGHT_RECORD.pack(actor_id, _ACTIVE, *pose, *motion, sign_id.encode()[:31], *lights)


def sign_union(sign_id: str) -> bytes:
    """The part of a record that only traffic signs have."""
    return _SIGN.pack(sign_id.encode()[:31])


def vector(values: Sequence[float]) -> list[float]:
    """A Vector3D, Location or Rotation."""
    return [float(v) for v in values]


def transform(pose: Pose) -> list[list[float]]:
    """A Transform: location, then pitch, yaw and roll."""
    return [vector(pose[:3]), vector(pose[3:])]


def bounding_box(
    center: Sequence[float],
    half_extent: Sequence[float],
    rotation: Sequence[float] = (0.0, 0.0, 0.0),
    actor_id: int = 0,
) -> list[Any]:
    """A BoundingBox; the rotation is pitch, yaw, roll in degrees."""
    return [vector(center), vector(half_extent), vector(rotation), actor_id]
