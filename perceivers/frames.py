"""Labelled frames on disk: what a camera saw, and who is where in it.

A set is a folder with `card.json` and files `frames_00000.parquet` and on, which are written whole.
A row is a frame; pictures are stored as JPEG or PNG files would be, without loss but for JPEG's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import fastparquet
import pandas as pd

from fusiondrive.errors import ConfigError
from fusiondrive.files import check_folder, whole_file
from fusiondrive.provenance import file_hash
from fusiondrive.text import read_text
from fusiondrive.types import CameraSpec, Closing
from perceivers.labelled_frame import LabelledFrame, RoadUser

VERSION = 1  # of this layout
CARD = "card.json"
FILE = re.compile(r"frames_(\d{5})\.parquet")
_TEXTS = ("town", "pose", "weather", "thermal_settings", "camera", "objects")
_PICTURES = ("rgb", "thermal", "tags")
_ENCODINGS = {**dict.fromkeys(_TEXTS, "utf8"), **dict.fromkeys(_PICTURES, "bytes")}


@dataclass(frozen=True)
class FramesCard:
    """How a set was made."""

    made_by: str  # the command
    commit: str
    look: int | None  # version of the visible pictures
    seed: int
    thermal_look: int | None = None  # of the thermal ones; None without any
    about: dict[str, Any] = field(default_factory=dict)  # what else its maker says
    frames: int = 0
    version: int = VERSION


class FrameWriter(Closing):
    """Writes a set file by file; a set that is there already goes on behind its last file."""

    def __init__(self, folder: Path, card: FramesCard, per_file: int = 100) -> None:
        """Open the folder.

        Args:
            folder: of the set; it is made.
            card: how it is made; the number of frames is filled in.
            per_file: frames that are written at once.

        Raises:
            ConfigError: a set of another look, or one that is broken, is there.
            OutputError: the folder cannot be written.
        """
        check_folder(folder, (CARD,))
        self._folder, self._card, self._per_file = folder, card, per_file
        self._waiting: list[LabelledFrame] = []
        self._number = self.count = 0
        if (folder / CARD).is_file():
            there = FrameSet(folder)
            if (there.card.look, there.card.thermal_look) != (card.look, card.thermal_look):
                raise ConfigError(
                    f"{folder}: holds frames of look {there.card.look} and thermal look "
                    f"{there.card.thermal_look}, these are of {card.look} and "
                    f"{card.thermal_look}; give another folder"
                )
            self._number, self.count = len(there.files), len(there)

    def add(self, frame: LabelledFrame) -> None:
        """Take a frame; every `per_file` of them are written.

        Raises:
            OutputError: they cannot be.
        """
        self._waiting.append(frame)
        if len(self._waiting) >= self._per_file:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting, and the card.

        Raises:
            OutputError: it cannot be written.
        """
        if not self._waiting:
            return
        path = self._folder / f"frames_{self._number:05d}.parquet"
        with whole_file(path) as draft:
            fastparquet.write(
                str(draft),
                pd.DataFrame([_to_record(item) for item in self._waiting]),
                compression=None,  # pictures are compressed
                write_index=False,
                object_encoding=_ENCODINGS,
            )
        self.count += len(self._waiting)
        self._number, self._waiting = self._number + 1, []
        values = {**asdict(self._card), "frames": self.count}
        with whole_file(self._folder / CARD) as draft:
            draft.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    def close(self) -> None:
        """Write what is left; may be called twice."""
        self.flush()


class FrameSet:
    """A set that is read; frames come file by file, in the order in which they were written."""

    def __init__(self, folder: Path) -> None:
        """Open a set.

        Raises:
            ConfigError: the folder holds none, one of another version, or one that lacks files.
        """
        self.folder = folder
        self.card = _read_card(folder)
        self.files = sorted(path for path in folder.iterdir() if FILE.fullmatch(path.name))
        expected = [f"frames_{number:05d}.parquet" for number in range(len(self.files))]
        if [path.name for path in self.files] != expected or not self.files:
            missing = next(
                (name for name in expected if not (folder / name).is_file()), "frames_00000.parquet"
            )
            raise ConfigError(f"{folder}: expected {missing} beside {CARD}, found none")

    def __len__(self) -> int:
        # Files are counted: a writer may have been killed between its last file and the card.
        return sum(_table(path).count() for path in self.files)

    def __iter__(self) -> Iterator[LabelledFrame]:
        """The frames.

        Raises:
            ConfigError: a file is not readable, or not of this layout.
        """
        for path in self.files:
            yield from _read_file(path)

    def last(self) -> LabelledFrame:
        """The frame that was written last.

        Raises:
            ConfigError: its file is not readable.
        """
        return _read_file(self.files[-1])[-1]

    def digest(self) -> str:
        """SHA-256 over all files, first 12 hex digits."""
        return file_hash(*self.files)


def _to_record(frame: LabelledFrame) -> dict[str, Any]:
    """A row of the file."""
    return {
        "town": frame.town,
        "pose": frame.pose,
        "weather": frame.weather,
        "thermal_settings": frame.thermal_settings,
        "camera": json.dumps(asdict(frame.camera)),
        "objects": json.dumps([asdict(item) for item in frame.objects]),
        "rgb": frame.rgb,
        "thermal": frame.thermal,
        "tags": frame.tags,
    }


def _read_file(path: Path) -> list[LabelledFrame]:
    table = _table(path)
    try:
        return [_from_record(record) for record in table.to_pandas().to_dict("records")]
    except Exception as err:  # the reader raises whatever the bytes lead it to
        raise _unreadable(path, err) from err


def _table(path: Path) -> Any:
    try:
        return fastparquet.ParquetFile(str(path))
    except Exception as err:  # as above
        raise _unreadable(path, err) from err


def _unreadable(path: Path, err: Exception) -> ConfigError:
    text = f"{type(err).__name__}: {' '.join(str(err).split())[:200]}"
    return ConfigError(f"{path}: not readable as labelled frames: {text}; make the set anew")


def _from_record(record: dict[Any, Any]) -> LabelledFrame:
    return LabelledFrame(
        town=str(record["town"]),
        pose=str(record["pose"]),
        weather=str(record["weather"]),
        camera=CameraSpec(**json.loads(record["camera"])),
        rgb=bytes(record["rgb"]),
        tags=bytes(record["tags"]),
        objects=tuple(RoadUser(**item) for item in json.loads(record["objects"])),
        thermal_settings=str(record["thermal_settings"]),
        thermal=bytes(record["thermal"]),
    )


def _read_card(folder: Path) -> FramesCard:
    path = folder / CARD
    if not path.is_file():
        raise ConfigError(f"{folder}: expected a set of labelled frames with {CARD}, found none")
    try:
        values = json.loads(read_text(path))
        version = values.get("version")
        if version != VERSION:
            raise ConfigError(f"{path}: expected frames of version {VERSION}, found {version}")
        known = {item.name for item in fields(FramesCard)}
        return FramesCard(**{name: value for name, value in values.items() if name in known})
    except (ValueError, TypeError, AttributeError) as err:
        raise ConfigError(f"{path}: not a card of labelled frames: {err}") from err
