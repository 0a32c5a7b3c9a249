"""Sensors: the kind of each, and its attributes with their recommended values.

A row of attributes is name, type (bool, int, float, string), then the recommended values. Names
and defaults are as in CARLA 0.9.16, `Carla/Actor/ActorBlueprintFunctionLibrary.cpp`.
"""

from __future__ import annotations

from simulator.net.wire import SensorType

Row = tuple[str, ...]

CAMERAS = {
    "sensor.camera.rgb": SensorType.RGB,
    "sensor.camera.depth": SensorType.DEPTH,
    "sensor.camera.semantic_segmentation": SensorType.SEMANTIC,
    "sensor.camera.instance_segmentation": SensorType.INSTANCE,
    "sensor.camera.normals": SensorType.NORMALS,
    "sensor.camera.optical_flow": SensorType.OPTICAL_FLOW,
    "sensor.camera.dvs": SensorType.DVS,
    "sensor.camera.cosmos_visualization": SensorType.COSMOS,
}
SENSOR_TYPES = {
    **CAMERAS,
    "sensor.other.collision": SensorType.COLLISION,
    "sensor.other.gnss": SensorType.GNSS,
    "sensor.other.imu": SensorType.IMU,
    "sensor.other.obstacle": SensorType.OBSTACLE,
    "sensor.other.radar": SensorType.RADAR,
    "sensor.lidar.ray_cast": SensorType.LIDAR,
    "sensor.lidar.ray_cast_semantic": SensorType.SEMANTIC_LIDAR,
}
CLIENT_SIDE_SENSOR = "sensor.other.lane_invasion"

_TICK: Row = ("sensor_tick", "f", "0.0")

_LENS: tuple[Row, ...] = (
    ("lens_circle_falloff", "f", "5.0"),
    ("lens_circle_multiplier", "f", "0.0"),
    ("lens_k", "f", "-1.0"),
    ("lens_kcube", "f", "0.0"),
    ("lens_x_size", "f", "0.08"),
    ("lens_y_size", "f", "0.08"),
)

_CAMERA: tuple[Row, ...] = (
    ("fov", "f", "90.0"),
    ("image_size_x", "i", "800"),
    ("image_size_y", "i", "600"),
    _TICK,
    *_LENS,
)

_POST_PROCESSING: tuple[Row, ...] = (
    ("enable_postprocess_effects", "b", "true"),
    ("bloom_intensity", "f", "0.675"),
    ("lens_flare_intensity", "f", "0.1"),
    ("gamma", "f", "2.2"),
    ("motion_blur_intensity", "f", "0.45"),
    ("motion_blur_max_distortion", "f", "0.35"),
    ("motion_blur_min_object_screen_size", "f", "0.1"),
    ("exposure_mode", "s", "histogram", "manual"),
    ("exposure_compensation", "f", "0.0"),
    ("exposure_min_bright", "f", "10.0"),
    ("exposure_max_bright", "f", "12.0"),
    ("exposure_speed_up", "f", "3.0"),
    ("exposure_speed_down", "f", "1.0"),
    ("calibration_constant", "f", "16.0"),
    ("shutter_speed", "f", "200.0"),
    ("iso", "f", "100.0"),
    ("fstop", "f", "1.4"),
    ("min_fstop", "f", "1.2"),
    ("blade_count", "i", "5"),
    ("focal_distance", "f", "1000.0"),
    ("blur_amount", "f", "1.0"),
    ("blur_radius", "f", "0.0"),
    ("slope", "f", "0.88"),
    ("toe", "f", "0.55"),
    ("shoulder", "f", "0.26"),
    ("black_clip", "f", "0.0"),
    ("white_clip", "f", "0.04"),
    ("temp", "f", "6500.0"),
    ("tint", "f", "0.0"),
    ("chromatic_aberration_intensity", "f", "0.0"),
    ("chromatic_aberration_offset", "f", "0.0"),
)

_DVS: tuple[Row, ...] = (
    ("positive_threshold", "f", "0.3"),
    ("negative_threshold", "f", "0.3"),
    ("sigma_positive_threshold", "f", "0"),
    ("sigma_negative_threshold", "f", "0"),
    ("refractory_period_ns", "i", "0"),
    ("use_log", "b", "true"),
    ("log_eps", "f", "0.001"),
)

_LIDAR: tuple[Row, ...] = (
    ("channels", "i", "32"),
    ("range", "f", "10.0"),
    ("points_per_second", "i", "56000"),
    ("rotation_frequency", "f", "10.0"),
    ("upper_fov", "f", "10.0"),
    ("lower_fov", "f", "-30.0"),
    ("horizontal_fov", "f", "360.0"),
    _TICK,
)

_LIDAR_LOSSES: tuple[Row, ...] = (
    ("atmosphere_attenuation_rate", "f", "0.004"),
    ("dropoff_general_rate", "f", "0.45"),
    ("dropoff_intensity_limit", "f", "0.8"),
    ("dropoff_zero_intensity", "f", "0.4"),
    ("noise_seed", "i", "0"),
    ("noise_stddev", "f", "0.0"),
)

_RADAR: tuple[Row, ...] = (
    ("horizontal_fov", "f", "30"),
    ("vertical_fov", "f", "30"),
    ("range", "f", "100"),
    ("points_per_second", "i", "1500"),
    ("noise_seed", "i", "0"),
    _TICK,
)

_OBSTACLE: tuple[Row, ...] = (
    ("distance", "f", "5.0"),
    ("hit_radius", "f", "0.5"),
    ("only_dynamics", "b", "false"),
    ("debug_linetrace", "b", "false"),
    _TICK,
)

_GNSS: tuple[Row, ...] = (
    ("noise_alt_bias", "f", "0.0"),
    ("noise_alt_stddev", "f", "0.0"),
    ("noise_lat_bias", "f", "0.0"),
    ("noise_lat_stddev", "f", "0.0"),
    ("noise_lon_bias", "f", "0.0"),
    ("noise_lon_stddev", "f", "0.0"),
    ("noise_seed", "i", "0"),
    _TICK,
)

_IMU: tuple[Row, ...] = (
    ("noise_accel_stddev_x", "f", "0.0"),
    ("noise_accel_stddev_y", "f", "0.0"),
    ("noise_accel_stddev_z", "f", "0.0"),
    ("noise_gyro_bias_x", "f", "0.0"),
    ("noise_gyro_bias_y", "f", "0.0"),
    ("noise_gyro_bias_z", "f", "0.0"),
    ("noise_gyro_stddev_x", "f", "0.0"),
    ("noise_gyro_stddev_y", "f", "0.0"),
    ("noise_gyro_stddev_z", "f", "0.0"),
    ("noise_seed", "i", "0"),
    _TICK,
)

SENSOR_ATTRIBUTES: dict[str, tuple[Row, ...]] = {
    "sensor.camera.rgb": (*_CAMERA, *_POST_PROCESSING),
    "sensor.camera.depth": _CAMERA,
    "sensor.camera.semantic_segmentation": _CAMERA,
    "sensor.camera.instance_segmentation": _CAMERA,
    "sensor.camera.normals": _CAMERA,
    "sensor.camera.optical_flow": _CAMERA,
    "sensor.camera.cosmos_visualization": _CAMERA,
    "sensor.camera.dvs": (*_CAMERA, *_POST_PROCESSING, *_DVS),
    "sensor.lidar.ray_cast": (*_LIDAR, *_LIDAR_LOSSES),
    "sensor.lidar.ray_cast_semantic": _LIDAR,
    "sensor.other.collision": (),
    "sensor.other.lane_invasion": (),
    "sensor.other.obstacle": _OBSTACLE,
    "sensor.other.gnss": _GNSS,
    "sensor.other.imu": _IMU,
    "sensor.other.radar": _RADAR,
}

_V2X_CUSTOM: tuple[Row, ...] = (
    ("noise_seed", "i", "0"),
    ("transmit_power", "f", "21.5"),
    ("receiver_sensitivity", "f", "-99.0"),
    ("frequency_ghz", "f", "5.9"),
    ("combined_antenna_gain", "f", "10.0"),
    ("scenario", "s", "highway", "rural", "urban"),
    ("path_loss_model", "s", "winner", "geometric"),
    ("path_loss_exponent", "f", "2.7"),
    ("d_ref", "f", "1.0"),
    ("filter_distance", "f", "500.0"),
    ("use_etsi_fading", "b", "true"),
    ("custom_fading_stddev", "f", "0.0"),
    _TICK,
)

_V2X: tuple[Row, ...] = (
    *_V2X_CUSTOM,
    ("gen_cam_min", "f", "0.1"),
    ("gen_cam_max", "f", "1.0"),
    ("fixed_rate", "b", "false"),
    ("noise_lat_stddev", "f", "0.0"),
    ("noise_lat_bias", "f", "0.0"),
    ("noise_lon_stddev", "f", "0.0"),
    ("noise_lon_bias", "f", "0.0"),
    ("noise_alt_stddev", "f", "0.0"),
    ("noise_alt_bias", "f", "0.0"),
    ("noise_head_stddev", "f", "0.0"),
    ("noise_head_bias", "f", "0.0"),
    ("noise_accel_stddev_x", "f", "0.0"),
    ("noise_accel_stddev_y", "f", "0.0"),
    ("noise_accel_stddev_z", "f", "0.0"),
    ("noise_yawrate_stddev", "f", "0.0"),
    ("noise_yawrate_bias", "f", "0.0"),
    ("noise_vel_stddev_x", "f", "0.0"),
)

# These are in the library, since scripts look them up by name; spawning one is an error.
UNSIMULATED_ATTRIBUTES: dict[str, tuple[Row, ...]] = {
    "sensor.other.rss": (),
    "sensor.other.v2x": _V2X,
    "sensor.other.v2x_custom": _V2X_CUSTOM,
}
# Their only recommended role is CARLA's `default`; all others are named after where they look.
WITHOUT_ROLE = frozenset(
    f"sensor.other.{name}" for name in ("gnss", "imu", "radar", "v2x", "v2x_custom")
)

# What a spawned sensor may be told; other numbers must only be finite.
LIMITS: dict[str, tuple[float, float]] = {
    "fov": (1.0, 170.0),
    "image_size_x": (1, 8192),
    "image_size_y": (1, 8192),
    "sensor_tick": (0.0, 1e6),
    "channels": (1, 4096),
    "range": (0.0, 10_000.0),
    "points_per_second": (0, 20_000_000),
    "rotation_frequency": (0.0, 10_000.0),
    "upper_fov": (-180.0, 180.0),
    "lower_fov": (-180.0, 180.0),
    "horizontal_fov": (0.0, 360.0),
    "vertical_fov": (0.0, 179.0),
    "atmosphere_attenuation_rate": (0.0, 1e6),
    "dropoff_general_rate": (0.0, 1.0),
    "dropoff_intensity_limit": (0.0, 1.0),
    "dropoff_zero_intensity": (0.0, 1.0),
    "noise_stddev": (0.0, 1e6),
    "positive_threshold": (0.0, 1e6),
    "negative_threshold": (0.0, 1e6),
    "sigma_positive_threshold": (0.0, 1e6),
    "sigma_negative_threshold": (0.0, 1e6),
    "refractory_period_ns": (0, 1e15),
    "log_eps": (1e-9, 1e6),
    "distance": (0.0, 10_000.0),
    "hit_radius": (0.0, 1000.0),
}
ANY_NUMBER = (-1e15, 1e15)


def default_of(blueprint: str, name: str) -> str:
    """The value an attribute of a sensor has if the client does not name it.

    Raises:
        KeyError: the sensor has no such attribute.
    """
    for row in SENSOR_ATTRIBUTES[blueprint]:
        if row[0] == name:
            return row[2]
    raise KeyError(f"{blueprint} has no attribute {name!r}")
