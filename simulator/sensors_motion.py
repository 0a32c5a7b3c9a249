"""GNSS and IMU: where their carrier is and how it moves, with the noise that CARLA documents."""

from __future__ import annotations

import math

import carla
import numpy as np

from simulator import wire
from simulator.actors import Sensor

GRAVITY = 9.81  # m/s^2


def _noise(sensor: Sensor, seed: int, count: int) -> list[float]:
    """Standard normal numbers; the same sensor gives the same ones in its n-th tick."""
    own = int(float(sensor.attribute("noise_seed", "0")))
    entropy = [seed, own, sensor.instance, sensor.ticks]
    generator = np.random.default_rng([v & 0xFFFFFFFF for v in entropy])
    return [float(v) for v in generator.standard_normal(count)]


def _value(sensor: Sensor, name: str) -> float:
    return float(sensor.attribute(name, "0"))


def gnss(sensor: Sensor, carla_map: carla.Map, seed: int) -> bytes:
    """GnssMeasurement: latitude, longitude (degrees) and altitude (m)."""
    place = carla_map.transform_to_geolocation(carla.Location(*sensor.pose[:3]))
    exact = (place.latitude, place.longitude, place.altitude)
    noise = _noise(sensor, seed, 3)
    names = ("lat", "lon", "alt")
    values = [
        v + _value(sensor, f"noise_{n}_bias") + r * _value(sensor, f"noise_{n}_stddev")
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
        spread = noise[i] * _value(sensor, f"noise_accel_stddev_{axis}")
        accelerometer.append(float(pull[i]) + spread)
        spread = noise[3 + i] * _value(sensor, f"noise_gyro_stddev_{axis}")
        gyroscope.append(float(turn[i]) + spread + _value(sensor, f"noise_gyro_bias_{axis}"))
    # North is -y, so a heading along +x (yaw 0) is east.
    compass = (math.radians(sensor.pose.yaw) + 0.5 * math.pi) % (2.0 * math.pi)
    return wire.pack([accelerometer, gyroscope, compass])
