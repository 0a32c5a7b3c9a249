"""What looks at the arm's image and says who is on the road ahead: the interface, and a stand-in.

A detector of the user's own derives from `Detector` and answers boxes in the image; where it gives
no places, they follow from the foot of each box on a level road.
"""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.geometry import to_heading
from fusiondrive.types import ActorKind, ActorState, CameraSpec, Image

PERSON, CYCLIST, CAR = "person", "cyclist", "car"
# As emergency braking has it: behind the windscreen, level, 50 degrees wide.
CAMERA = CameraSpec(width=640, height=480, fov_deg=50.0, x=1.0, z=1.45, pitch_deg=0.0)

F64 = NDArray[np.float64]
_LEAST_SHARE = 1.0 / 3.0  # of the points of a body that must be in view
_SLIM_M = 0.5  # vehicles with a smaller half width are two-wheelers


class Place(NamedTuple):
    """Where something is on the road."""

    ahead_m: float  # of the front bumper, to its nearest point
    right_m: float  # of the car's middle, to its own
    half_width_m: float


@dataclass(frozen=True)
class Detection:
    """One object in an image."""

    kind: str  # person, cyclist or car
    score: float  # 0 to 1
    left: float  # px, as are the others
    top: float
    right: float
    bottom: float
    place: Place | None = None  # None: it follows from the box


@dataclass(frozen=True)
class Sight:
    """What a detector may look at in one step."""

    image: Image  # (480, 640, 3) uint8 RGB: the arm's; empty for a detector without eyes
    ego_speed_mps: float
    camera: CameraSpec = CAMERA
    ego: ActorState | None = None  # this and the actors: for privileged detectors alone
    actors: tuple[ActorState, ...] = field(default=())


class Detector(ABC):
    """Finds road users; the base class of detectors."""

    name: str = ""
    needs_image: bool = True
    is_privileged: bool = False  # knows the actors; rows and tables say so

    def reset(self, seed: int) -> None:  # noqa: B027  most have nothing to forget
        """Start a run."""

    def weights_hash(self) -> str:
        """Of its weights, 12 hex digits; `none` without any."""
        return "none"

    @abstractmethod
    def detect(self, sight: Sight) -> tuple[Detection, ...]:
        """What is in the image."""


def placed(found: Detection, camera: CameraSpec, front_m: float) -> Place:
    """The place of a detection: its own, or that of its box's foot on a level road.

    Args:
        found: the detection.
        camera: a level one.
        front_m: from the car's origin, which the camera's place refers to, to its front bumper.
    """
    if found.place is not None:
        return found.place
    focal = focal_px(camera)
    below = max(found.bottom - 0.5 * camera.height, 1e-3)  # px under the horizon
    depth = camera.z * focal / below
    middle = 0.5 * (found.left + found.right) - 0.5 * camera.width
    half_width = 0.5 * (found.right - found.left) * depth / focal
    return Place(depth + camera.x - front_m, middle * depth / focal + camera.y, half_width)


def focal_px(camera: CameraSpec) -> float:
    """Focal length in pixels."""
    return 0.5 * camera.width / math.tan(math.radians(0.5 * camera.fov_deg))


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


DETECTORS: Mapping[str, type[Detector]] = {PrivilegedDetector.name: PrivilegedDetector}


def make_detector(name: str, weights: Path | None = None) -> Detector:
    """Build a detector.

    Args:
        name: one of `DETECTORS`, or `pkg.module:Class` of the user's own.
        weights: handed to the class, where they are given.

    Raises:
        ConfigError: there is none of that name, or it cannot be built.
    """
    kind = DETECTORS.get(name) or _plug_in(name)
    if weights is not None and kind is PrivilegedDetector:
        raise ConfigError(f"detector '{name}' takes no weights; leave detector_weights out")
    try:
        made = kind() if weights is None else kind(weights)  # type: ignore[call-arg]
    except (TypeError, ValueError, OSError) as err:
        raise ConfigError(f"detector '{name}' could not be built: {err}") from err
    if not isinstance(made, Detector):
        raise ConfigError(f"detector '{name}' is no harness.track.detection.Detector")
    made.name = name
    return made


def _plug_in(name: str) -> type[Detector]:
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise unknown_name("detector", name, (*DETECTORS, "pkg.module:Class"))
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as err:
        raise ConfigError(f"detector '{name}': {err}") from err
    if not callable(found):
        raise ConfigError(f"detector '{name}': {attribute} is no class")
    return found  # type: ignore[no-any-return]
