"""CARLA's poses and ours; the one module here that needs the client, so import it with care."""

from __future__ import annotations

import carla

from fusiondrive.types import Pose


def pose_of(transform: carla.Transform) -> Pose:
    """A transform as plain data."""
    place, turn = transform.location, transform.rotation
    return Pose(place.x, place.y, place.z, turn.pitch, turn.yaw, turn.roll)


def transform_of(pose: Pose) -> carla.Transform:
    """A pose as the client's type."""
    turn = carla.Rotation(pitch=pose.pitch, yaw=pose.yaw, roll=pose.roll)
    return carla.Transform(location_of(pose), turn)


def location_of(pose: Pose) -> carla.Location:
    """The position of a pose as the client's type."""
    return carla.Location(pose.x, pose.y, pose.z)
