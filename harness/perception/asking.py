"""The worker of `harness.perception act`: answers of the units of some towns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fusiondrive.files import whole_file
from harness.perception.act_options import ActOptions
from harness.perception.crew import Beat, guarded
from harness.perception.drawing import town_session
from harness.perception.poses import read_poses
from harness.perception.unit import answers, units_of
from harness.supervision import Pulse


def work(options: ActOptions, towns: Sequence[str], counter: Any, pulse: Pulse) -> int:
    """Answer the units that are not there yet, on a fresh server for each town."""
    return guarded(lambda beat: _ask(options, towns, beat), counter, pulse)


def _ask(options: ActOptions, towns: Sequence[str], beat: Beat) -> None:
    found, asked = read_poses(options.poses), options.asked()
    for town in towns:
        planned = units_of([town], options.level)
        units = [item for item in planned if not item.path(options.out).is_file()]
        if not units:
            continue
        poses = found.by_town(options.count)[town]
        with town_session(town, found.facts) as session:
            for unit in units:
                one = asked.reference() if unit.is_reference else asked
                _write(answers(session, poses, unit.weather, one, beat), unit.path(options.out))


def _write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    with whole_file(path) as draft:
        pd.DataFrame(list(rows)).to_parquet(draft, index=False, compression="zstd")
