"""Targets and decoding fit each other; average precision and IoU against hand calculations."""

import math

import numpy as np
import pytest

from perceivers.average_precision import DetectionScores, SegmentScores
from perceivers.decoding import detections, iou
from perceivers.detection import Detection
from perceivers.kinds import KINDS, SEGMENTS, segments_of
from perceivers.labelled_frame import RoadUser
from perceivers.picture import enlarged, padded
from perceivers.training.targets import make_targets

FOCAL = 686.0
PERSON = RoadUser("person", 100.0, 60.0, 108.0, 84.0, 50.0, 1.0)
CAR = RoadUser("car", 20.0, 40.0, 90.0, 100.0, 12.0, 0.8)


def tags() -> np.ndarray:
    found = np.ones((128, 192), np.uint8)
    found[60:84, 100:108] = 12
    found[40:100, 20:90] = 14
    return found


def test_perfect_maps_give_the_labels_back() -> None:
    targets = make_targets([PERSON, CAR], tags(), FOCAL)
    maps = np.concatenate([targets.centres, targets.sides, targets.distance])
    found = detections(maps, FOCAL, 0.9)
    assert sorted(item.kind for item in found) == ["car", "person"]
    for one in found:
        truth = {"person": PERSON, "car": CAR}[one.kind]
        box = (one.left, one.top, one.right, one.bottom)
        assert box == pytest.approx((truth.left, truth.top, truth.right, truth.bottom), abs=1e-3)
        assert one.distance_m == pytest.approx(truth.distance_m, rel=1e-4)


def test_who_is_hidden_small_or_not_labelled_is_not_asked_for() -> None:
    hidden = RoadUser("person", 100.0, 60.0, 108.0, 84.0, 50.0, 0.1)
    targets = make_targets([hidden], tags(), FOCAL)
    person, car = KINDS.index("person"), KINDS.index("car")
    assert targets.centres.max() == 0.0
    assert targets.asked[person, 18, 26] == 0.0  # the hidden one
    assert targets.asked[car, 17, 13] == 0.0  # pixels of a car that nobody labelled
    assert targets.asked[person, 2, 2] == 1.0


def test_every_object_has_the_same_weight() -> None:
    weight = make_targets([PERSON, CAR], tags(), FOCAL).weight
    assert weight.sum() == pytest.approx(2.0)


def test_two_peaks_of_one_object_are_one_detection() -> None:
    maps = np.zeros((len(KINDS) + 5, 32, 32), np.float32)
    maps[0, 10, 10], maps[0, 10, 12] = 0.9, 0.8
    maps[3:7] = 20.0
    assert [item.score for item in detections(maps, FOCAL, 0.5)] == pytest.approx([0.9])


def test_iou_of_rectangles() -> None:
    assert iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1.0 / 3.0)
    assert iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0.0


def found_at(item: RoadUser, score: float, moved: float = 0.0) -> Detection:
    return Detection(
        item.kind, score, item.left + moved, item.top, item.right + moved, item.bottom,
        distance_m=item.distance_m,
    )  # fmt: skip


def test_average_precision_by_hand() -> None:
    scores = DetectionScores()
    other = RoadUser("person", 10.0, 60.0, 18.0, 84.0, 10.0, 1.0)
    # Right, wrong, right: precision 1 at recall 1/2, 2/3 at recall 1.
    found = [found_at(PERSON, 0.9), found_at(PERSON, 0.8, 60.0), found_at(other, 0.7)]
    scores.add(found, [PERSON, other], [True, True])
    table = scores.table()
    assert table["person"] == pytest.approx(0.5 * 1.0 + 0.5 * 2.0 / 3.0)
    # The wrong one is said to be at 50 m, so that those at 10 m are found without a fault.
    assert table["person 0-20 m"] == pytest.approx(1.0)
    assert table["person 40-60 m"] == pytest.approx(1.0)
    assert table["car"] is None
    assert scores.counts() == {"person": 2, "cyclist": 0, "car": 0}


def test_who_is_not_asked_for_may_be_found() -> None:
    scores = DetectionScores()
    scores.add([found_at(CAR, 0.9), found_at(PERSON, 0.5)], [CAR, PERSON], [False, True])
    assert scores.table()["person"] == 1.0
    assert scores.table()["car"] is None


def test_iou_of_segments_by_hand() -> None:
    scores = SegmentScores()
    wanted, found = np.zeros((2, 4), np.uint8), np.zeros((2, 4), np.uint8)
    wanted[:, :2], found[0, :3] = 1, 1  # 4 wanted, 3 found, 2 of them right
    scores.add(found, wanted)
    table = scores.table()
    assert table["road"] == pytest.approx(2.0 / 5.0)
    assert table["other"] == pytest.approx(3.0 / 6.0)
    assert table["person"] is None


def test_class_ids_become_segments() -> None:
    names = list(SEGMENTS)
    ids = np.array([1, 24, 2, 12, 13, 18, 14, 16, 3, 255], np.uint8)
    assert [names[n] for n in segments_of(ids)] == [
        "road", "marking", "pavement", "person", "cyclist", "cyclist", "vehicle", "vehicle",
        "other", "other",
    ]  # fmt: skip


def test_pictures_of_any_size_are_padded_and_classes_cut_back() -> None:
    picture = np.full((300, 400, 3), 7, np.uint8)
    planes = padded(picture)
    assert planes.shape == (1, 3, 320, 416)
    assert planes[0, :, :300, :400].min() == 7.0
    assert planes[0, :, 300:].max() == planes[0, :, :, 400:].max() == 0.0
    logits = np.zeros((len(SEGMENTS), 80, 104), np.float32)
    logits[3, :, 50:] = 1.0
    classes = enlarged(logits, 300, 400)
    assert classes.shape == (300, 400)
    assert (classes[0, 0], classes[0, -1]) == (0, 3)
    assert math.isclose(float((classes == 3).mean()), 0.5, abs_tol=0.02)
