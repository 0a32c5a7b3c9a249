"""What looks at the arm's image and says who is on the road ahead: the interface.

A detector of the user's own derives from `Detector` and answers boxes in the image; where it gives
no places, they follow from the foot of each box on a level road.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fusiondrive.errors import AgentError
from fusiondrive.types import ActorState, CameraSpec, Image
from perceivers.kinds import CAR, KINDS

CAR_LENGTH_M, CAR_WIDTH_M = 4.5, 1.6  # of a usual one
# From one picture to the next a place that was made of a box is off by about so much.
DISTANCE_OFF, EDGE_OFF_PX = 0.06, 2.0
FLANK_OFF_M = 0.15  # aside, of a car, whose box ends at its far end
CUT_SHARE = 0.04  # of half the image's width: a box that ends so close to its side is cut by it
# As emergency braking has it: behind the windscreen, level, 50 degrees wide.
CAMERA = CameraSpec(width=640, height=480, fov_deg=50.0, x=1.0, z=1.45, pitch_deg=0.0)


class Place(NamedTuple):
    """Where something is on the road."""

    ahead_m: float  # of the front bumper, to its nearest point
    right_m: float  # of the car's middle, to its own
    half_width_m: float
    range_off_m: float = 0.0  # standard deviation of its error along the line of sight; 0: exact
    side_off_m: float = 0.0  # and across it


@dataclass(frozen=True)
class Detection:
    """One object in an image."""

    kind: str  # person, cyclist or car
    score: float  # 0 to 1
    left: float  # px, as are the others
    top: float
    right: float
    bottom: float
    place: Place | None = None  # None: it follows from box and distance
    distance_m: float | None = None  # to its nearest point, along the camera's axis; None: from
    # the box's foot on a level road


@dataclass(frozen=True)
class Sight:
    """What a detector may look at in one step."""

    image: Image  # (H, W, 3) uint8 RGB: the arm's; empty for a detector without eyes
    ego_speed_mps: float
    camera: CameraSpec = CAMERA
    ego: ActorState | None = None  # this and the actors: for privileged detectors alone
    actors: tuple[ActorState, ...] = field(default=())


class Detector(ABC):
    """Finds road users; the base class of detectors."""

    name: str = ""
    needs_image: bool = True
    is_privileged: bool = False  # knows the actors; rows and tables say so
    cameras: tuple[CameraSpec, ...] = ()  # whose images it knows; () takes any
    looks: tuple[int, ...] = ()  # versions of the pictures it was trained on; () is unknown

    def reset(self, seed: int) -> None:  # noqa: B027  most have nothing to forget
        """Start a run."""

    def weights_hash(self) -> str:
        """Of its weights, 12 hex digits; `none` without any."""
        return "none"

    @abstractmethod
    def detect(self, sight: Sight) -> tuple[Detection, ...]:
        """What is in the image."""


def placed(found: Detection, camera: CameraSpec, front_m: float) -> Place:
    """The place of a detection: its own, or that of its box at its distance.

    Where it has no distance, it stands with the box's foot on a level road.

    Args:
        found: the detection.
        camera: looks ahead, maybe down, and is not rolled.
        front_m: from the car's origin, which the camera's place refers to, to its front bumper.
    """
    if found.place is not None:
        return found.place
    focal = focal_px(camera)
    pitch = math.radians(camera.pitch_deg)
    row = found.bottom if found.distance_m is None else 0.5 * (found.top + found.bottom)
    below = (row - 0.5 * camera.height) / focal
    # The ray through that row, 1 long along the axis: how far it gets ahead and down.
    ahead = math.cos(pitch) + below * math.sin(pitch)
    down = max(below * math.cos(pitch) - math.sin(pitch), 1e-3 / focal)  # under the horizon
    depth = camera.z / down if found.distance_m is None else found.distance_m  # along the axis
    edges = ((found.left - 0.5 * camera.width) / focal, (found.right - 0.5 * camera.width) / focal)
    left, right = (
        _sides(edges, depth, 0.5 * camera.width / focal)
        if found.kind == CAR
        else (depth * edges[0], depth * edges[1])
    )
    side_off = depth * EDGE_OFF_PX / focal + (FLANK_OFF_M if found.kind == CAR else 0.0)
    return Place(
        depth * ahead + camera.x - front_m,
        0.5 * (left + right) + camera.y,
        0.5 * (right - left),
        DISTANCE_OFF * depth,
        side_off,
    )


def _sides(edges: tuple[float, float], depth_m: float, limit: float) -> tuple[float, float]:
    """Where a car's sides are, metres to the right of the camera.

    A car beside the way shows its flank: the edge of its box that is nearer to the way is that of
    its far end. Taken for the near end, a parked car would stand in the lane. Cars are taken to
    stand along the way.

    Args:
        edges: of its box, over the focal length, to the right of the camera's axis.
        depth_m: of its near end.
        limit: of the image's side, as the edges; a box that ends there ends beyond it.
    """
    if edges[1] < 0.0:
        left, right = _sides((-edges[1], -edges[0]), depth_m, limit)
        return -right, -left
    left, right = edges[0] * depth_m, edges[1] * depth_m
    if edges[0] > 0.0:
        far_left = edges[0] * (depth_m + CAR_LENGTH_M)
        if edges[1] > (1.0 - CUT_SHARE) * limit:
            right = max(right, far_left + CAR_WIDTH_M)
        left = max(left, min(far_left, right - CAR_WIDTH_M))
    return left, right


def focal_px(camera: CameraSpec) -> float:
    """Focal length in pixels."""
    return 0.5 * camera.width / math.tan(math.radians(0.5 * camera.fov_deg))


def checked(detector: Detector, sight: Sight) -> tuple[Detection, ...]:
    """What a detector, which may be the user's own, answers.

    Raises:
        AgentError: it raised, or gave something that cannot be used.
    """
    name = detector.name
    try:
        found = tuple(detector.detect(sight))
    except Exception as err:
        raise AgentError(f"detector '{name}' failed: {type(err).__name__}: {err}") from err
    for item in found:
        if not isinstance(item, Detection):
            raise AgentError(f"detector '{name}': expected Detections, found {item!r:.80}")
        if item.kind not in KINDS:
            raise AgentError(f"detector '{name}': expected a kind of {KINDS}, found {item.kind!r}")
        numbers = (item.left, item.top, item.right, item.bottom, *(item.place or ()))
        numbers += () if item.distance_m is None else (item.distance_m,)
        if not np.isfinite(numbers).all():
            raise AgentError(f"detector '{name}': not all numbers are finite in {item!r:.200}")
    return found
