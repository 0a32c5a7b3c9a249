"""GNSS and IMU: where their carrier is and how it moves, with the noise that CARLA documents."""

from __future__ import annotations

import math
import zlib

import carla
import numpy as np

from simulator.actors.models import Sensor
from simulator.net import wire

GRAVITY = 9.81  # m/s^2


def noise_of(sensor: Sensor, seed: int) -> np.random.Generator:
    """Random numbers of one tick of a sensor, those that its `noise_seed` stands for.

    As in CARLA, two sensors of a kind with equal seeds draw equal numbers.
    """
    own = int(float(sensor.attribute("noise_seed", "0")))  # not every kind has it
    entropy = [seed, own, zlib.crc32(sensor.blueprint.encode()), sensor.ticks]
    return np.random.default_rng([v & 0xFFFFFFFF for v in entropy])


def _noise(sensor: Sensor, seed: int, count: int) -> list[float]:
    return [float(v) for v in noise_of(sensor, seed).standard_normal(count)]


def gnss(sensor: Sensor, carla_map: carla.Map, seed: int) -> bytes:
    """GnssMeasurement: latitude, longitude (degrees) and altitude (m)."""
    place = carla_map.transform_to_geolocation(carla.Location(*sensor.pose[:3]))
    exact = (place.latitude, place.longitude, place.altitude)
    noise = _noise(sensor, seed, 3)
    names = ("lat", "lon", "alt")
    values = [
        v + sensor.number(f"noise_{n}_bias") + r * sensor.number(f"noise_{n}_stddev")
        for v, n, r in zip(exact, names, noise, strict=True)
    ]
    return wire.pack(values)


def imu(sensor: Sensor, seed: int, gravity: float) -> bytes:
    """IMUMeasurement: m/s^2 and rad/s in the frame of the sensor, compass in rad from north."""
    to_local = sensor.pose.rotation_matrix().T
    carrier = sensor.parent if sensor.parent is not None else sensor
    pull = to_local @ np.add(carrier.acceleration, (0.0, 0.0, gravity))
    turn = to_local @ np.radians(carrier.angular_velocity)
    noise = _noise(sensor, seed, 6)
    accelerometer, gyroscope = [], []
    for i, axis in enumerate("xyz"):
        spread = noise[i] * sensor.number(f"noise_accel_stddev_{axis}")
        accelerometer.append(float(pull[i]) + spread)
        spread = noise[3 + i] * sensor.number(f"noise_gyro_stddev_{axis}")
        gyroscope.append(float(turn[i]) + spread + sensor.number(f"noise_gyro_bias_{axis}"))
    # North is -y, so a heading along +x (yaw 0) is east.
    compass = (math.radians(sensor.pose.yaw) + 0.5 * math.pi) % (2.0 * math.pi)
    return wire.pack([accelerometer, gyroscope, compass])
