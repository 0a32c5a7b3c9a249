"""Frozen detectors (mAP) and segmenters (mIoU) on fused images, with torchmetrics.

The networks are never trained or tuned; the fused image only takes the place of the visible one.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.cli import Flag
from fusiondrive.text import read_text
from fusionproxy.errors import FusionError
from fusionproxy.images import stored
from fusionproxy.layouts import images_by_stem
from fusionproxy.order import in_order, is_ours
from fusionproxy.partners import ByName
from fusionproxy.quality.detectors import U8, Boxes, Detector
from fusionproxy.quality.summary import Summary, summarise_set
from fusionproxy.runtime import OnnxModel

RESAMPLES = 100  # of the images; each scores the whole set anew
# M3FD's label numbers to COCO's classes, as its boxes show (3 is Lamp, 4 Motorcycle). Lamp has no
# counterpart in COCO and is left out.
M3FD_TO_COCO: Mapping[int, int] = {0: 0, 1: 2, 2: 5, 4: 3, 5: 7}
IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))
UNIT = (np.zeros(3), np.ones(3))
NORMALISATIONS: Mapping[str, tuple[NDArray[Any], NDArray[Any]]] = {
    "imagenet": IMAGENET,
    "unit": UNIT,
}


def _torchmetrics(module: str) -> Any:
    try:
        return importlib.import_module(f"torchmetrics.{module}")
    except ModuleNotFoundError as err:
        raise FusionError(
            f"mAP and mIoU need '{err.name}', which is missing: pip install 'fusiondrive[quality]'"
        ) from err


def find_label(labels: ByName, name: str) -> Path | None:
    """Find the label of a pair by its name, or by what follows the name's last underscore."""
    return labels.find(name) or labels.find(name.rpartition("_")[2])


class Detection:
    """mAP of a frozen detector against YOLO boxes."""

    def __init__(
        self, detector: Path, labels: Path, class_map: Mapping[int, int] = M3FD_TO_COCO
    ) -> None:
        self._metrics = _torchmetrics("detection")
        self._detector = Detector(detector)
        if not labels.is_dir():
            raise FusionError(f"no folder of labels at {labels}")
        self._folder = labels
        files = in_order(path for path in labels.glob("*.txt") if is_ours(path))
        self._labels = ByName({path.stem: path for path in files})
        self._class_map = dict(class_map)
        self._found: dict[str, list[tuple[Boxes, Boxes]]] = {}

    def check(self, names: Sequence[str]) -> None:
        """Raise FusionError where no pair has a label."""
        if not any(find_label(self._labels, name) for name in names):
            raise FusionError(
                f"none of {len(names)} pairs has a label STEM.txt in {self._folder}, "
                f"which has {len(self._labels)}"
            )

    def add(self, method: str, name: str, fused: U8) -> None:
        """Detect on one fused image; an image without a label is left out."""
        path = find_label(self._labels, name)
        if path is not None:
            truth = read_boxes(path, fused.shape[1], fused.shape[0], self._class_map)
            found = self._detector.detect(fused)
            known = np.isin(found.classes, list(self._class_map.values()))
            kept = Boxes(found.corners[known], found.scores[known], found.classes[known])
            self._found.setdefault(method, []).append((kept, truth))

    def summaries(self, method: str) -> dict[str, Summary]:
        """Summarise mAP at IoU 0.5 and averaged over 0.5..0.95, in percent."""
        images = self._found.get(method, [])

        def summary(key: str) -> Summary:
            return summarise_set(
                lambda chosen: self._score(images, chosen, key), len(images), RESAMPLES
            )

        return {"mAP50": summary("map_50"), "mAP50-95": summary("map")}

    def _score(
        self, images: Sequence[tuple[Boxes, Boxes]], chosen: NDArray[np.intp], key: str
    ) -> float:
        metric = self._metrics.MeanAveragePrecision(box_format="xyxy")
        pairs = [images[i] for i in chosen]
        metric.update(
            [_tensors(found) for found, _ in pairs], [_tensors(true) for _, true in pairs]
        )
        value = float(metric.compute()[key])
        return 100 * value if value >= 0 else float("nan")  # -1 where there are no boxes


def _tensors(boxes: Boxes) -> dict[str, Any]:
    import torch

    return {
        "boxes": torch.from_numpy(boxes.corners.reshape(-1, 4)),
        "scores": torch.from_numpy(boxes.scores),
        "labels": torch.from_numpy(boxes.classes),
    }


def read_boxes(path: Path, width: int, height: int, class_map: Mapping[int, int]) -> Boxes:
    """Read boxes in YOLO's text format, without those of classes that are not mapped.

    A line is `class x y width height`; the numbers are fractions of the image.

    Raises:
        FusionError: a line is not five numbers within the image.
    """
    corners, classes = [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            kind, x, y, w, h = (float(item) for item in line.split())
        except ValueError as err:
            raise FusionError(f"{path}:{number}: expected 5 numbers, found '{line}'") from err
        if not all(0 <= item <= 1 for item in (x, y, w, h)):
            raise FusionError(f"{path}:{number}: expected fractions of the image, found '{line}'")
        if int(kind) in class_map:
            corners.append([(x - w / 2), (y - h / 2), (x + w / 2), (y + h / 2)])
            classes.append(class_map[int(kind)])
    scale = np.array([width, height] * 2, np.float32)
    return Boxes(
        np.array(corners, np.float32).reshape(-1, 4) * scale,
        np.ones(len(classes), np.float32),
        np.array(classes, np.int64),
    )


class Segmentation:
    """mIoU of a frozen segmenter against label images of class numbers."""

    def __init__(
        self,
        segmenter: Path,
        labels: Path,
        class_map: Mapping[int, int],
        normalisation: str = "imagenet",
    ) -> None:
        if normalisation not in NORMALISATIONS:
            known = ", ".join(NORMALISATIONS)
            raise FusionError(f"unknown normalisation '{normalisation}'; known: {known}")
        if not labels.is_dir():
            raise FusionError(f"no folder of labels at {labels}")
        self._metrics = _torchmetrics("functional.classification")
        self._model = OnnxModel(segmenter)
        self._mean, self._std = NORMALISATIONS[normalisation]
        self._labels, self._folder = ByName(images_by_stem(labels)), labels
        self._class_map = dict(class_map)
        self._confusions: dict[str, list[NDArray[np.int64]]] = {}

    def check(self, names: Sequence[str]) -> None:
        """Raise FusionError where no pair has a label."""
        if not any(find_label(self._labels, name) for name in names):
            raise FusionError(f"none of {len(names)} pairs has a label image in {self._folder}")

    def add(self, method: str, name: str, fused: U8) -> None:
        """Segment one fused image; an image without a label is left out."""
        path = find_label(self._labels, name)
        if path is None:
            return
        truth = stored(path)
        if truth.ndim != 2:
            raise FusionError(
                f"{path}: expected a label image (H, W) of class numbers, found {truth.shape}"
            )
        size = (truth.shape[1], truth.shape[0])
        found = cv2.resize(self._segment(fused), size, interpolation=cv2.INTER_NEAREST)
        self._confusions.setdefault(method, []).append(self._confusion(found, truth))

    def _segment(self, image: U8) -> NDArray[np.uint8]:
        """Segment an image to class numbers (h, w) at the network's own size."""
        expected = self._model.input_shapes[0]
        size = (expected[3] or image.shape[1], expected[2] or image.shape[0])
        unit = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) / 255.0
        blob = ((unit - self._mean) / self._std).transpose(2, 0, 1)[None]
        output = self._model(blob.astype(np.float32))[0]
        if output.ndim == 4:  # (1, C, h, w) of scores
            return np.asarray(output[0].argmax(axis=0).astype(np.uint8))
        if output.ndim == 3:  # (1, h, w) of class numbers
            return np.asarray(output[0].astype(np.uint8))
        raise FusionError(f"the segmenter's output {output.shape} is not (1, C, h, w) or (1, h, w)")

    def _confusion(
        self, found: NDArray[np.uint8], truth: NDArray[np.integer[Any]]
    ) -> NDArray[np.int64]:
        """Count pixels, (K + 1, K + 1), by label (row) and output (column).

        The last row and column stand for any other class.
        """
        import torch

        classes = sorted(self._class_map)
        target = np.full(truth.shape, -1, np.int64)
        output = np.full(truth.shape, len(classes), np.int64)
        for i, label in enumerate(classes):
            target[truth == label] = i
            output[found == self._class_map[label]] = i
        counts = self._metrics.multiclass_confusion_matrix(
            torch.from_numpy(output),
            torch.from_numpy(target),
            num_classes=len(classes) + 1,
            ignore_index=-1,
        )
        return np.asarray(counts.numpy(), dtype=np.int64)

    def summaries(self, method: str) -> dict[str, Summary]:
        """Summarise the mean IoU over the classes that occur, in percent."""
        counts = np.array(self._confusions.get(method, []))
        return {
            "mIoU": summarise_set(
                lambda chosen: mean_iou(counts[chosen].sum(axis=0)), len(counts), RESAMPLES
            )
        }


def mean_iou(counts: NDArray[np.int64]) -> float:
    """Mean IoU in percent over the classes that have a label.

    The last row and column of the counts (any other class) are left out.
    """
    if counts.ndim != 2:
        return float("nan")
    hits = np.diag(counts)[:-1]
    labels = counts.sum(axis=1)[:-1]
    union = labels + counts.sum(axis=0)[:-1] - hits
    occurs = labels > 0
    return float(100 * (hits[occurs] / union[occurs]).mean()) if occurs.any() else float("nan")


@dataclass(frozen=True, kw_only=True)
class FrozenOptions:
    """Which frozen models see the fused images, and by which labels they are judged."""

    detector: Annotated[Path | None, Flag("FastestDet or YOLOv8", metavar="ONNX")] = None
    labels: Annotated[Path | None, Flag("folder of YOLO boxes STEM.txt")] = None
    detector_classes: Annotated[
        tuple[str, ...], Flag("by default M3FD to COCO", metavar="LABEL=OUTPUT")
    ] = ()
    segmenter: Annotated[Path | None, Flag("of street scenes", metavar="ONNX")] = None
    segmentation_labels: Annotated[Path | None, Flag("folder of label images")] = None
    segmenter_classes: Annotated[tuple[str, ...], Flag("of it", metavar="LABEL=OUTPUT")] = ()
    normalisation: Annotated[str, Flag(", ".join(NORMALISATIONS))] = "imagenet"


def downstream(options: FrozenOptions) -> tuple[Detection | None, Segmentation | None]:
    """Open the frozen models that the options name.

    Raises:
        FusionError: a model without labels or the reverse, or one that cannot be used.
    """
    detection = segmentation = None
    if (options.detector is None) != (options.labels is None):
        raise FusionError("mAP needs both --detector FILE and --labels DIR")
    if (options.segmenter is None) != (options.segmentation_labels is None):
        raise FusionError("mIoU needs both --segmenter FILE and --segmentation-labels DIR")
    if options.detector and options.labels:
        given = options.detector_classes
        classes = parse_classes(given) if given else M3FD_TO_COCO
        detection = Detection(options.detector, options.labels, classes)
    if options.segmenter and options.segmentation_labels:
        if not options.segmenter_classes:
            raise FusionError("mIoU needs --segmenter-classes LABEL=OUTPUT ... (which is which)")
        segmentation = Segmentation(
            options.segmenter,
            options.segmentation_labels,
            parse_classes(options.segmenter_classes),
            options.normalisation,
        )
    return detection, segmentation


def parse_classes(items: Sequence[str]) -> dict[int, int]:
    """Read texts such as `0=0 1=2` as a map from label numbers to output numbers."""
    found = {}
    for item in items:
        label, _, output = item.partition("=")
        if not (label.isdigit() and output.isdigit()):
            raise FusionError(f"expected LABEL=OUTPUT, two numbers, found '{item}'")
        found[int(label)] = int(output)
    return found
