"""Clean crops for the training of teachers: clear frames and real images, visible and infrared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fusionproxy.data import U8, Pairs, hold_out, read_index
from fusionproxy.errors import FusionError
from fusionproxy.mixing import chances
from fusionproxy.pair_source import CapturedPairs, Pair, PairSource

F32 = NDArray[np.float32]
LEAST_SCALE = 0.35  # of a crop's source: smaller ones lose the texture that a prior is to learn


@dataclass(frozen=True)
class _Image:
    """One image that is read when it is wanted."""

    read: Callable[[], U8]
    kind: str  # visible or infrared
    sequence: str
    set: str = ""  # name of the folder


class CleanImages:
    """Images of several sets of pairs, kept decoded up to `memory_mb`; `mix` weighs the sets."""

    def __init__(
        self,
        images: Sequence[_Image],
        mix: Mapping[str, float] = MappingProxyType({}),
        memory_mb: int = 1024,
    ) -> None:
        if not images:
            raise FusionError("no images to train on")
        self._images = list(images)
        self._room = memory_mb * 2**20
        self._kept: dict[int, U8] = {}
        self.visible = [i for i, image in enumerate(images) if image.kind == "visible"]
        self.infrared = [i for i, image in enumerate(images) if image.kind == "infrared"]
        self._chances = {
            kind: chances([images[i].set for i in group], mix)
            for kind, group in (("visible", self.visible), ("infrared", self.infrared))
        }

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def crop(self, rng: np.random.Generator, size: int, infrared_share: float) -> F32:
        """A random crop (size, size, 3) in [0, 1], rescaled and perhaps mirrored.

        Infrared crops have three equal channels. An image that is too small is enlarged.
        """
        kind = "infrared" if rng.random() < infrared_share else "visible"
        group, likely = getattr(self, kind), self._chances[kind]
        k = rng.integers(len(group)) if likely is None else rng.choice(len(group), p=likely)
        image = self.whole(group[int(k)])
        height, width = image.shape[:2]
        least = max(size / min(height, width), LEAST_SCALE)
        scale = max(float(rng.uniform(min(least, 1.0), 1.0)), least)
        span = min(round(size / scale), height, width)
        y, x = int(rng.integers(height - span + 1)), int(rng.integers(width - span + 1))
        part = image[y : y + span, x : x + span]
        if span != size:
            how = cv2.INTER_AREA if span > size else cv2.INTER_LINEAR
            part = np.asarray(cv2.resize(part, (size, size), interpolation=how))
        if rng.random() < 0.5:
            part = part[:, ::-1]
        colours = part if part.ndim == 3 else np.repeat(part[..., None], 3, 2)
        return np.ascontiguousarray(colours, dtype=np.float32) / np.float32(255)

    def whole(self, index: int) -> U8:
        """An image, (H, W, 3) or (H, W); `visible` and `infrared` have the indices."""
        if index in self._kept:
            return self._kept[index]
        image = self._images[index].read()
        if image.nbytes <= self._room:
            self._room -= image.nbytes
            self._kept[index] = image
        return image


@dataclass(frozen=True)
class Sides:
    """Training and validation images, and pairs to show."""

    training: CleanImages
    validation: CleanImages
    shown: list[Pair]
    cards: list[dict[str, Any]]


def open_sides(
    sources: Sequence[PairSource],
    folders: Sequence[Path],
    mix: Mapping[str, float] = MappingProxyType({}),
    shown: int = 3,
) -> Sides:
    """Split every source by sequence.

    Args:
        sources: sets of pairs.
        folders: of captured ones the clear frames alone are taken; their names are the sets'.
        mix: how often each set is drawn in training.
        shown: how many held-out pairs to keep for contact sheets.

    Raises:
        FusionError: nothing can be held out, or `mix` names other sets.
    """
    training: list[_Image] = []
    held: list[_Image] = []
    pairs: list[tuple[PairSource, int]] = []
    for source, folder in zip(sources, folders, strict=True):
        out = hold_out(source.sequences)
        for image in _images_of(source, folder):
            (held if image.sequence in out else training).append(image)
        pairs += [(source, i) for i, s in enumerate(source.sequences) if s in out]
    if not held or not training:
        raise FusionError("the pairs are of one sequence only; a split needs at least two")
    chosen = [pairs[i] for i in np.linspace(0, len(pairs) - 1, shown).astype(int)]
    return Sides(
        CleanImages(training, mix),
        CleanImages(held),
        [source.load(i) for source, i in chosen],
        [source.card() for source in sources],
    )


def _images_of(source: PairSource, folder: Path) -> list[_Image]:
    """Images of a set; of a captured one the clear pictures alone, whose poses have no other."""
    name = folder.name
    if isinstance(source, CapturedPairs):
        clear = Pairs(folder, read_index(folder))
        places = enumerate(source.sequences)
        return [_Image(partial(_clear, clear, i), "visible", place, name) for i, place in places]
    found = []
    for i, sequence in enumerate(source.sequences):
        found.append(_Image(partial(_visible, source, i), "visible", sequence, name))
        found.append(_Image(partial(_infrared, source, i), "infrared", sequence, name))
    return found


def _visible(source: PairSource, index: int) -> U8:
    return source.load(index).visible


def _infrared(source: PairSource, index: int) -> U8:
    return source.load(index).infrared


def _clear(pairs: Pairs, index: int) -> U8:
    return np.array(pairs.sample(index)[2])
