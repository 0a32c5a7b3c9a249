"""The run under harm: started as a user or a cron job would, again and again until it is done."""

from __future__ import annotations

import logging
import signal
import sys
import time
from typing import NamedTuple

from fusiondrive.errors import SimulatorError
from fusiondrive.types import Closing
from harness.robustness.chaos.journal import Entry, Journal, of_kind
from harness.robustness.chaos.ledger import Ledger
from harness.robustness.chaos.options import ChaosOptions
from harness.robustness.chaos.plan import Harm, asked, plan_harms
from harness.robustness.chaos.processes import Process
from harness.robustness.chaos.runner import RunnerProcess
from results.reading import FILE_NAME

logger = logging.getLogger(__name__)

HAND, OWN_END, LOST, ORPHAN = "hand", "own end", "lost rows", "orphan"
STUCK_S = 300.0  # without a line: longer than any wait of the harness at these timeouts
FRUITLESS = 3  # ends in a row without a new row: the command is wrong, and no harm's doing
POLL_S = 0.1
LINE_S = 30.0  # between lines of progress where nobody watches a terminal


class Orphan(NamedTuple):
    """A process whose runner was killed."""

    process: Process
    since_s: float  # monotonic


class Campaign(Closing):
    """Owns the runner, and knows what it has to have kept."""

    def __init__(self, options: ChaosOptions, journal: Journal) -> None:
        """Nothing is started yet."""
        self.options = options
        self.journal = journal
        self.ledger = Ledger(options.run_folder / FILE_NAME)
        self.runner: RunnerProcess | None = None
        self._began_s = time.monotonic()
        self._orphans: list[Orphan] = []
        self._rows_at_start = self._rows_at_begin = self.ledger.count()
        self._fruitless = 0
        self._line_s = 0.0

    def todo(self) -> list[Harm]:
        """Harms that were not done yet."""
        done = self.journal.numbers()
        return [harm for harm in plan_harms(self.options) if harm.number not in done]

    def start(self) -> RunnerProcess:
        """The command, by itself or once more."""
        self._rows_at_start = self.ledger.count()
        self.runner = RunnerProcess(self.options)
        return self.runner

    def running(self) -> RunnerProcess | None:
        """The runner, begun anew where it has ended too early; None when it has come to its end.

        Raises:
            SimulatorError: it ends again and again without a row.
        """
        runner = self.runner or self.start()
        code = runner.exit_code()
        if code == 0:
            return None
        if code is not None:
            last = (runner.lines() or ["nothing was said"])[-1]
            self.note(OWN_END, detail=f"exit code {code}: {last}")
            has_rows = self.ledger.count() > self._rows_at_start
            self._fruitless = 0 if has_rows else self._fruitless + 1
            self.bury()
            if self._fruitless >= FRUITLESS:
                raise SimulatorError(
                    f"the command ended {FRUITLESS} times without a new row, last with exit code "
                    f"{code}: {last}; see {runner.log}"
                )
            return self.start()
        if runner.silent_s > STUCK_S:
            self.note(HAND, detail=f"no line for {runner.silent_s:.0f} s")
            self.leave(runner.kill())
            self.bury()
            return self.start()
        return runner

    def await_rows(self, count: int) -> RunnerProcess | None:
        """Wait until so many rows are there; None where the run ends before."""
        while (runner := self.running()) is not None:
            self._look()
            if self.ledger.count() >= count:
                return runner
            time.sleep(POLL_S)
        return None

    def finish(self) -> None:
        """Let the run come to its end, and the processes that others left behind."""
        while self.running() is not None:
            self._look()
            time.sleep(POLL_S)
        self.bury()
        while self._orphans and time.monotonic() - self._orphans[-1].since_s < STUCK_S:
            self._look()
            time.sleep(POLL_S)
        for orphan in self._orphans:
            self.note(ORPHAN, seconds=time.monotonic() - orphan.since_s, as_promised=False)
            orphan.process.send(signal.SIGKILL)
        self._orphans = []
        self._show("\n")

    def bury(self) -> None:
        """Look what a runner that has ended leaves in the file."""
        runner, self.runner = self.runner, None
        if runner is None:
            return
        runner.close()
        announced = runner.announced - (self.ledger.count() - self._rows_at_start)
        lost = max(self.ledger.look(), announced, 0)
        if lost:
            self.note(LOST, seconds=float(lost), as_promised=False)

    def leave(self, left: list[Process]) -> None:
        """Watch processes whose runner was killed: they are to end by themselves."""
        self._orphans += [Orphan(process, time.monotonic()) for process in left]

    def note(self, what: str, **values: object) -> None:
        """Write down what happened."""
        at = time.strftime("%H:%M:%S")
        self.journal.add(Entry(what, at=at, rows=self.ledger.count(), **values))  # type: ignore[arg-type]

    def close(self) -> None:
        """End the runner in order."""
        self.bury()

    def _look(self) -> None:
        """Note orphans that have gone, and say how far the run has come."""
        now = time.monotonic()
        gone = [orphan for orphan in self._orphans if not orphan.process.is_alive]
        self._orphans = [orphan for orphan in self._orphans if orphan not in gone]
        for orphan in gone:
            self.note(ORPHAN, seconds=now - orphan.since_s)
        is_watched = sys.stderr.isatty()
        if now - self._line_s > (1.0 if is_watched else LINE_S):
            self._line_s = now
            self._show("\r" if is_watched else "\n")

    def _show(self, end: str) -> None:
        total = len(asked(self.options))
        rows = min(self.ledger.count(), total)  # a row that was cut is a line, too
        passed_s, new = time.monotonic() - self._began_s, rows - self._rows_at_begin
        left = f", {passed_s / new * (total - rows) / 60.0:.0f} min left" if new > 0 else ""
        done = len(self.journal.numbers())
        hands = len(of_kind(self.journal.entries, HAND))
        print(
            f"{rows} of {total} episodes, {done} of {self.options.harms} harms, {hands} times by "
            f"hand, {passed_s / 60.0:.0f} min{left}   ",
            end=end,
            file=sys.stderr,
            flush=True,
        )
