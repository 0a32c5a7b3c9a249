"""Who is where in a picture of a pose: boxes of visible pixels, from class ids and depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiondrive.types import ActorState, Pose
from harness.perception.drawing import Picture
from perceivers.kinds import CYCLIST, KIND_TAGS, PERSON
from perceivers.labelled_frame import RoadUser
from sensors.frame import RigFrame, focal_px, rotation_matrix

F64 = NDArray[np.float64]

LEAST_PIXELS = 6  # visible ones, of somebody who gets a label
# Beyond the server's box: arms and legs swing out of a walker's, a rider's head above a bicycle's.
MARGINS_M: Mapping[str, tuple[float, float, float]] = {
    PERSON: (0.45, 0.45, 0.15),
    CYCLIST: (0.25, 0.35, 0.6),
}
CAR_MARGIN_M = (0.2, 0.2, 0.2)
HIDES_M = 0.5  # before somebody's own surface: what is nearer hides them
GRID = np.array(list(product((-0.8, -0.4, 0.0, 0.4, 0.8), repeat=3)))  # of a box, half sizes


class _View(NamedTuple):
    """A camera's geometry."""

    at: F64  # (3,)
    turn: F64  # (3, 3) forward, right, up
    focal: float
    rows: int
    columns: int

    def seen(self, places: F64) -> F64:
        """Places of the world, (N, 3), as metres ahead, column and row, (N, 3)."""
        local = (places - self.at) @ self.turn
        ahead = np.maximum(local[:, 0], 1e-6)
        column = local[:, 1] / ahead * self.focal + 0.5 * self.columns
        row = -local[:, 2] / ahead * self.focal + 0.5 * self.rows
        return np.stack([local[:, 0], column, row], axis=1)


def label(picture: Picture) -> tuple[RoadUser, ...]:
    """Everybody of whom some pixels are visible, in the order of the pose."""
    kinds = {item.number: item.kind for item in picture.pose.actors}
    others = [(actor, kinds.get(actor.actor_id, "car")) for actor in picture.actors[1:]]
    return label_actors(picture.frame, others)


def label_actors(frame: RigFrame, actors: Sequence[tuple[ActorState, str]]) -> tuple[RoadUser, ...]:
    """Those of whom some pixels are visible, in the order given.

    Args:
        frame: with class ids and depth.
        actors: of the same moment, with their kinds.
    """
    assert frame.tags is not None  # labels need class ids and depth
    rows, columns = frame.tags.shape
    pose = frame.camera_pose
    view = _View(_place(pose), rotation_matrix(pose), focal_px(columns, frame.fov_deg),
                 rows, columns)  # fmt: skip
    found = [_user(actor, kind, frame, view) for actor, kind in actors]
    return tuple(item for item in found if item is not None)


def _user(actor: ActorState, kind: str, frame: RigFrame, view: _View) -> RoadUser | None:
    turn, centre = rotation_matrix(actor.pose), _place(actor.pose)
    middle = centre + turn @ np.array(actor.box_center)
    extent = np.array(actor.box_extent) + np.array(MARGINS_M.get(kind, CAR_MARGIN_M))
    corners = view.seen(middle + (np.array(list(product((-1, 1), repeat=3))) * extent) @ turn.T)
    window = _window(corners, view)
    if window is None:
        return None
    top, bottom, left, right = window
    mask = _own_pixels(frame, view, window, kind, (middle, turn, extent))
    if int(mask.sum()) < LEAST_PIXELS:
        return None
    assert frame.depth_m is not None  # as above
    depth = frame.depth_m[top:bottom, left:right]
    ys, xs = np.nonzero(mask)
    grid = view.seen(middle + (GRID * np.array(actor.box_extent)) @ turn.T)
    return RoadUser(
        kind,
        float(left + xs.min()),
        float(top + ys.min()),
        float(left + xs.max() + 1),
        float(top + ys.max() + 1),
        round(float(depth[mask].min()), 2),
        round(_visible_share(grid, frame, window, mask), 3),
    )


def _window(corners: F64, view: _View) -> tuple[int, int, int, int] | None:
    """Rows and columns of the picture in which a box may show: top, bottom, left, right."""
    if corners[:, 0].max() < 0.1:
        return None
    if corners[:, 0].min() < 0.1:  # reaches behind the camera: anywhere
        return 0, view.rows, 0, view.columns
    left, top = np.floor(corners[:, 1:].min(0)).astype(int)
    right, bottom = np.ceil(corners[:, 1:].max(0)).astype(int)
    top, bottom = max(top, 0), min(bottom + 1, view.rows)
    left, right = max(left, 0), min(right + 1, view.columns)
    return (int(top), int(bottom), int(left), int(right)) if top < bottom and left < right else None


def _own_pixels(
    frame: RigFrame,
    view: _View,
    window: tuple[int, int, int, int],
    kind: str,
    box: tuple[F64, F64, F64],
) -> NDArray[np.bool_]:
    """Pixels of a window whose class fits and whose point lies within a box, (h, w).

    Args:
        frame: with class ids and depth.
        view: its geometry.
        window: top, bottom, left, right.
        kind: of road user.
        box: middle, rotation and half sizes.
    """
    top, bottom, left, right = window
    assert frame.tags is not None
    assert frame.depth_m is not None
    mask = np.isin(frame.tags[top:bottom, left:right], KIND_TAGS[kind])
    ys, xs = np.nonzero(mask)
    depth = frame.depth_m[top:bottom, left:right][ys, xs].astype(np.float64)
    across = (xs + left + 0.5 - 0.5 * view.columns) / view.focal
    up = -(ys + top + 0.5 - 0.5 * view.rows) / view.focal
    places = view.at + np.stack([depth, depth * across, depth * up], axis=1) @ view.turn.T
    middle, turn, extent = box
    mask[ys, xs] = (np.abs((places - middle) @ turn) <= extent).all(axis=1)
    return mask


def _visible_share(
    grid: F64, frame: RigFrame, window: tuple[int, int, int, int], mask: NDArray[np.bool_]
) -> float:
    """Share of a box's points within the picture that nothing nearer hides; its own do not."""
    assert frame.depth_m is not None
    top, _, left, _ = window
    rows, columns = frame.depth_m.shape
    xs, ys = np.floor(grid[:, 1]).astype(int), np.floor(grid[:, 2]).astype(int)
    inside = (grid[:, 0] > 0.1) & (xs >= 0) & (xs < columns) & (ys >= 0) & (ys < rows)
    if not inside.any():
        return 1.0
    whole = np.zeros((rows, columns), np.bool_)
    whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    xs, ys, ahead = xs[inside], ys[inside], grid[inside, 0]
    hidden = (frame.depth_m[ys, xs] < ahead - HIDES_M) & ~whole[ys, xs]
    return float(1.0 - hidden.mean())


def _place(pose: Pose) -> F64:
    return np.array([pose.x, pose.y, pose.z])
