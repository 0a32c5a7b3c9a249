"""From the network's maps to detections; runs without torch."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from perceivers.detection import Detection
from perceivers.kinds import KINDS

F32 = NDArray[np.float32]

STRIDE = 4
MOST = 60  # detections in a picture
SAME = 0.5  # IoU of two boxes of one kind that are the same object


def detections(maps: F32, focal_px: float, least_score: float) -> tuple[Detection, ...]:
    """Peaks of the score maps with their boxes, the surest first.

    Args:
        maps: (kinds + 5, h, w): scores, then sides in px, then the logarithm of metres over focal
            length.
        focal_px: of the camera.
        least_score: that a peak needs.
    """
    scores = maps[: len(KINDS)]
    highest = np.stack([cv2.dilate(plane, np.ones((3, 3), np.uint8)) for plane in scores])
    kinds, ys, xs = np.nonzero((scores >= least_score) & (scores == highest))
    order = np.argsort(-scores[kinds, ys, xs], kind="stable")
    found: list[Detection] = []
    for kind, y, x in zip(kinds[order], ys[order], xs[order], strict=True):
        left, top, right, bottom = maps[len(KINDS) : len(KINDS) + 4, y, x]
        at_x, at_y = (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
        one = Detection(
            kind=KINDS[kind],
            score=float(scores[kind, y, x]),
            left=float(max(at_x - left, 0.0)),
            top=float(max(at_y - top, 0.0)),
            right=float(min(at_x + right, maps.shape[2] * STRIDE)),
            bottom=float(min(at_y + bottom, maps.shape[1] * STRIDE)),
            distance_m=float(np.exp(maps[len(KINDS) + 4, y, x]) * focal_px),
        )
        if not _is_known(one, found):
            found.append(one)
        if len(found) == MOST:
            break
    return tuple(found)


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two rectangles, each left, top, right and bottom."""
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(across, 0.0) * max(down, 0.0)
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (areas - shared) if areas > shared else 0.0


def _is_known(one: Detection, found: Sequence[Detection]) -> bool:
    box = (one.left, one.top, one.right, one.bottom)
    return any(
        item.kind == one.kind and iou(box, (item.left, item.top, item.right, item.bottom)) > SAME
        for item in found
    )
