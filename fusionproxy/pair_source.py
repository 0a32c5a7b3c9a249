"""Infrared/visible pairs in folders, or captured in the simulator: reading, splitting, the card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.provenance import bytes_hash
from fusionproxy.data import INDEX, U8, Pairs, data_hash, hold_out, read_about, read_index
from fusionproxy.errors import FusionError
from fusionproxy.images import orientation_note, read_infrared, read_visible, stored, to_8_bits
from fusionproxy.layouts import SPLITS, PairFile, find_pairs

F32 = NDArray[np.float32]
CAPTURED = "captured"  # layout of pairs of the simulator


@dataclass(frozen=True)
class ReadAs:
    """How the files of a set are to be understood.

    `infrared_range` and `visible_range` are the values that become 0 and 1; 16-bit and float files
    need them. `visible` is `any` (grey becomes three equal channels) or `rgb`.
    """

    infrared_range: tuple[float, float] | None = None
    visible_range: tuple[float, float] | None = None
    visible: str = "any"

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.visible not in ("any", "rgb"):
            raise FusionError(f"unknown kind '{self.visible}' of visible image; known: any, rgb")
        for name in ("infrared_range", "visible_range"):
            limits = getattr(self, name)
            if limits is not None and not limits[0] < limits[1]:
                raise FusionError(f"{name}: expected low < high, found {limits[0]} {limits[1]}")


@dataclass(frozen=True)
class Pair:
    """One aligned pair in 8 bits."""

    name: str
    sequence: str
    infrared: U8  # (H, W)
    visible: U8  # (H, W, 3) RGB
    native: tuple[int, int] | None = None  # rows, columns before it was resized
    time_s: Fraction | None = None  # since the first, of videos

    def resized(self, width: int, height: int) -> Pair:
        """Both images at another size, bilinear."""
        size = (width, height)
        return Pair(
            self.name,
            self.sequence,
            cv2.resize(self.infrared, size, interpolation=cv2.INTER_LINEAR),
            cv2.resize(self.visible, size, interpolation=cv2.INTER_LINEAR),
            native=self.native or (self.infrared.shape[0], self.infrared.shape[1]),
            time_s=self.time_s,
        )


class PairSource(Protocol):
    """Pairs in a fixed order."""

    @property
    def names(self) -> Sequence[str]:
        """One a pair, unique in the set."""
        ...

    @property
    def sequences(self) -> Sequence[str]:
        """Split unit of each pair."""
        ...

    def __len__(self) -> int:
        """Number of pairs."""
        ...

    def load(self, index: int) -> Pair:
        """Read one pair."""
        ...

    def card(self) -> dict[str, Any]:
        """What the set is, with a hash of its bytes."""
        ...


class PairFolder:
    """Pairs of image files."""

    def __init__(self, files: Sequence[PairFile], layout: str, read_as: ReadAs) -> None:
        self.files = list(files)
        self.names = [file.name for file in files]
        self.sequences = [file.sequence for file in files]
        self._layout = layout
        self._read_as = read_as

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.files)

    def load(self, index: int) -> Pair:
        """Read one pair, rounded to 8 bits.

        Raises:
            FusionError: a file is broken, not of the declared kind, or the sizes differ.
        """
        file = self.files[index]
        infrared, visible = self.unit(index)
        return Pair(file.name, file.sequence, to_8_bits(infrared), to_8_bits(visible))

    def unit(self, index: int) -> tuple[F32, F32]:
        """Infrared (H, W) and visible (H, W, 3) RGB in [0, 1], at the files' own bit depth."""
        file, read_as = self.files[index], self._read_as
        infrared = read_infrared(file.infrared, read_as.infrared_range)
        visible = read_visible(file.visible, read_as.visible_range, read_as.visible)
        if infrared.shape != visible.shape[:2]:
            a, b = infrared.shape, visible.shape
            raise FusionError(
                f"pair '{file.name}': infrared is {a[0]} x {a[1]}{orientation_note(file.infrared)} "
                f"but visible is {b[0]} x {b[1]}{orientation_note(file.visible)} (rows x columns); "
                "align and crop them first"
            )
        return infrared, visible

    def hold_out(self) -> tuple[PairFolder, PairFolder]:
        """Training and validation pairs, divided by sequence in order of name.

        Raises:
            FusionError: there is one sequence only.
        """
        held_out = hold_out(self.sequences)
        if not held_out:
            raise FusionError(f"all {len(self)} pairs are of one sequence; a split needs two")
        sides = [
            [file for file in self.files if (file.sequence in held_out) is held]
            for held in (False, True)
        ]
        training, validation = (PairFolder(s, self._layout, self._read_as) for s in sides)
        return training, validation

    def data_hash(self) -> str:
        """SHA-256 over names and bytes of all files, first 12 hex digits."""
        return bytes_hash(self._content())

    def _content(self) -> Iterator[bytes]:
        for file in sorted(self.files, key=lambda item: (item.split, item.name)):
            yield f"{file.split}/{file.name}\n".encode()
            yield file.infrared.read_bytes()
            yield file.visible.read_bytes()

    def card(self) -> dict[str, Any]:
        """What the set is; reads every file once."""
        infrared = [_facts(file.infrared) for file in self.files]
        visible = [_facts(file.visible) for file in self.files]
        sizes = sorted({facts.size for facts in infrared})
        held_out = hold_out(self.sequences)
        return {
            "layout": self._layout,
            "pairs": len(self),
            "splits": {s: sum(f.split == s for f in self.files) for s in _splits(self.files)},
            "sequences": len(set(self.sequences)),
            "validation_sequences": sorted(held_out),
            "sizes": {"count": len(sizes), "smallest": sizes[0], "largest": sizes[-1]},
            "infrared": {
                "types": sorted({facts.dtype for facts in infrared}),
                "range": self._read_as.infrared_range,
            },
            "visible": {
                "types": sorted({facts.dtype for facts in visible}),
                "range": self._read_as.visible_range,
                "grey": sum(facts.is_grey for facts in visible),
            },
            "sha256_12": self.data_hash(),
        }


class CapturedPairs:
    """Captured pairs of the simulator: thermal and the degraded RGB."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._shards = folder, read_index(folder)
        self._pairs = Pairs(folder, self._shards)
        where = [(shard, n) for shard in self._shards for n in range(shard.count)]
        self.names = [f"{shard.name}_{n:04d}" for shard, n in where]
        self.sequences = [shard.sequence for shard, _ in where]

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self._pairs)

    def load(self, index: int) -> Pair:
        """Read one pair."""
        degraded, thermal, _ = self._pairs.sample(index)
        return Pair(self.names[index], self.sequences[index], np.array(thermal), np.array(degraded))

    def card(self) -> dict[str, Any]:
        """What the set is."""
        about = read_about(self._folder) or {}
        return {
            "layout": CAPTURED,
            "look": about.get("look"),
            "thermal_look": about.get("thermal_look"),
            "pairs": len(self),
            "places": sorted(set(self.sequences)),
            "sequences": len(set(self.sequences)),
            "validation_sequences": sorted(hold_out(self.sequences)),
            "weathers": sorted({shard.weather for shard in self._shards}),
            "sha256_12": data_hash(self._folder),
        }


def open_pairs(
    folder: Path,
    layout: str = "folders",
    split: str | None = None,
    read_as: ReadAs | None = None,
) -> PairSource:
    """Pairs of a folder in a known layout, or captured ones where there is an index.

    Raises:
        FusionError: as `find_pairs`.
    """
    if (folder / INDEX).is_file():
        return CapturedPairs(folder)
    return PairFolder(find_pairs(folder, layout, split), layout, read_as or ReadAs())


class _Facts(NamedTuple):
    size: tuple[int, int]  # width, height
    dtype: str
    is_grey: bool


def _facts(path: Path) -> _Facts:
    image = stored(path)
    return _Facts((image.shape[1], image.shape[0]), str(image.dtype), image.ndim == 2)


def _splits(files: Sequence[PairFile]) -> list[str]:
    return sorted({file.split for file in files if file.split}, key=SPLITS.index)
