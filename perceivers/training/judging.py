"""What a network is worth on whole frames of towns that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fusiondrive.types import Image
from perceivers.average_precision import DetectionScores, SegmentScores
from perceivers.decoding import detections
from perceivers.detection import Detection, focal_px, placed
from perceivers.kinds import segments_of
from perceivers.labelled_frame import LabelledFrame, RoadUser
from perceivers.picture import enlarged, padded
from perceivers.training.network import Exported, PerceiverNetwork

LEAST_SCORE = 0.05  # low, since average precision looks at all recalls
SURE = 0.4


@torch.no_grad()
def judge(network: PerceiverNetwork, frames: Sequence[LabelledFrame]) -> dict[str, Any]:
    """AP by kind and distance, IoU by class, and how far off distances are.

    Args:
        network: in evaluation mode.
        frames: whole ones.
    """
    shipped = Exported(network).eval()
    found, segments = DetectionScores(), SegmentScores()
    by_distance: list[float] = []
    by_foot: list[float] = []
    for frame in frames:
        picture = frame.rgb_image()
        maps, logits = (item[0].numpy() for item in shipped(_tensor(picture)))
        seen = detections(maps, focal_px(frame.camera), LEAST_SCORE)
        asked = [item.is_asked_for for item in frame.objects]
        found.add(seen, frame.objects, asked)
        classes = enlarged(logits, picture.shape[0], picture.shape[1])
        segments.add(classes, segments_of(frame.tag_image()))
        for one, item in _pairs(seen, frame.objects):
            assert one.distance_m is not None  # the network says it
            by_distance.append(abs(one.distance_m / item.distance_m - 1.0))
            foot = placed(_without_distance(one), frame.camera, 0.0).ahead_m - frame.camera.x
            by_foot.append(abs(foot / item.distance_m - 1.0))
    return {
        "frames": len(frames),
        "asked": dict(found.counts()),
        "ap": _rounded(found.table()),
        "iou": _rounded(segments.table()),
        "distance_error": _median(by_distance),
        "foot_error": _median(by_foot),
    }


def _tensor(picture: Image) -> torch.Tensor:
    return torch.from_numpy(padded(picture))


def _pairs(
    seen: Sequence[Detection], objects: Sequence[RoadUser]
) -> list[tuple[Detection, RoadUser]]:
    """Sure detections with whom they are of."""
    pairs = []
    for one in seen:
        middle = 0.5 * (one.left + one.right), 0.5 * (one.top + one.bottom)
        for item in objects:
            near = abs(middle[0] - 0.5 * (item.left + item.right)) < 2.0
            near = near and abs(middle[1] - 0.5 * (item.top + item.bottom)) < 2.0
            if near and item.kind == one.kind and one.score >= SURE:
                pairs.append((one, item))
                break
    return pairs


def _without_distance(one: Detection) -> Detection:
    return Detection(one.kind, one.score, one.left, one.top, one.right, one.bottom)


def _rounded(table: Any) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 3) for name, value in table.items()}


def _median(errors: list[float] | NDArray[np.float64]) -> float | None:
    return round(float(np.median(errors)), 4) if len(errors) else None
