"""What frozen perception finds in pictures of poses: rows, and what is measured of them.

A row is the detector's and segmenter's answers to one arm's image of one pose in one weather,
matched with the labels of the pose, which are the same for all arms.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusiondrive.arms import RGB
from fusiondrive.types import CameraSpec, Image
from perceivers.average_precision import (
    BINS_M,
    answers_of,
    average_precision,
    intersections_over_unions,
    pixel_counts,
)
from perceivers.decoding import detections
from perceivers.detection import focal_px
from perceivers.kinds import KINDS, SEGMENTS, segments_of
from perceivers.labelled_frame import RoadUser
from perceivers.picture import enlarged
from perceivers.trained import Perceiver
from results.counterfactuals import on_same_poses
from results.stats import Interval, resamples

F64 = NDArray[np.float64]

LEAST_SCORE = 0.05  # low, since average precision looks at all recalls
CLASSES = [name for name in SEGMENTS if name != "other"]  # whose mean the mIoU is
SPAN = tuple[float, float] | None
TYPES: dict[str, str] = {
    **{"pose": "string", "town": "string", "drive": "string", "level": "string"},
    **{"range_m": "Float64", "arm": "string", "arm_weights": "string"},
    **{"detector_weights": "string", "answers": "string", "asked": "string", "pixels": "string"},
    **{"hazard": "string", "look": "Int64", "thermal": "string", "thermal_look": "Int64"},
    **{"pose_set": "string", "commit": "string"},
}


class Setting(NamedTuple):
    """What arms are compared in."""

    level: str
    detector_weights: str


class Estimate(NamedTuple):
    """A number with its interval over clusters at 95 %, both 0 to 1 or a difference of such."""

    value: float | None  # None where nobody was asked for
    interval: Interval | None


class Seen(NamedTuple):
    """What is said of an arm in a setting."""

    setting: Setting
    arm: str
    pictures: int
    ap: dict[str, Estimate]  # by kind
    ap_gain: dict[str, Estimate]  # against rgb; empty for rgb itself
    ap_by_distance: dict[tuple[str, SPAN], float | None]
    asked: dict[tuple[str, SPAN], int]
    iou: dict[str, float | None]  # by class
    miou: Estimate  # mean over the classes that are there but `other`
    miou_gain: Estimate | None  # against rgb; None for rgb itself


def row_of(
    perceiver: Perceiver,
    image: Image,
    camera: CameraSpec,
    objects: Sequence[RoadUser],
    tags: NDArray[np.uint8],
) -> dict[str, str]:
    """The columns `answers`, `asked` and `pixels` of a row.

    Args:
        perceiver: the detector and segmenter.
        image: of an arm, (H, W, 3) uint8 RGB.
        camera: of the image.
        objects: who is in it.
        tags: CARLA's class ids, (H, W).
    """
    maps, logits = perceiver.maps(image)
    found = detections(maps, focal_px(camera), LEAST_SCORE)
    answers = answers_of(found, objects, [item.is_asked_for for item in objects])
    counts = pixel_counts(enlarged(logits, *image.shape[:2]), segments_of(tags))
    # A distance that is unknown is infinite, which JSON does not have: 9999.9 is beyond all spans.
    lines = [
        [KINDS.index(kind), round(score, 4), round(min(distance_m, 9999.9), 1), int(is_right)]
        for kind, score, distance_m, is_right in answers
    ]
    wanted = [[KINDS.index(i.kind), round(i.distance_m, 1)] for i in objects if i.is_asked_for]
    return {
        "answers": json.dumps(lines, separators=(",", ":")),
        "asked": json.dumps(wanted, separators=(",", ":")),
        "pixels": json.dumps(counts.ravel().tolist(), separators=(",", ":")),
    }


def settings_of(frame: pd.DataFrame) -> Iterator[tuple[Setting, pd.DataFrame]]:
    """The rows of each setting, in the order of their first row."""
    for key, part in frame.groupby(list(Setting._fields), sort=False):
        yield Setting(*map(str, key)), part


def measure(frame: pd.DataFrame, cluster: str = "drive") -> list[Seen]:
    """Measure every arm of every setting.

    Args:
        frame: rows.
        cluster: `drive` or `town`: what the intervals resample.

    Raises:
        ConfigError: a setting has no arm `rgb`, or an arm lacks poses that rgb has.
    """
    found = []
    for setting, part in settings_of(frame):
        arms = on_same_poses(part, setting.level)
        collected = {name: _Collected.of(rows, cluster) for name, rows in arms.items()}
        found += [_seen(setting, name, own, collected[RGB]) for name, own in collected.items()]
    return found


@dataclass(frozen=True)
class _Collected:
    """An arm's rows as arrays; clusters are numbered in the order of their names."""

    pictures: int
    answers: F64  # (n, 5): kind, score, distance, is_right, cluster; the surest first
    asked: F64  # (m, 3): kind, distance, cluster
    pixels: F64  # (clusters, classes, classes)

    @staticmethod
    def of(rows: pd.DataFrame, cluster: str) -> _Collected:
        """Read rows of one arm in one setting."""
        numbers, names = pd.factorize(rows[cluster], sort=True)
        answers: list[list[float]] = []
        asked: list[list[float]] = []
        pixels = np.zeros((len(names), len(SEGMENTS), len(SEGMENTS)))
        columns = (rows["answers"], rows["asked"], rows["pixels"])
        for number, *texts in zip(numbers, *columns, strict=True):
            mine, wanted, counts = map(json.loads, texts)
            answers += [[*item, int(number)] for item in mine]
            asked += [[*item, int(number)] for item in wanted]
            pixels[number] += np.reshape(counts, pixels.shape[1:])
        table = np.array(answers, np.float64).reshape(-1, 5)
        order = np.argsort(-table[:, 1], kind="stable")
        return _Collected(
            len(rows), table[order], np.array(asked, np.float64).reshape(-1, 3), pixels
        )

    def ap(self, kind: int, span: SPAN, times: F64) -> float | None:
        """Average precision where each cluster counts so often, (clusters,)."""
        answers = self.answers[_within(self.answers[:, 0], self.answers[:, 2], kind, span)]
        weights = times[answers[:, 4].astype(int)]
        asked = self.asked[_within(self.asked[:, 0], self.asked[:, 1], kind, span)]
        wanted = float(times[asked[:, 2].astype(int)].sum())
        return average_precision(answers[:, 3] > 0.0, weights, wanted)

    def ious(self, times: F64) -> F64:
        """IoU of each class where each cluster counts so often, (classes,); NaN where none is."""
        return np.array(intersections_over_unions(np.tensordot(times, self.pixels, 1)))

    def miou(self, times: F64) -> float:
        """Mean over the classes that are there, but `other`."""
        return float(np.nanmean(self.ious(times)[1:]))

    @property
    def once(self) -> F64:
        """Every cluster counted once."""
        return np.ones(len(self.pixels))

    @cached_property
    def drawn_aps(self) -> list[list[float | None]]:
        """Average precision over all distances in each draw of the bootstrap, by kind."""
        draws = resamples(len(self.pixels), 0)
        return [[self.ap(kind, None, times) for times in draws] for kind in range(len(KINDS))]

    @cached_property
    def drawn_mious(self) -> list[float]:
        """The mean IoU in each draw."""
        return [self.miou(times) for times in resamples(len(self.pixels), 0)]


def _seen(setting: Setting, arm: str, own: _Collected, base: _Collected) -> Seen:
    once = own.once
    spans: list[SPAN] = [None, *BINS_M]
    ap, ap_gain = {}, {}
    for number, kind in enumerate(KINDS):
        value, drawn = own.ap(number, None, once), own.drawn_aps[number]
        ap[kind] = _estimate(value, drawn)
        if arm != RGB:
            gains = [_less(a, b) for a, b in zip(drawn, base.drawn_aps[number], strict=True)]
            ap_gain[kind] = _estimate(_less(value, base.ap(number, None, once)), gains)
    miou, miou_gain = own.miou(once), None
    if arm != RGB:
        shifts = [a - b for a, b in zip(own.drawn_mious, base.drawn_mious, strict=True)]
        miou_gain = _estimate(miou - base.miou(once), shifts)
    cells = [(kind, span) for kind in KINDS for span in spans]
    return Seen(
        setting,
        arm,
        own.pictures,
        ap,
        ap_gain,
        {(kind, span): own.ap(KINDS.index(kind), span, once) for kind, span in cells},
        {
            (kind, span): int(
                _within(own.asked[:, 0], own.asked[:, 1], KINDS.index(kind), span).sum()
            )
            for kind, span in cells
        },
        {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(SEGMENTS, own.ious(once), strict=True)
        },
        _estimate(miou, own.drawn_mious),
        miou_gain,
    )


def _within(kinds: F64, distances: F64, kind: int, span: SPAN) -> NDArray[np.bool_]:
    low, high = span or (0.0, np.inf)
    return np.asarray((kinds == kind) & (distances >= low) & (distances < high), np.bool_)


def _estimate(value: float | None, drawn: Sequence[float | None]) -> Estimate:
    there = [item for item in drawn if item is not None]
    if value is None or not there:
        return Estimate(value, None)
    low, high = np.quantile(there, [0.025, 0.975])
    return Estimate(value, Interval(float(low), float(high)))


def _less(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second
