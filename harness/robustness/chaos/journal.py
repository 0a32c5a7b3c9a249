"""What was done in a chaos run, and what came of it: one line each, kept for the next start."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from fusiondrive.errors import ConfigError
from harness.robustness.chaos.options import ChaosOptions

NAME = "harms.jsonl"
SAME = ("episodes", "harms", "seed", "workers", "trace")  # what may not change in a folder


@dataclass(frozen=True)
class Entry:
    """A harm that was done, or something that happened without one.

    Attributes:
        what: the kind of harm, or `hand`, `own end`, `lost rows`, `orphan`.
        number: of the harm; None of what was none.
        at: time of day.
        rows: that stood in the file.
        seconds: until it was noticed, or how long an orphan lived; None where there is no such.
        as_promised: whether that came of it which the harness promises.
        detail: what was said or found.
    """

    what: str
    number: int | None = None
    at: str = ""
    rows: int = 0
    seconds: float | None = None
    as_promised: bool = True
    detail: str = ""


class Journal:
    """Lines in a file of their own."""

    def __init__(self, options: ChaosOptions) -> None:
        """Open or begin it.

        Raises:
            ConfigError: the folder has a chaos run with other options, or something else.
        """
        self._path = options.out / NAME
        self.entries: list[Entry] = []
        chosen = {name: getattr(options, name) for name in SAME}
        if not self._path.is_file():
            if options.out.is_dir() and any(options.out.iterdir()):
                raise ConfigError(
                    f"--out {options.out}: expected a new folder or one of a chaos run, found "
                    "other files; give another --out"
                )
            options.out.mkdir(parents=True, exist_ok=True)
            self._write(chosen)
            return
        first, *rest = self._path.read_text(encoding="utf-8").splitlines() or ["{}"]
        if (found := json.loads(first)) != chosen:
            raise ConfigError(
                f"--out {options.out}: expected a chaos run of {_words(chosen)}, found one of "
                f"{_words(found)}; give the same options or another --out"
            )
        self.entries = [Entry(**json.loads(line)) for line in rest]

    def add(self, entry: Entry) -> None:
        """Keep an entry."""
        self.entries.append(entry)
        self._write(asdict(entry))

    def numbers(self) -> set[int]:
        """Harms that were done."""
        return {entry.number for entry in self.entries if entry.number is not None}

    def _write(self, values: dict[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")


def of_kind(entries: Sequence[Entry], *names: str) -> list[Entry]:
    """Entries of some kinds."""
    return [entry for entry in entries if entry.what in names]


def _words(values: dict[str, object]) -> str:
    return " ".join(f"--{name} {value}" for name, value in values.items())
