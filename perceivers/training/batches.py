"""Labelled frames as batches: patches cut out, mirrored, scaled, a little brighter or darker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusiondrive.errors import ConfigError
from perceivers.decoding import STRIDE
from perceivers.detection import focal_px
from perceivers.frames import FramesCard, FrameSet
from perceivers.kinds import segments_of
from perceivers.labelled_frame import LabelledFrame, RoadUser
from perceivers.training.targets import Targets, make_targets

PATCH = (320, 256)  # width and height, px
SCALES = (0.5, 1.35)  # of the picture before a patch is cut out; near people need small ones
AROUND_SOMEBODY = 0.7  # share of patches that are cut out around somebody
BRIGHTER, CONTRAST = 24.0, 0.2  # at most
KEPT = 0.3  # share of a rectangle that must be in the patch to be asked for
NO_SEGMENT = 255  # beyond the picture


class Batch(NamedTuple):
    """Pictures with what the network should say of them."""

    pictures: Tensor  # (B, 3, H, W) float, 0 to 255
    targets: tuple[Tensor, ...]  # as `Targets`, (B, ..., h, w)
    segments: Tensor  # (B, h, w) int64


class Pool(NamedTuple):
    """All frames of some sets."""

    training: list[LabelledFrame]
    held_out: list[LabelledFrame]  # of other towns
    cards: dict[str, FramesCard]  # by their hash


def load_pool(folders: Sequence[Path], held_out: Sequence[str]) -> Pool:
    """Read sets.

    Raises:
        ConfigError: a set is broken, or no frames are left to train on or to judge by.
    """
    training: list[LabelledFrame] = []
    judging: list[LabelledFrame] = []
    cards = {}
    for folder in folders:
        found = FrameSet(folder)
        cards[found.digest()] = found.card
        for frame in found:
            (judging if frame.town in held_out else training).append(frame)
    if not training or not judging:
        towns = ", ".join(sorted({frame.town for frame in (*training, *judging)}))
        raise ConfigError(
            f"expected frames of the towns held out ({', '.join(held_out)}) and of others, found "
            f"{towns}"
        )
    return Pool(training, judging, cards)


def draw_batch(frames: Sequence[LabelledFrame], size: int, rng: np.random.Generator) -> Batch:
    """Random patches of random frames."""
    drawn = [_patch(frames[int(rng.integers(len(frames)))], rng) for _ in range(size)]
    pictures = np.stack([patch.picture for patch in drawn])
    targets = tuple(
        torch.from_numpy(np.stack(maps)) for maps in zip(*(p.targets for p in drawn), strict=True)
    )
    segments = torch.from_numpy(np.stack([patch.segments for patch in drawn])).long()
    planes = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    return Batch(planes.contiguous(memory_format=torch.channels_last), targets, segments)


class _Patch(NamedTuple):
    picture: NDArray[np.uint8]  # (H, W, 3)
    targets: Targets
    segments: NDArray[np.uint8]  # (h, w)


def _patch(frame: LabelledFrame, rng: np.random.Generator) -> _Patch:
    width, height = PATCH
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    middle = _middle(frame, rng)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    move = np.array(
        [
            [flip * scale, 0.0, 0.5 * width - flip * scale * middle[0]],
            [0.0, scale, 0.5 * height - scale * middle[1]],
        ]
    )
    picture = cv2.warpAffine(frame.rgb_image(), move, PATCH, flags=cv2.INTER_LINEAR)
    tags = cv2.warpAffine(
        frame.tag_image(), move, PATCH, flags=cv2.INTER_NEAREST, borderValue=NO_SEGMENT
    )
    objects = [moved for item in frame.objects if (moved := _moved(item, move)) is not None]
    targets = make_targets(objects, tags, scale * focal_px(frame.camera))
    cells = tags[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    segments = np.where(cells == NO_SEGMENT, np.uint8(NO_SEGMENT), segments_of(cells))
    return _Patch(_recoloured(picture, rng), targets, segments)


def _middle(frame: LabelledFrame, rng: np.random.Generator) -> NDArray[np.float64]:
    """Where in the picture a patch is cut out."""
    size = np.array([frame.camera.width, frame.camera.height])
    if frame.objects and rng.random() < AROUND_SOMEBODY:
        item = frame.objects[int(rng.integers(len(frame.objects)))]
        centre = np.array([0.5 * (item.left + item.right), 0.5 * (item.top + item.bottom)])
        return np.asarray(np.clip(centre + rng.normal(0.0, 50.0, 2), 0, size), np.float64)
    return np.asarray(size * rng.uniform(0.2, 0.8, 2), np.float64)


def _moved(item: RoadUser, move: NDArray[np.float64]) -> RoadUser | None:
    """Somebody in the patch; None outside of it."""
    corners = move @ np.array([[item.left, item.right], [item.top, item.bottom], [1.0, 1.0]])
    (left, right), (top, bottom) = np.sort(corners[0]), np.sort(corners[1])
    inside = np.clip([left, right], 0, PATCH[0]), np.clip([top, bottom], 0, PATCH[1])
    area = float(np.ptp(inside[0]) * np.ptp(inside[1]))
    if area <= 0.0:
        return None
    kept = area / ((right - left) * (bottom - top))
    return replace(
        item,
        left=float(inside[0][0]),
        right=float(inside[0][1]),
        top=float(inside[1][0]),
        bottom=float(inside[1][1]),
        visible=item.visible if kept >= KEPT else 0.0,
    )


def _recoloured(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    gain, shift = 1.0 + rng.uniform(-CONTRAST, CONTRAST), rng.uniform(-BRIGHTER, BRIGHTER)
    table = np.clip((np.arange(256) - 127.5) * gain + 127.5 + shift, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table), np.uint8)
