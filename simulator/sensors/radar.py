"""Radar, with the rays and the layout of `Radar.cpp`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulator.actors.models import Sensor, Vector
from simulator.raycast import RayCaster
from simulator.types import F64, Drawable, Pose

MAX_RAYS = 1_000_000  # of one measurement, whatever the length of a step
_WIDEST_DEG = 179.0  # wider ones have no flat disc to aim at


@dataclass(frozen=True)
class RadarSpec:
    """The attributes of a radar."""

    horizontal_fov: float  # degrees
    vertical_fov: float
    range: float  # m, along the axis
    points_per_second: float


@dataclass(frozen=True)
class LastPlace:
    """Where a radar was when it last measured."""

    time_s: float
    place: Vector


class RadarScan(NamedTuple):
    """One measurement to be made; nothing in it changes when the world goes on."""

    stream_id: int
    header: bytes
    pose: Pose
    spec: RadarSpec
    velocity: Vector  # of the sensor, m/s
    rays: int
    generator: np.random.Generator

    def measure(self, caster: RayCaster, bodies: Sequence[Drawable]) -> list[bytes]:
        """Cast the rays; gives the message.

        The detections are velocity (m/s, negative where things come nearer), azimuth, altitude
        (rad) and depth (m), as in `s11n/RadarData.h`.
        """
        aims = _aims(self.spec, self.rays, self.generator)  # (N, 3)
        lengths = np.linalg.norm(aims, axis=1)
        local = aims / np.maximum(lengths, 1e-9)[:, None]
        world = local @ self.pose.rotation_matrix().T
        hits = caster.cast(np.array(self.pose[:3]), world, lengths, bodies)
        speeds = np.array([*(body.velocity for body in bodies), (0.0, 0.0, 0.0)])
        nearing = ((speeds[hits.bodies] - self.velocity) * world).sum(1)
        azimuth = np.arctan2(local[:, 1], local[:, 0])
        altitude = np.arcsin(np.clip(local[:, 2], -1.0, 1.0))
        rows = np.stack([nearing, azimuth, altitude, hits.distance_m], 1)
        return [self.header, rows[np.isfinite(hits.distance_m)].astype("<f4").tobytes()]


def plan(
    sensor: Sensor, header: bytes, time_s: float, delta_s: float, generator: np.random.Generator
) -> RadarScan:
    """The measurement of this frame; remembers where it was made."""
    place: Vector = sensor.pose[:3]
    velocity = sensor.velocity
    last = sensor.memory
    if isinstance(last, LastPlace) and time_s > last.time_s:
        x, y, z = ((b - a) / (time_s - last.time_s) for a, b in zip(last.place, place, strict=True))
        velocity = (x, y, z)
    sensor.memory = LastPlace(time_s, place)
    spec = RadarSpec(
        min(sensor.number("horizontal_fov"), _WIDEST_DEG),
        sensor.number("vertical_fov"),
        sensor.number("range"),
        sensor.number("points_per_second"),
    )
    number = min(math.floor(spec.points_per_second * delta_s + 1e-6), MAX_RAYS)
    return RadarScan(sensor.stream_id, header, sensor.pose, spec, velocity, number, generator)


def _aims(spec: RadarSpec, count: int, generator: np.random.Generator) -> F64:
    """Where rays end: points of an ellipse at full range, denser in its middle, (N, 3) m."""
    radius = generator.random(count)
    angle = generator.random(count) * 2.0 * np.pi
    wide = math.tan(math.radians(spec.horizontal_fov) / 2.0) * spec.range
    tall = math.tan(math.radians(spec.vertical_fov) / 2.0) * spec.range
    ahead = np.full(count, spec.range)
    return np.stack([ahead, wide * radius * np.cos(angle), tall * radius * np.sin(angle)], 1)
