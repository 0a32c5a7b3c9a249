"""Detectors of the track tests: those of `perceivers.detectors`, and a stand-in with the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError
from fusiondrive.geometry import to_heading
from fusiondrive.types import ActorKind, ActorState, CameraSpec
from perceivers import detectors
from perceivers.detection import Detection, Detector, Place, Sight, focal_px
from perceivers.kinds import CAR, CYCLIST, PERSON

F64 = NDArray[np.float64]
_LEAST_SHARE = 1.0 / 3.0  # of the points of a body that must be in view
_SLIM_M = 0.5  # vehicles with a smaller half width are two-wheelers


class PrivilegedDetector(Detector):
    """A stand-in that knows the actors, and tells of those in view of the camera, at any distance.

    In view is what lies within the frame and behind no other actor, a third of the body at least;
    weather and light hide nothing from it. Places are exact.
    """

    name = "privileged"
    needs_image = False
    is_privileged = True

    def detect(self, sight: Sight) -> tuple[Detection, ...]:
        """The actors in view.

        Raises:
            ValueError: the sight holds no ego.
        """
        if sight.ego is None:
            raise ValueError("a privileged detector needs the ego and the actors")
        bodies = [_body(actor, sight.ego) for actor in sight.actors]
        eye = np.array([sight.camera.x, sight.camera.y, sight.camera.z])
        found = []
        for body in bodies:
            others = [other for other in bodies if other is not body]
            if _share_in_view(body, others, eye, sight.camera) >= _LEAST_SHARE:
                found.append(_detection(body, eye, sight.camera, sight.ego.box_extent[0]))
        return tuple(found)


class _Body(NamedTuple):
    """An actor's box in the ego's frame: x ahead, y right, z up from the ground, m."""

    kind: str
    center: F64  # (3,)
    axes: F64  # (3, 3) unit vectors in rows
    half: F64  # (3,)

    def points(self, shares: Sequence[float]) -> F64:
        """Points of the box at these shares of its half sizes, (len(shares)**3, 3)."""
        grid = np.stack(np.meshgrid(shares, shares, shares, indexing="ij"), axis=-1).reshape(-1, 3)
        return np.asarray(self.center + (grid * self.half) @ self.axes, dtype=np.float64)


def _body(actor: ActorState, ego: ActorState) -> _Body:
    pose, own = actor.pose, ego.pose
    middle = to_heading(pose.x - own.x, pose.y - own.y, own.yaw)
    turn = math.radians(pose.yaw - own.yaw)
    cos, sin = math.cos(turn), math.sin(turn)
    axes = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    height = pose.z - own.z + actor.box_center[2]
    center = np.array([middle.ahead, middle.right, height])
    center[:2] += np.array(actor.box_center[:2]) @ axes[:2, :2]
    kind = PERSON if actor.kind is ActorKind.PEDESTRIAN else CAR
    if kind == CAR and actor.box_extent[1] < _SLIM_M:
        kind = CYCLIST
    return _Body(kind, center, axes, np.array(actor.box_extent))


def _share_in_view(body: _Body, others: Sequence[_Body], eye: F64, camera: CameraSpec) -> float:
    points = body.points((-0.7, 0.0, 0.7))
    columns, rows = _projected(points, eye, camera)
    inside = (points[:, 0] > eye[0] + 0.1) & (columns >= 0.0) & (columns < camera.width)
    inside &= (rows >= 0.0) & (rows < camera.height)
    hidden = np.zeros(len(points), dtype=bool)
    for other in others:
        hidden |= _crosses(eye, points, other)
    return float(np.mean(inside & ~hidden))


def _projected(points: F64, eye: F64, camera: CameraSpec) -> tuple[F64, F64]:
    depth = np.maximum(points[:, 0] - eye[0], 0.1)
    scale = focal_px(camera) / depth
    columns = 0.5 * camera.width + scale * (points[:, 1] - eye[1])
    return columns, 0.5 * camera.height - scale * (points[:, 2] - eye[2])


def _crosses(eye: F64, points: F64, body: _Body) -> NDArray[np.bool_]:
    """Whether the line from the eye to each point meets a box (slab test)."""
    start = (eye - body.center) @ body.axes.T  # (3,)
    way = (points - eye) @ body.axes.T  # (N, 3)
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    first, second = (-body.half - start) / way, (body.half - start) / way
    enter = np.minimum(first, second).max(axis=1)
    leave = np.maximum(first, second).min(axis=1)
    return np.asarray((enter < leave) & (leave > 0.0) & (enter < 0.999), dtype=np.bool_)


def _detection(body: _Body, eye: F64, camera: CameraSpec, front_m: float) -> Detection:
    corners = body.points((-1.0, 1.0))
    columns, rows = _projected(corners, eye, camera)
    columns, rows = np.clip(columns, 0.0, camera.width), np.clip(rows, 0.0, camera.height)
    aside = corners[:, 1]
    place = Place(
        ahead_m=float(corners[:, 0].min() - front_m),
        right_m=float(0.5 * (aside.min() + aside.max())),
        half_width_m=float(0.5 * (aside.max() - aside.min())),
    )
    box = (float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max()))
    return Detection(body.kind, 1.0, *box, place)


DETECTORS: Mapping[str, type[Detector]] = {
    PrivilegedDetector.name: PrivilegedDetector,
    **detectors.DETECTORS,
}


def make_detector(name: str, weights: Path | None = None) -> Detector:
    """Build a detector.

    Args:
        name: one of `DETECTORS`, or `pkg.module:Class` of the user's own.
        weights: handed to the class, where they are given.

    Raises:
        ConfigError: there is none of that name, or it cannot be built.
    """
    if weights is not None and name == PrivilegedDetector.name:
        raise ConfigError(f"detector '{name}' takes no weights; leave detector_weights out")
    return detectors.make_detector(name, weights, DETECTORS)
