"""Compares a drive with what was kept of it, column by column, as far as the first difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, NamedTuple

import pandas as pd

from harness.messages import Driven
from results.columns import measured
from results.row import EpisodeRow
from results.trace import WALL, TraceRow

# Before traces named their episode they had the server's own ids and frames in these.
OLD_IDS = ("collisions", "stop_lines")
MARK = "identity"


class Difference(NamedTuple):
    """Where a drive is not as it was."""

    place: str  # such as `step 37`
    column: str
    kept: object
    found: object

    def __str__(self) -> str:
        return f"{self.place}: {self.column} was {_text(self.kept)}, is {_text(self.found)}"


def compared_columns(kept: pd.DataFrame) -> tuple[str, ...]:
    """Columns in which equal drives are equal, as far as a trace has them."""
    left_out = (MARK, *(() if MARK in kept else OLD_IDS))
    names = (item.name for item in fields(TraceRow))
    return tuple(
        name
        for name in names
        if name in kept and name not in left_out and not name.startswith(WALL)
    )


class Verifier:
    """Takes the steps of a drive beside its kept trace; `difference` is the first one.

    `steps` counts those that were equal.
    """

    def __init__(self, kept: pd.DataFrame) -> None:
        """Take in the kept steps, as `results.trace.load_trace` gives them."""
        self.columns = compared_columns(kept)
        self.difference: Difference | None = None
        self.steps = 0
        plain = kept[list(self.columns)].astype(object)
        self._kept = plain.where(plain.notna(), None).to_dict("records")

    def compare(self, step: TraceRow) -> None:
        """Compare the next step, unless there was a difference before."""
        if self.difference is not None:
            return
        if step.step >= len(self._kept):
            found = f"{step.step + 1} or more"
            self.difference = Difference("the end", "steps", len(self._kept), found)
            return
        kept = self._kept[step.step]
        self.difference = _first(f"step {step.step}", kept, asdict(step), self.columns)
        self.steps += self.difference is None

    def finish(self) -> None:
        """The drive is over: nothing may be left of the kept one."""
        if self.difference is None and self.steps < len(self._kept):
            self.difference = Difference("the end", "steps", len(self._kept), self.steps)


def row_difference(row: EpisodeRow, driven: Driven) -> Difference | None:
    """The first column in which a drive's numbers are not those of its row."""
    found = {**row_numbers(driven), "outcome": driven.score.outcome.value}
    return _first("the row", asdict(row), found, ("outcome", *row_numbers(driven)))


def row_numbers(driven: Driven) -> dict[str, Any]:
    """What a row says of a drive, without what is of the wall clock."""
    counted = {name: getattr(driven, name) for name in ("steps", "vehicles", "walkers")}
    return {**measured(EpisodeRow, driven.score), **counted, "own": driven.score.own}


def _first(
    place: str, kept: Mapping[Any, Any], found: Mapping[str, Any], columns: Sequence[str]
) -> Difference | None:
    for name in columns:
        if kept[name] != found[name]:
            return Difference(place, name, kept[name], found[name])
    return None


def _text(value: object) -> str:
    return "missing" if value is None else str(value)
