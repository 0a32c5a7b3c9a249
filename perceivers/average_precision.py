"""How well detections and segments fit labels: AP by kind and distance, IoU by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perceivers.decoding import iou
from perceivers.detection import Detection
from perceivers.kinds import KINDS, SEGMENTS
from perceivers.labelled_frame import RoadUser

MATCH = 0.5  # IoU
BINS_M = ((0.0, 20.0), (20.0, 40.0), (40.0, 60.0), (60.0, 80.0))


class Answer(NamedTuple):
    """A detection that counts."""

    kind: str
    score: float
    distance_m: float  # of whom it matches, or else its own; infinite where it says none
    is_right: bool


def answers_of(
    found: Sequence[Detection], objects: Sequence[RoadUser], asked: Sequence[bool]
) -> list[Answer]:
    """Match one picture's detections with who is there, the surest first.

    Args:
        found: detections with their distances.
        objects: who is there.
        asked: of each of them, whether it must be found; one who need not be is no answer.
    """
    free = set(range(len(objects)))
    answers = []
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
        answers.append(
            Answer(one.kind, one.score, np.inf if distance is None else distance, is_right)
        )
    return answers


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
        for item, is_asked in zip(objects, asked, strict=True):
            if is_asked:
                for span in self._spans(item.distance_m):
                    self._answers[item.kind, span].wanted += 1
        for answer in answers_of(found, objects, asked):
            for span in self._spans(answer.distance_m):
                self._answers[answer.kind, span].scores.append(answer.score)
                self._answers[answer.kind, span].right.append(answer.is_right)

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
    order = np.argsort(-np.array(answers.scores), kind="stable")
    right = np.array(answers.right, bool)[order]
    return average_precision(right, np.ones(len(right)), answers.wanted)


def average_precision(
    right: NDArray[np.bool_], weights: NDArray[np.float64], wanted: float
) -> float | None:
    """Area under the precision that is reached at each recall or a higher one (COCO, VOC 2010).

    Args:
        right: (n,) of each answer, the surest first.
        weights: (n,) how often each counts, as in a bootstrap; 0 or more.
        wanted: how many were asked for, with the same weights.

    Returns:
        0 to 1; None where nobody was asked for.
    """
    if not wanted:
        return None
    taken = weights > 0.0
    right, weights = right[taken], weights[taken]
    if not len(right):
        return 0.0
    precision = np.cumsum(right * weights) / np.cumsum(weights)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best * weights)[right].sum() / wanted)


def pixel_counts(found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels by wanted and found class, (classes, classes), of one picture's, (H, W) each."""
    n = len(SEGMENTS)
    pairs = wanted.astype(np.int64).ravel() * n + found.ravel()
    return np.bincount(pairs, minlength=n * n).reshape(n, n)


def intersections_over_unions(counts: NDArray[np.floating] | NDArray[np.int64]) -> list[float]:
    """IoU of each class, 0 to 1, of counted pixels, (classes, classes); NaN where none has it."""
    shared = np.diag(counts)
    joined = counts.sum(0) + counts.sum(1) - shared
    return [float(a / b) if b else float("nan") for a, b in zip(shared, joined, strict=True)]


class SegmentScores:
    """Collects pictures; then gives the IoU of each class over all their pixels."""

    def __init__(self) -> None:
        self._counts = np.zeros((len(SEGMENTS), len(SEGMENTS)), np.int64)

    def add(self, found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> None:
        """Take one picture's classes, (H, W) each."""
        self._counts += pixel_counts(found, wanted)

    def table(self) -> Mapping[str, float | None]:
        """IoU by class, 0 to 1; None where neither has it."""
        values = intersections_over_unions(self._counts)
        return {
            name: None if np.isnan(value) else value
            for name, value in zip(SEGMENTS, values, strict=True)
        }
