"""A run of thousands of drives, made of a small one: rows, hazards and traces under new seeds.

python -m tests.harness.report.many ROWS TRACES OUT --drives 3000

ROWS is a run or a file of rows, TRACES the folder of traces of some drive or other. Each copy of an
episode has another seed and so another identity, and some drives get what came of another arm, so
that differences are as mixed as in a real run. Rows without a trace of their own get one in turn.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from fusiondrive.provenance import text_hash
from results.frame import load_frame, to_rows
from results.hazards import HazardRow, hazards_beside
from results.row import EpisodeRow
from results.run_folder import TRACES, KeptFiles
from tests.harness.report.made_up import write_files

SWAPPED = 0.3  # share of drives that get what came of another arm
OF_ARM = ("arm", "input", "fuser", "fuser_weights", "fuser_label", "thermal", "thermal_look")


def multiply(rows_of: Path, traces: Path, out: Path, drives: int, seed: int = 0) -> Path:
    """Write a run of so many drives, or a few more.

    Args:
        rows_of: a run's folder, or a file of rows.
        traces: a folder of traces.
        out: the new run's folder.
        drives: at least so many.
        seed: of who gets whose outcome.

    Returns:
        The new run's folder.
    """
    rng = np.random.default_rng(seed)
    rows = [row for row in to_rows(load_frame(rows_of)) if row.is_driven]
    alike: dict[tuple[object, ...], list[EpisodeRow]] = {}
    for row in rows:
        alike.setdefault(_episode(row), []).append(row)
    hazards: dict[str, list[HazardRow]] = {}
    for item in hazards_beside(rows_of):
        hazards.setdefault(item.identity, []).append(item)
    kept, others = KeptFiles(traces, ".parquet"), itertools.cycle(sorted(traces.glob("*.parquet")))
    (out / TRACES).mkdir(parents=True)
    made: list[EpisodeRow] = []
    met: list[HazardRow] = []
    while len(made) < drives:
        number = len(made) // len(rows)
        for row in rows:
            group = alike[_episode(row)]
            source = group[int(rng.integers(len(group)))] if rng.random() < SWAPPED else row
            identity = text_hash(f"{row.identity} {number}")[:8] + row.identity[:8]
            own = {name: getattr(row, name) for name in OF_ARM}
            made.append(replace(source, identity=identity, seed=row.seed + number, **own))
            met += [replace(item, identity=identity) for item in hazards.get(source.identity, ())]
            trace = kept.of(source.identity) or next(others)
            shutil.copyfile(trace, out / TRACES / f"{row.town}_{identity}.parquet")
    return write_files(out, made, met)


def _episode(row: EpisodeRow) -> tuple[object, ...]:
    return row.town, row.weather, row.route_id, row.seed, row.hazards


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("rows", "traces", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--drives", type=int, default=3000)
    options = parser.parse_args()
    multiply(options.rows, options.traces, options.out, options.drives)
