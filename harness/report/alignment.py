"""Two drives of one route laid side by side in route position, and where they first diverge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

F64 = NDArray[np.float64]

GRID_M = 0.5
HELD_M = 1.0  # a difference shorter than this is none
# Steering is -1 to 1; the pedal is the throttle minus the brake, -1 to 1.
ACTIONS_DIVERGE: Mapping[str, float] = {"steer": 0.1, "pedal": 0.3}
PLAIN = ("steer", "deviation_m", "time_s", "x", "y")  # columns that are taken as they are
# Columns that a trace needs for `along`.
TAKEN = (*PLAIN, "route_m", "throttle", "brake", "vx", "vy")
PATHS_DIVERGE_M = 0.5  # between the cars at the same route position


class Along(NamedTuple):
    """Columns of a trace by route position, at the step that first reached it."""

    position_m: F64  # (N,), every `GRID_M`
    columns: Mapping[str, F64]  # each (N,)

    def at(self, positions_m: F64) -> Mapping[str, F64]:
        """The columns at other route positions, (M,)."""
        return {
            name: np.interp(positions_m, self.position_m, values)
            for name, values in self.columns.items()
        }


class Moment(NamedTuple):
    """A place on the route, and the steps at which the two drives first reached it."""

    route_m: float
    steps: tuple[int, int]


class Divergence(NamedTuple):
    """Where two drives of a route differ; a difference that never comes is None."""

    actions: Moment | None
    by: str  # steer or pedal: the action that differs first; empty where none does
    paths: Moment | None
    end: Moment  # where the shorter of the two drives ends


def along(trace: pd.DataFrame) -> Along:
    """A trace, as `results.trace` declares it, on a grid of route positions.

    A standstill is one point: what the car did when it first came there.
    """
    reached = np.maximum.accumulate(trace["route_m"].to_numpy(dtype=float))
    is_first = np.concatenate([[True], np.diff(reached) > 0.0])
    at = reached[is_first]
    grid = np.arange(max(0.0, at[0]), at[-1] + 1e-9, GRID_M)
    columns = _columns(trace)
    return Along(
        grid, {name: np.interp(grid, at, values[is_first]) for name, values in columns.items()}
    )


def divergence(first: Along, second: Along) -> Divergence:
    """Where actions and paths of two drives first differ for `HELD_M` or more."""
    start_m = max(first.position_m[0], second.position_m[0])
    end_m = min(first.position_m[-1], second.position_m[-1])
    grid = np.arange(start_m, end_m + 1e-9, GRID_M)
    sides = first.at(grid), second.at(grid)
    found = [
        (index, name)
        for name, limit in ACTIONS_DIVERGE.items()
        if (index := _held(np.abs(sides[0][name] - sides[1][name]) > limit)) is not None
    ]
    index, by = min(found) if found else (None, "")
    gaps = np.hypot(sides[0]["x"] - sides[1]["x"], sides[0]["y"] - sides[1]["y"])
    apart = _held(gaps > PATHS_DIVERGE_M)

    def moment(index: int) -> Moment:
        steps = [round(float(side["step"][index])) for side in sides]
        return Moment(float(grid[index]), (steps[0], steps[1]))

    return Divergence(
        None if index is None else moment(index),
        by,
        None if apart is None else moment(apart),
        moment(len(grid) - 1),
    )


def _held(differs: NDArray[np.bool_]) -> int | None:
    """Index from which on it differs for `HELD_M`."""
    needed = round(HELD_M / GRID_M) + 1
    if len(differs) < needed:
        return None
    held = np.convolve(differs, np.ones(needed), "valid") >= needed
    return int(np.argmax(held)) if held.any() else None


def _columns(trace: pd.DataFrame) -> dict[str, F64]:
    numbers = {name: trace[name].to_numpy(dtype=float) for name in PLAIN}
    velocity = trace[["vx", "vy"]].to_numpy(dtype=float)  # (N, 2)
    return {
        **numbers,
        "step": np.arange(len(trace), dtype=float),
        "pedal": (trace["throttle"] - trace["brake"]).to_numpy(dtype=float),
        "speed_kmh": 3.6 * np.hypot(velocity[:, 0], velocity[:, 1]),
    }
