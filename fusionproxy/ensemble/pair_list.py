"""The pairs of several folders that an ensemble is computed on, in one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fusionproxy.errors import FusionError
from fusionproxy.pair_source import Pair, PairSource


@dataclass(frozen=True)
class PairList:
    """Pairs of several sets, in one order."""

    sources: Sequence[PairSource]
    labels: Sequence[str]
    limits: Sequence[int] | None = None  # at most so many of each set, evenly chosen

    def __post_init__(self) -> None:
        """Check the limits, and that there is at least one pair."""
        if self.limits is not None:
            if len(self.limits) != len(self.sources):
                found = f"{len(self.limits)} for {len(self.sources)} folders"
                raise FusionError(f"--limit: expected a number for each folder, found {found}")
            if min(self.limits) < 0:
                raise FusionError(f"--limit: expected 0 or more, found {min(self.limits)}")
        if not self.where:
            raise FusionError("no pairs; give --pairs DIR")

    @cached_property
    def where(self) -> list[tuple[int, int]]:
        """Index of the set, and index within it, of each pair."""
        limits = self.limits or [len(source) for source in self.sources]
        return [
            (s, i)
            for s, (source, limit) in enumerate(zip(self.sources, limits, strict=True))
            for i in evenly(len(source), limit)
        ]

    def load(self, index: int, width: int, height: int) -> Pair:
        """Load one pair, resized."""
        source, i = self.where[index]
        return self.sources[source].load(i).resized(width, height)

    def table(self) -> list[dict[str, str]]:
        """Name and sequence of each pair; they are unique over the sets."""
        return [
            {
                "name": f"{self.labels[s]}/{self.sources[s].names[i]}",
                "sequence": f"{self.labels[s]}/{self.sources[s].sequences[i]}",
            }
            for s, i in self.where
        ]


def evenly(count: int, most: int) -> list[int]:
    """Choose at most `most` of `count` indices, evenly spread from the first to the last."""
    return [int(k) for k in np.linspace(0, count - 1, min(count, most)).round()]
