"""Captured pairs on disk: degraded RGB, thermal and the clear-day RGB of the same pose."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiondrive.files import whole_file
from fusiondrive.provenance import bytes_hash
from fusionproxy.errors import FusionError

U8 = NDArray[np.uint8]
FORMAT = "fusionproxy-pairs"
INDEX = "index.json"
PARTS = ("degraded", "thermal", "clear")
VALIDATION_SHARE = 5  # every fifth sequence


@dataclass(frozen=True)
class Shard:
    """Samples of one driven sequence in one weather."""

    name: str
    sequence: str  # split unit: all weathers of one drive share it
    weather: str
    count: int


def write_shard(
    folder: Path, shard: Shard, parts: dict[str, U8], about: dict[str, Any] | None = None
) -> None:
    """Write the arrays of one shard and add it to the index, each step atomic.

    Args:
        folder: the data set.
        shard: its entry.
        parts: `degraded` and `clear` (N, H, W, 3), `thermal` (N, H, W), all uint8.
        about: settings that all shards share, for the index.

    Raises:
        FusionError: the disk is full or cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        with whole_file(folder / f"{shard.name}.{part}.npy") as partial:
            np.save(partial, parts[part])
    shards = [item for item in read_index(folder) if item.name != shard.name] + [shard]
    _write_index(folder, shards, about or {})


def _write_index(folder: Path, shards: Sequence[Shard], about: dict[str, Any]) -> None:
    index = {"format": FORMAT, "about": about, "shards": [vars(item) for item in shards]}
    with whole_file(folder / INDEX) as partial:
        partial.write_text(json.dumps(index, indent=1), encoding="utf-8")


def adopt(parts: Sequence[Path], folder: Path) -> None:
    """Move the shards of several data sets of the same settings into one.

    Args:
        parts: the data sets; a try that was cut short goes on.
        folder: the one that takes them.

    Raises:
        FusionError: the disk is full or cannot be written.
    """
    for part in parts:
        shards = read_index(part)
        for shard in shards:
            for name in PARTS:
                file = f"{shard.name}.{name}.npy"
                if (part / file).is_file():  # else an earlier try has moved it
                    (part / file).replace(folder / file)
        mine = {shard.name for shard in shards}
        kept = [shard for shard in read_index(folder) if shard.name not in mine]
        _write_index(folder, [*kept, *shards], read_about(part) or {})


def read_index(folder: Path) -> list[Shard]:
    """Shards of a data set; none where there is no index yet.

    Raises:
        FusionError: the index is broken or of another format.
    """
    path = folder / INDEX
    if not path.is_file():
        return []
    try:
        return [Shard(**item) for item in _index(path)["shards"]]
    except (KeyError, TypeError) as err:
        raise FusionError(f"{path} is broken ({err}); capture the data again") from err


def read_about(folder: Path) -> dict[str, Any] | None:
    """Settings that the shards share; None where there is no index yet."""
    path = folder / INDEX
    return dict(_index(path).get("about", {})) if path.is_file() else None


def known_looks(facts: Iterable[Mapping[str, Any]], name: str = "look") -> list[int]:
    """Looks that the settings or cards of data sets name, each once; `name` may be another key."""
    return sorted({int(item[name]) for item in facts if item.get(name) is not None})


def _index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as err:
        raise FusionError(f"{path} is broken ({err}); capture the data again") from err
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise FusionError(f"{path}: expected an index of format '{FORMAT}'")
    return index


def data_hash(folder: Path) -> str:
    """SHA-256 over the index and every array, first 12 hex digits."""
    return bytes_hash(_content(folder))


def _content(folder: Path) -> Iterator[bytes]:
    for shard in sorted(read_index(folder), key=lambda item: item.name):
        yield repr(shard).encode()
        for part in PARTS:
            yield (folder / f"{shard.name}.{part}.npy").read_bytes()


def split(shards: Sequence[Shard]) -> tuple[list[Shard], list[Shard]]:
    """Training and validation shards, divided by sequence in order of name."""
    held_out = hold_out(shard.sequence for shard in shards)
    training = [shard for shard in shards if shard.sequence not in held_out]
    return training, [shard for shard in shards if shard.sequence in held_out]


def hold_out(sequences: Iterable[str]) -> frozenset[str]:
    """Sequences kept for validation: every fifth by name; none of a single one."""
    names = sorted(set(sequences))
    return frozenset(names[::VALIDATION_SHARE] if len(names) > 1 else ())


class Pairs:
    """Random access to samples over memory-mapped shards."""

    def __init__(self, folder: Path, shards: Sequence[Shard]) -> None:
        self._arrays = [_shard(folder, shard) for shard in shards]
        self._where = [(i, n) for i, shard in enumerate(shards) for n in range(shard.count)]
        self.weathers = [shards[i].weather for i, _ in self._where]

    def __len__(self) -> int:
        return len(self._where)

    def sample(self, index: int) -> tuple[U8, U8, U8]:
        """Degraded (H, W, 3), thermal (H, W), clear (H, W, 3)."""
        shard, n = self._where[index]
        degraded, thermal, clear = self._arrays[shard]
        return degraded[n], thermal[n], clear[n]


def _shard(folder: Path, shard: Shard) -> tuple[U8, U8, U8]:
    """Arrays of a shard in the order of `PARTS`.

    Raises:
        FusionError: one is missing, truncated, or not what the index says.
    """
    arrays = [_map(folder / f"{shard.name}.{part}.npy") for part in PARTS]
    degraded, thermal, clear = arrays
    size = (shard.count, *thermal.shape[1:3])
    for part, array in zip(PARTS, arrays, strict=True):
        expected = size if part == "thermal" else (*size, 3)
        if array.shape != expected or array.dtype != np.uint8:
            raise FusionError(
                f"{folder / shard.name}.{part}.npy: expected uint8 {expected}, found {array.dtype} "
                f"{array.shape}; capture the data again"
            )
    return degraded, thermal, clear


def _map(path: Path) -> U8:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError) as err:
        reason = str(err).splitlines()[0]
        raise FusionError(f"{path} cannot be read ({reason}); capture the data again") from err


def open_split(folder: Path) -> tuple[Pairs, Pairs]:
    """Training and validation pairs of a data set.

    Raises:
        FusionError: there is no data, or too little to hold a sequence out.
    """
    shards = read_index(folder)
    if not shards:
        raise FusionError(f"no captured pairs in {folder}; run `python -m harness.capture`")
    training, validation = split(shards)
    if not training or not validation:
        raise FusionError(f"{folder} has one sequence only; capture at least two")
    return Pairs(folder, training), Pairs(folder, validation)
