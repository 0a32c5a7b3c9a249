"""How often each of several sets of pairs is drawn in training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fusionproxy.errors import FusionError

HELP = "how often each set is drawn, by its folder's name; by default every pair is as likely"
METAVAR = "SET=NUMBER"


def parse_weights(flag: str, items: Sequence[str]) -> dict[str, float]:
    """Weights by name from the `NAME=NUMBER` that follow a flag.

    Raises:
        FusionError: a name stands twice, or its weight is no number of 0 or more; names the flag.
    """
    weights: dict[str, float] = {}
    for item in items:
        name, _, text = item.rpartition("=")
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not name or not 0.0 <= weight < math.inf:
            raise FusionError(f"{flag}: expected NAME=NUMBER of 0 or more, found '{item}'")
        if name in weights:
            raise FusionError(f"{flag}: {name} stands twice")
        weights[name] = weight
    return weights


def chances(sets: Sequence[str], mix: Mapping[str, float]) -> NDArray[np.float64] | None:
    """How likely each item is drawn, (N,), sum 1: the weight of its set, shared by the set's items.

    Args:
        sets: the set of each item.
        mix: weight of every set; without any the answer is None, for all as likely.

    Raises:
        FusionError: other sets are named than there are, or no item could ever be drawn.
    """
    if not mix:
        return None
    counts = Counter(sets)
    if set(mix) != set(counts):
        found, named = ", ".join(sorted(counts)), ", ".join(sorted(mix))
        raise FusionError(f"--mix: expected a weight for each of the sets {found}; found {named}")
    weights = np.array([mix[name] / counts[name] for name in sets])
    if not weights.any():
        raise FusionError("--mix: every weight is 0, so that nothing would be drawn")
    return np.asarray(weights / weights.sum())
