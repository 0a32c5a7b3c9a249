"""Who is where in a picture: boxes of visible pixels, from class ids, depth and the actors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiondrive.types import ActorKind, ActorState, Pose
from perceivers.kinds import CAR, CYCLIST, KIND_TAGS, PERSON
from perceivers.labelled_frame import RoadUser
from sensors.frame import RigFrame, focal_px, rotation_matrix

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_PIXELS = 6  # visible ones, of somebody who gets a label
SLIM_M = 0.5  # vehicles with a smaller half width are two-wheelers
NEAREST_M = 0.1
# Beyond the server's box: limbs swing out of a walker's, a rider sits higher than a bicycle.
MARGINS_M: Mapping[str, tuple[float, float, float]] = {
    PERSON: (0.45, 0.45, 0.15),
    CYCLIST: (0.25, 0.35, 0.6),
    CAR: (0.2, 0.2, 0.2),
}
HIDES_M = 0.5  # nearer than somebody by this much: it hides them
GRID = np.array(list(product((-0.8, -0.4, 0.0, 0.4, 0.8), repeat=3)))  # of a box, half sizes


def kind_of(actor: ActorState) -> str:
    """What kind of road user an actor is."""
    if actor.kind is ActorKind.PEDESTRIAN:
        return PERSON
    return CYCLIST if actor.box_extent[1] < SLIM_M else CAR


def label(frame: RigFrame, actors: Sequence[ActorState]) -> tuple[RoadUser, ...]:
    """Everybody of whom some pixels are visible, in the order given.

    Args:
        frame: with class ids and depth.
        actors: of the same moment.
    """
    found = [_user(actor, _View.of(frame), frame) for actor in actors]
    return tuple(item for item in found if item is not None)


class _View(NamedTuple):
    """A camera's geometry."""

    at: F64  # (3,)
    turn: F64  # (3, 3) forward, right, up
    focal: float
    rows: int
    columns: int

    @classmethod
    def of(cls, frame: RigFrame) -> _View:
        rows, columns = frame.rgb.shape[:2]
        pose = frame.camera_pose
        return cls(
            _place(pose), rotation_matrix(pose), focal_px(columns, frame.fov_deg), rows, columns
        )

    def seen(self, places: F64) -> F64:
        """Places of the world, (N, 3), as metres ahead, column and row, (N, 3)."""
        local = (places - self.at) @ self.turn
        ahead = np.maximum(local[:, 0], 1e-6)
        column = local[:, 1] / ahead * self.focal + 0.5 * self.columns
        row = -local[:, 2] / ahead * self.focal + 0.5 * self.rows
        return np.stack([local[:, 0], column, row], axis=1)

    def places(self, xs: NDArray[np.int64], ys: NDArray[np.int64], depth: F64) -> F64:
        """Pixels with their depth as places of the world, (N, 3)."""
        across = (xs + 0.5 - 0.5 * self.columns) / self.focal
        up = -(ys + 0.5 - 0.5 * self.rows) / self.focal
        local = np.stack([depth, depth * across, depth * up], axis=1)
        return np.asarray(self.at + local @ self.turn.T, dtype=np.float64)


class _Box(NamedTuple):
    """An actor's box in the world."""

    middle: F64  # (3,)
    turn: F64  # (3, 3)
    half: F64  # (3,)

    def points(self, shares: F64, margin: F64) -> F64:
        """Points at shares of its half sizes, (N, 3), widened by a margin."""
        return np.asarray(self.middle + (shares * (self.half + margin)) @ self.turn.T, np.float64)


def _user(actor: ActorState, view: _View, frame: RigFrame) -> RoadUser | None:
    kind, turn = kind_of(actor), rotation_matrix(actor.pose)
    middle = _place(actor.pose) + turn @ np.array(actor.box_center)
    box, margin = _Box(middle, turn, np.array(actor.box_extent)), np.array(MARGINS_M[kind])
    window = _window(
        view.seen(box.points(np.array([*product((-1.0, 1.0), repeat=3)]), margin)), view
    )
    if window is None:
        return None
    own = _own_pixels(frame, view, window, kind, box, margin)
    if int(own.sum()) < LEAST_PIXELS:
        return None
    assert frame.depth_m is not None  # as `label` asks for
    ys, xs = np.nonzero(own)
    grid = view.seen(box.points(GRID, np.zeros(3)))
    return RoadUser(
        kind,
        float(xs.min()),
        float(ys.min()),
        float(xs.max() + 1),
        float(ys.max() + 1),
        round(float(frame.depth_m[own].min()), 2),
        round(_visible_share(grid, frame, own), 3),
    )


def _window(corners: F64, view: _View) -> tuple[slice, slice] | None:
    """Rows and columns of the picture in which a box may show."""
    if corners[:, 0].max() < NEAREST_M:
        return None
    if corners[:, 0].min() < NEAREST_M:  # it reaches behind the camera: anywhere
        return slice(0, view.rows), slice(0, view.columns)
    left, top = np.clip(np.floor(corners[:, 1:].min(0)), 0, (view.columns, view.rows)).astype(int)
    right, bottom = np.clip(
        np.ceil(corners[:, 1:].max(0)) + 1, 0, (view.columns, view.rows)
    ).astype(int)
    return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


def _own_pixels(
    frame: RigFrame,
    view: _View,
    window: tuple[slice, slice],
    kind: str,
    box: _Box,
    margin: F64,
) -> Mask:
    """Pixels whose class fits and whose place lies within the box, (H, W)."""
    assert frame.tags is not None  # as `label` asks for
    assert frame.depth_m is not None
    own = np.zeros(frame.tags.shape, np.bool_)
    own[window] = np.isin(frame.tags[window], KIND_TAGS[kind])
    ys, xs = np.nonzero(own)
    places = view.places(xs, ys, frame.depth_m[ys, xs].astype(np.float64))
    own[ys, xs] = (np.abs((places - box.middle) @ box.turn) <= box.half + margin).all(axis=1)
    return own


def _visible_share(grid: F64, frame: RigFrame, own: Mask) -> float:
    """Share of a box's points within the picture that nothing nearer hides; its own do not."""
    assert frame.depth_m is not None  # as `label` asks for
    rows, columns = own.shape
    xs, ys = np.floor(grid[:, 1]).astype(int), np.floor(grid[:, 2]).astype(int)
    inside = (grid[:, 0] > NEAREST_M) & (xs >= 0) & (xs < columns) & (ys >= 0) & (ys < rows)
    if not inside.any():
        return 1.0
    xs, ys = xs[inside], ys[inside]
    hidden = (frame.depth_m[ys, xs] < grid[inside, 0] - HIDES_M) & ~own[ys, xs]
    return float(1.0 - hidden.mean())


def _place(pose: Pose) -> F64:
    return np.array([pose.x, pose.y, pose.z])
