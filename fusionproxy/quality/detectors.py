"""Frozen detectors in ONNX files, whose kind is told by the shape of their output."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fusionproxy.errors import FusionError
from fusionproxy.runtime import OnnxModel

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
LEAST_SCORE = 0.01  # mAP integrates over scores, so nearly all boxes are kept
OVERLAP = 0.45  # IoU above which the weaker of two boxes of a class goes
MOST_BOXES = 300
SIDE = 640  # pixels, where the file takes any size


class Boxes(NamedTuple):
    """The boxes of one image."""

    corners: F32  # (N, 4) x1, y1, x2, y2 in pixels
    scores: F32  # (N,)
    classes: NDArray[np.int64]  # (N,)


def _sigmoid(x: F32) -> F32:
    return np.asarray(1 / (1 + np.exp(-x)))


def decode_fastestdet(output: F32) -> Boxes:
    """Decode the output of FastestDet to boxes in 0..1 of the image.

    The output is (1, 5 + C, h, w): objectness, two offsets, two sizes and C class shares.
    """
    grid = output[0]  # (5 + C, h, w)
    _, rows, columns = grid.shape
    y, x = np.mgrid[:rows, :columns]
    centre_x = (x + np.tanh(grid[1])) / columns
    centre_y = (y + np.tanh(grid[2])) / rows
    width, height = _sigmoid(grid[3]), _sigmoid(grid[4])
    scores = grid[0] * grid[5:].max(axis=0)
    return _boxes(centre_x, centre_y, width, height, scores, grid[5:].argmax(axis=0))


def decode_yolov8(output: F32, width_px: int, height_px: int) -> Boxes:
    """Decode the output of YOLOv8 to boxes in 0..1 of the image.

    The output is (1, 4 + C, N): centre and size in input pixels and C class scores.
    """
    x, width = output[0, 0] / width_px, output[0, 2] / width_px
    y, height = output[0, 1] / height_px, output[0, 3] / height_px
    shares = output[0, 4:]
    return _boxes(x, y, width, height, shares.max(axis=0), shares.argmax(axis=0))


def _boxes(
    x: F32, y: F32, width: F32, height: F32, scores: F32, classes: NDArray[np.intp]
) -> Boxes:
    corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=-1)
    kept = scores.ravel() > LEAST_SCORE
    return Boxes(
        corners.reshape(-1, 4)[kept].astype(np.float32),
        scores.ravel()[kept].astype(np.float32),
        classes.ravel()[kept].astype(np.int64),
    )


def suppress(boxes: Boxes) -> Boxes:
    """Apply non-maximum suppression within each class."""
    if len(boxes.scores) == 0:
        return boxes
    sizes = boxes.corners[:, 2:] - boxes.corners[:, :2]
    boxes_xywh = np.concatenate([boxes.corners[:, :2], sizes], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(
        boxes_xywh.tolist(), boxes.scores.tolist(), boxes.classes.tolist(), LEAST_SCORE, OVERLAP
    )
    order = np.asarray(kept, dtype=np.intp).ravel()[:MOST_BOXES]
    return Boxes(boxes.corners[order], boxes.scores[order], boxes.classes[order])


class Detector:
    """A frozen detector in an ONNX file."""

    def __init__(self, path: Path) -> None:
        self._model = OnnxModel(path)
        self.path = path
        shapes = self._model.input_shapes
        if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 3:
            raise FusionError(
                f"{path}: expected one input (1, 3, H, W), found {', '.join(map(str, shapes))}"
            )
        self._height, self._width = shapes[0][2] or SIDE, shapes[0][3] or SIDE
        self._is_fastestdet = self._probe()

    def detect(self, image: U8) -> Boxes:
        """Detect boxes in an RGB image (H, W, 3) uint8, in pixels of the image."""
        size = (self._width, self._height)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        output = self._model(_blob(small[..., ::-1] if self._is_fastestdet else small))[0]
        boxes = (
            decode_fastestdet(output)
            if self._is_fastestdet
            else decode_yolov8(output, self._width, self._height)
        )
        scale = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        return suppress(boxes._replace(corners=boxes.corners * scale))

    def _probe(self) -> bool:
        """Whether the network is FastestDet, which takes BGR, and not YOLOv8, which takes RGB.

        Raises:
            FusionError: the network's output is of no known layout.
        """
        output = self._model(np.zeros((1, 3, self._height, self._width), np.float32))[0]
        if output.ndim == 4 and output.shape[1] > 5:
            return True
        if output.ndim == 3 and output.shape[1] > 4:
            return False
        raise FusionError(
            f"{self.path}: output {output.shape} is of no known layout; known: FastestDet "
            "(1, 5 + C, h, w), YOLOv8 (1, 4 + C, N)"
        )


def _blob(image: U8) -> F32:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)
