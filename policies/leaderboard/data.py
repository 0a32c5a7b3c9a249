"""The Leaderboard's sensors: from its dicts to what is mounted, and from CARLA's data to its own.

Attributes are those of the Leaderboard 2 (leaderboard/autoagents/agent_wrapper.py), formats those
of its leaderboard/envs/sensor_interface.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError
from fusiondrive.types import CameraSpec, Image, Pose, Reading, SensorSpec

RGB = "sensor.camera.rgb"
CAMERAS = (RGB, "sensor.camera.depth", "sensor.camera.semantic_segmentation")
LIDAR, RADAR = "sensor.lidar.ray_cast", "sensor.other.radar"
GNSS, IMU = "sensor.other.gnss", "sensor.other.imu"
SPEEDOMETER, OPENDRIVE_MAP = "sensor.speedometer", "sensor.opendrive_map"

_FIXED: Mapping[str, Mapping[str, str]] = {
    LIDAR: {
        "range": "85",
        "rotation_frequency": "10",
        "channels": "64",
        "upper_fov": "10",
        "lower_fov": "-30",
        "points_per_second": "600000",
        "atmosphere_attenuation_rate": "0.004",
        "dropoff_general_rate": "0.45",
        "dropoff_intensity_limit": "0.8",
        "dropoff_zero_intensity": "0.4",
    },
    RADAR: {"points_per_second": "1500", "range": "100"},
    GNSS: {
        "noise_alt_stddev": "0.000005",
        "noise_lat_stddev": "0.000005",
        "noise_lon_stddev": "0.000005",
        "noise_alt_bias": "0.0",
        "noise_lat_bias": "0.0",
        "noise_lon_bias": "0.0",
    },
    IMU: {
        "noise_accel_stddev_x": "0.001",
        "noise_accel_stddev_y": "0.001",
        "noise_accel_stddev_z": "0.015",
        "noise_gyro_stddev_x": "0.001",
        "noise_gyro_stddev_y": "0.001",
        "noise_gyro_stddev_z": "0.001",
    },
}
_IMAGE = {"width": "image_size_x", "height": "image_size_y", "fov": "fov"}
# Key of the agent's dict to the blueprint's attribute; all of them must be there.
_CHOSEN: Mapping[str, Mapping[str, str]] = {
    **{kind: _IMAGE for kind in CAMERAS},
    RADAR: {"horizontal_fov": "horizontal_fov", "vertical_fov": "vertical_fov"},
}
KINDS = (*CAMERAS, LIDAR, RADAR, GNSS, IMU, SPEEDOMETER, OPENDRIVE_MAP)


def sensor_specs(wanted: Sequence[Mapping[str, Any]]) -> tuple[SensorSpec, ...]:
    """What an agent's `sensors()` asks for.

    Raises:
        ConfigError: a sensor has no id or type, an unknown type, a missing key, or a second id.
    """
    specs = tuple(_sensor_spec(sensor) for sensor in wanted)
    ids = [spec.sensor_id for spec in specs]
    if len(set(ids)) != len(ids):
        raise ConfigError(f"the agent's sensors share an id: {', '.join(ids)}")
    return specs


def _sensor_spec(sensor: Mapping[str, Any]) -> SensorSpec:
    if not isinstance(sensor, Mapping):
        raise ConfigError(f"the agent's sensors: expected dicts, found {sensor!r:.60}")
    name, kind = sensor.get("id"), sensor.get("type")
    if name is None or kind is None:
        raise ConfigError(f"the agent's sensor {dict(sensor)} needs an 'id' and a 'type'")
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise ConfigError(f"the agent's sensor '{name}': unknown type '{kind}'; known: {known}")
    attributes = dict(_FIXED.get(kind, {}))
    for key, attribute in _CHOSEN.get(kind, {}).items():
        if key not in sensor:
            raise ConfigError(f"the agent's sensor '{name}': {kind} needs '{key}'")
        value = _number(sensor, key)
        is_size = attribute.startswith("image_size")
        attributes[attribute] = str(int(value)) if is_size else str(sensor[key])
    x, y, z, pitch, yaw, roll = (
        _number(sensor, key) for key in ("x", "y", "z", "pitch", "yaw", "roll")
    )
    if kind == GNSS:  # the Leaderboard does not turn it
        pitch = yaw = roll = 0.0
    mount = Pose(x, y, z, pitch, yaw, roll)
    return SensorSpec(str(name), kind, mount, tuple(sorted(attributes.items())))


def _number(sensor: Mapping[str, Any], key: str) -> float:
    value = sensor.get(key, 0.0)
    try:
        return float(value)
    except (TypeError, ValueError) as err:
        name = sensor.get("id")
        raise ConfigError(
            f"the agent's sensor '{name}': {key} must be a number, found {value!r:.60}"
        ) from err


def driving_camera(specs: Sequence[SensorSpec], wanted: str | None) -> SensorSpec | None:
    """The RGB camera whose image is to be replaced: the wanted one or the first; None without any.

    Raises:
        ConfigError: there is no RGB camera of that id.
    """
    cameras = {spec.sensor_id: spec for spec in specs if spec.kind == RGB}
    if wanted is None:
        return next(iter(cameras.values()), None)
    if wanted not in cameras:
        known = ", ".join(cameras) or "none"
        raise ConfigError(f"unknown fused camera '{wanted}'; the agent's RGB cameras: {known}")
    return cameras[wanted]


def camera_spec(spec: SensorSpec) -> CameraSpec:
    """An agent's camera as the harness describes its own."""
    attributes, pose = dict(spec.attributes), spec.mount
    return CameraSpec(
        width=int(attributes["image_size_x"]),
        height=int(attributes["image_size_y"]),
        fov_deg=float(attributes["fov"]),
        x=pose.x,
        y=pose.y,
        z=pose.z,
        pitch_deg=pose.pitch,
        yaw_deg=pose.yaw,
        roll_deg=pose.roll,
    )


def bgra(image: Image) -> NDArray[np.uint8]:
    """(H, W, 3) RGB to the (H, W, 4) that CARLA's cameras send."""
    out = np.full((*image.shape[:2], 4), 255, dtype=np.uint8)
    out[:, :, :3] = image[:, :, ::-1]
    return out


def leaderboard_data(kind: str, reading: Reading) -> Any:
    """What the Leaderboard hands an agent for one reading."""
    data = reading.data
    if kind in CAMERAS:
        pixels = np.frombuffer(data.raw_data, dtype=np.uint8)
        return pixels.reshape(data.height, data.width, 4).copy()  # BGRA
    if kind == LIDAR:
        return np.frombuffer(data.raw_data, dtype=np.float32).reshape(-1, 4).copy()  # x y z I
    if kind == RADAR:
        points = np.frombuffer(data.raw_data, dtype=np.float32).reshape(-1, 4)
        return np.flip(points, 1).copy()  # depth, azimuth, altitude, velocity: theirs is turned
    if kind == GNSS:
        return np.array([data.latitude, data.longitude, data.altitude], dtype=np.float64)
    if kind == IMU:
        pull, turn = data.accelerometer, data.gyroscope
        values = [pull.x, pull.y, pull.z, turn.x, turn.y, turn.z, data.compass]
        return np.array(values, dtype=np.float64)
    return {"speed": data} if kind == SPEEDOMETER else {"opendrive": data}
