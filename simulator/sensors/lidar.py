"""Lidars: rays, losses and layouts as in `RayCastSemanticLidar.cpp` and `RayCastLidar.cpp`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.actors.models import Sensor
from simulator.net.wire import SensorType
from simulator.raycast import Hits, RayCaster
from simulator.types import F64, Drawable, Pose

MAX_RAYS = 2_000_000  # of one measurement, whatever the length of a step
_SEMANTIC_POINT = np.dtype(
    [("place", "<f4", 3), ("facing", "<f4"), ("object_id", "<u4"), ("tag", "<u4")]
)


@dataclass(frozen=True)
class LidarSpec:
    """The attributes that both lidars have."""

    channels: float
    range: float  # m
    points_per_second: float
    rotation_frequency: float  # 1/s
    upper_fov: float  # degrees
    lower_fov: float
    horizontal_fov: float


@dataclass(frozen=True)
class Losses:
    """What the ray-cast lidar loses; the semantic one sees everything."""

    atmosphere_attenuation_rate: float  # 1/m
    dropoff_general_rate: float
    dropoff_intensity_limit: float
    dropoff_zero_intensity: float
    noise_stddev: float  # m


@dataclass
class Turntable:
    """Where the head of a lidar looks; turns with every measurement."""

    angle_deg: float = 0.0


class LidarScan(NamedTuple):
    """One measurement to be made; nothing in it changes when the world goes on."""

    stream_id: int
    header: bytes
    pose: Pose
    spec: LidarSpec
    losses: Losses | None  # None for the semantic lidar
    angle_deg: float  # where it begins
    delta_s: float
    generator: np.random.Generator

    @property
    def rays_per_channel(self) -> int:
        """How many points each channel measures, rounded as `FMath::RoundHalfFromZero`."""
        share = self.spec.points_per_second * self.delta_s / self.spec.channels
        most = MAX_RAYS // int(self.spec.channels)
        return min(math.floor(share + 0.5 + 1e-9), most)

    @property
    def end_deg(self) -> float:
        """The angle at which the sweep ends."""
        return (self.angle_deg + _turn(self.spec, self.delta_s)) % max(
            self.spec.horizontal_fov, 1e-9
        )

    def measure(self, caster: RayCaster, bodies: Sequence[Drawable]) -> list[bytes]:
        """Cast the rays; gives the message."""
        channels, count = int(self.spec.channels), self.rays_per_channel
        channel = np.repeat(np.arange(channels), count)
        local = _directions(self.spec, count, self.angle_deg, _turn(self.spec, self.delta_s))
        if self.losses is not None and self.losses.dropoff_general_rate > 0.0:
            kept = self.generator.random(len(local)) >= self.losses.dropoff_general_rate
            local, channel = local[kept], channel[kept]
        rotation = self.pose.rotation_matrix()
        reaches = np.full(len(local), self.spec.range)
        hits = caster.cast(np.array(self.pose[:3]), local @ rotation.T, reaches, bodies)
        met = np.isfinite(hits.distance_m)
        hits = hits.only(met)
        points, channel = local[met] * hits.distance_m[:, None], channel[met]
        if self.losses is None:
            body = _semantic_points(points, hits, bodies)
        else:
            body, seen = _lossy_points(points, hits.distance_m, self.losses, self.generator)
            channel = channel[seen]
        counts = np.bincount(channel, minlength=channels).astype("<u4")
        # s11n/LidarSerializer.h: angle, channels, points of each.
        angle = np.array([math.radians(self.end_deg)], "<f4").tobytes()
        return [self.header, angle, np.uint32(channels).tobytes(), counts.tobytes(), body]


def _turn(spec: LidarSpec, delta_s: float) -> float:
    """By how many degrees the head turns in a step."""
    return spec.rotation_frequency * spec.horizontal_fov * delta_s


def plan(
    sensor: Sensor, header: bytes, delta_s: float, generator: np.random.Generator
) -> LidarScan:
    """The measurement of this frame; turns the sensor's head on."""
    if not isinstance(sensor.memory, Turntable):
        sensor.memory = Turntable()
    spec = LidarSpec(**{field.name: sensor.number(field.name) for field in fields(LidarSpec)})
    losses = None
    if sensor.kind is SensorType.LIDAR:
        losses = Losses(**{field.name: sensor.number(field.name) for field in fields(Losses)})
    scan = LidarScan(
        sensor.stream_id, header, sensor.pose, spec, losses,
        sensor.memory.angle_deg, delta_s, generator,
    )  # fmt: skip
    if scan.rays_per_channel > 0:
        sensor.memory.angle_deg = scan.end_deg
    return scan


def _directions(spec: LidarSpec, count: int, angle_deg: float, turn_deg: float) -> F64:
    """Unit vectors of all rays in the sensor's frame, channel by channel from the top, (N, 3)."""
    pitch = np.radians(np.linspace(spec.upper_fov, spec.lower_fov, int(spec.channels)))[:, None]
    fov = spec.horizontal_fov
    swept = angle_deg + turn_deg * np.arange(count) / max(count, 1)
    yaw = np.radians(np.mod(swept, max(fov, 1e-9)) - 0.5 * fov)[None, :]
    level = np.cos(pitch)
    parts = [level * np.cos(yaw), level * np.sin(yaw), np.sin(pitch) + 0.0 * yaw]
    return np.stack(parts, -1).reshape(-1, 3)


def _semantic_points(points: F64, hits: Hits, bodies: Sequence[Drawable]) -> bytes:
    """Place, cosine of incidence, actor id and tag of every point."""
    ids = np.array([*(body.actor_id for body in bodies), 0], np.uint32)  # -1 finds the last one
    rows = np.empty(len(points), _SEMANTIC_POINT)
    rows["place"] = points
    rows["facing"] = hits.facing
    rows["object_id"] = ids[hits.bodies]
    rows["tag"] = hits.tags
    return rows.tobytes()


def _lossy_points(
    points: F64, distance_m: F64, losses: Losses, generator: np.random.Generator
) -> tuple[bytes, NDArray[np.bool_]]:
    """Place and intensity of the points that are strong or lucky enough, and which those are."""
    intensity = np.exp(-losses.atmosphere_attenuation_rate * distance_m)
    if losses.noise_stddev > 0.0:
        far = 1.0 + generator.normal(0.0, losses.noise_stddev, len(points)) / np.maximum(
            distance_m, 1e-6
        )
        points = points * far[:, None]
    zero, limit = losses.dropoff_zero_intensity, losses.dropoff_intensity_limit
    slope = zero / limit if limit > 0.0 else 0.0
    lucky = generator.random(len(points)) < slope * intensity + 1.0 - zero
    seen = (intensity > limit) | lucky
    rows = np.concatenate([points, intensity[:, None]], 1)[seen]
    return rows.astype("<f4").tobytes(), seen
