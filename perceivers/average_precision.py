"""How well detections and segments fit labels: AP by kind and distance, IoU by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perceivers.decoding import iou
from perceivers.detection import Detection
from perceivers.kinds import KINDS, SEGMENTS
from perceivers.labelled_frame import RoadUser

MATCH = 0.5  # IoU
BINS_M = ((0.0, 20.0), (20.0, 40.0), (40.0, 60.0), (60.0, 80.0))


@dataclass
class _Answers:
    """Detections of one kind and distance: their scores, and whether each is right."""

    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    wanted: int = 0


class DetectionScores:
    """Collects pictures; then gives average precision by kind and distance.

    Within a span of distances, detections that match somebody outside of it are left out, and those
    that match nobody count where their own distance lies in it. Whoever is not asked for may be
    detected or not.
    """

    def __init__(self) -> None:
        self._answers = {(kind, span): _Answers() for kind in KINDS for span in (None, *BINS_M)}

    def add(
        self, found: Sequence[Detection], objects: Sequence[RoadUser], asked: Sequence[bool]
    ) -> None:
        """Take one picture.

        Args:
            found: detections with their distances.
            objects: who is there.
            asked: of each of them, whether it must be found.
        """
        free = set(range(len(objects)))
        for item, is_asked in zip(objects, asked, strict=True):
            if is_asked:
                for span in self._spans(item.distance_m):
                    self._answers[item.kind, span].wanted += 1
        for one in sorted(found, key=lambda item: -item.score):
            overlap, match = max(
                ((_overlap(one, objects[n]), n) for n in free if objects[n].kind == one.kind),
                default=(0.0, -1),
            )
            is_right = overlap >= MATCH
            if is_right:
                free.discard(match)
                if not asked[match]:
                    continue
            distance = objects[match].distance_m if is_right else one.distance_m
            for span in self._spans(distance if distance is not None else np.inf):
                self._answers[one.kind, span].scores.append(one.score)
                self._answers[one.kind, span].right.append(is_right)

    def table(self) -> Mapping[str, float | None]:
        """AP by `kind` and `kind 20-40 m`, 0 to 1; None where nobody was asked for."""
        return {
            kind if span is None else f"{kind} {span[0]:.0f}-{span[1]:.0f} m": _average(answers)
            for (kind, span), answers in self._answers.items()
        }

    def counts(self) -> Mapping[str, int]:
        """How many were asked for, by kind."""
        return {kind: self._answers[kind, None].wanted for kind in KINDS}

    @staticmethod
    def _spans(distance_m: float) -> list[tuple[float, float] | None]:
        return [None, *(span for span in BINS_M if span[0] <= distance_m < span[1])]


def _overlap(one: Detection, item: RoadUser) -> float:
    box = (one.left, one.top, one.right, one.bottom)
    return iou(box, (item.left, item.top, item.right, item.bottom))


def _average(answers: _Answers) -> float | None:
    """Area under the precision that is reached at each recall or a higher one (COCO, VOC 2010)."""
    if not answers.wanted:
        return None
    order = np.argsort(-np.array(answers.scores), kind="stable")
    right = np.array(answers.right, bool)[order]
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[right].sum() / answers.wanted) if len(right) else 0.0


class SegmentScores:
    """Collects pictures; then gives the IoU of each class over all their pixels."""

    def __init__(self) -> None:
        self._counts = np.zeros((len(SEGMENTS), len(SEGMENTS)), np.int64)

    def add(self, found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> None:
        """Take one picture's classes, (H, W) each."""
        pairs = wanted.astype(np.int64).ravel() * len(SEGMENTS) + found.ravel()
        self._counts += np.bincount(pairs, minlength=self._counts.size).reshape(self._counts.shape)

    def table(self) -> Mapping[str, float | None]:
        """IoU by class, 0 to 1; None where neither has it."""
        shared = np.diag(self._counts)
        joined = self._counts.sum(0) + self._counts.sum(1) - shared
        return {
            name: float(shared[n] / joined[n]) if joined[n] else None
            for n, name in enumerate(SEGMENTS)
        }
