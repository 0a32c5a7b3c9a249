"""Workers that ask about poses: a process for each share of the towns, begun anew where it dies."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fusiondrive.errors import AgentError, ConfigError, FusionDriveError, SimulatorError
from fusiondrive.files import whole_file
from harness.perception.act_options import ActOptions
from harness.perception.drawing import town_session
from harness.perception.poses import read_poses
from harness.perception.unit import answers, units_of
from harness.supervision import (
    EXIT_BAD_INPUT,
    EXIT_SIMULATOR,
    MAX_DEATHS,
    Child,
    Pulse,
    how_it_died,
)

POLL_S = 0.5


def work_off(options: ActOptions, towns: Sequence[str], total: int) -> None:
    """Let workers answer what is missing, with progress on one line.

    Raises:
        ConfigError: a worker has said that it cannot be asked so.
        SimulatorError: workers die again and again.
    """
    if not total:
        return
    workers = min(options.workers, len(towns))
    counter = multiprocessing.get_context("spawn").Value("q", 0)
    shares = [list(towns[number::workers]) for number in range(workers)]
    crew = [Child(work, (options, share, counter)) for share in shares]
    deaths, progress = 0, _Progress(total)
    try:
        while True:
            codes = [child.exit_code() for child in crew]
            if progress.show(counter.value):
                deaths = 0
            if EXIT_BAD_INPUT in codes:
                raise ConfigError("these poses cannot be asked about as told")
            for child, code in zip(crew, codes, strict=True):
                if code:
                    deaths += 1
                    if deaths > MAX_DEATHS * workers:
                        how = how_it_died(code)
                        raise SimulatorError(f"workers died {deaths} times, last: {how}")
                    child.begin()
            if all(code == 0 for code in codes):
                return
            time.sleep(POLL_S)  # of this display only
    finally:
        print(file=sys.stderr)
        for child in crew:
            child.end()


class _Progress:
    """One line of progress; its rate leaves the starts of servers out before the first picture."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._first: tuple[float, int] | None = None

    def show(self, done: int) -> bool:
        """Say how many pictures are done; returns whether there are more than before."""
        if done == self._done:
            return False
        now, self._done = time.monotonic(), done
        if self._first is None:
            self._first = now, done
        rate = (done - self._first[1]) / max(now - self._first[0], POLL_S)
        text = f"\r{done} of {self._total} pictures, {rate:.1f}/s "
        print(text, end="", file=sys.stderr, flush=True)
        return True


def work(options: ActOptions, towns: Sequence[str], counter: Any, pulse: Pulse) -> int:
    """A worker: answers the units of some towns, on a fresh server for each town."""

    def beat() -> None:
        pulse.beat()
        with counter.get_lock():
            counter.value += 1

    try:
        found, asked = read_poses(options.poses), options.asked()
        for town in towns:
            planned = units_of([town], options.level)
            units = [item for item in planned if not item.path(options.out).is_file()]
            if units:
                poses = found.by_town(options.count)[town]
                with town_session(town, found.facts) as session:
                    for unit in units:
                        one = asked.reference() if unit.is_reference else asked
                        rows = answers(session, poses, unit.weather, one, beat)
                        _write_unit(rows, unit.path(options.out))
    except SimulatorError as err:
        print(f"\n{err}", file=sys.stderr)
        return EXIT_SIMULATOR
    except (AgentError, FusionDriveError, OSError) as err:
        print(f"\nerror: {err}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def _write_unit(rows: Sequence[dict[str, Any]], path: Path) -> None:
    with whole_file(path) as draft:
        pd.DataFrame(list(rows)).to_parquet(draft, index=False, compression="zstd")
