"""`python -m harness.robustness.chaos`: a long run to which harm is done all the time.

Short drives by `harness.run`, while servers, workers and the runner are killed, servers hang, the
row file is torn, the disk is full, and a second runner comes; then one table of what was lost. The
same command goes on where it was stopped. It needs Linux.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from fusiondrive.cli import exit_code, parse
from fusiondrive.errors import ConfigError, SimulatorError
from harness.robustness.chaos.campaign import Campaign
from harness.robustness.chaos.inflict import inflict
from harness.robustness.chaos.journal import Journal
from harness.robustness.chaos.judgement import Evidence, judge
from harness.robustness.chaos.options import ChaosOptions
from harness.robustness.chaos.plan import asked, first_compared, write_plan
from harness.robustness.chaos.runner import RunnerProcess
from harness.robustness.verdict import Check, conclude
from harness.run import interruptible
from results.reading import FILE_NAME, read_rows

MODULE = "harness.robustness.chaos"
UNDISTURBED_S = 4 * 3600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 if a bar is missed."""
    return exit_code(lambda: _run(arguments), "stopped; the same command goes on")


def _run(arguments: Sequence[str] | None) -> int:
    options = parse(ChaosOptions, arguments, MODULE, __doc__)
    if not sys.platform.startswith("linux"):
        raise ConfigError(f"expected Linux, whose /proc shows processes; found {sys.platform}")
    with interruptible():
        checks = chaos(options)
    title = f"chaos, seed {options.seed}, {options.workers} workers"
    return conclude(title, checks)


def chaos(options: ChaosOptions) -> list[Check]:
    """Drive under harm, drive some of it without, and judge."""
    began_s = time.monotonic()
    journal = Journal(options)
    write_plan(options)
    with Campaign(options, journal) as campaign:
        for harm in campaign.todo():
            if campaign.await_rows(harm.after_rows) is None:
                break
            time.sleep(harm.delay_s)
            if (runner := campaign.running()) is None:
                break
            inflict(campaign, runner, harm)
        campaign.finish()
    rows = read_rows(options.run_folder / FILE_NAME)
    is_at_rest = _is_at_rest(options, len({row.identity for row in rows if not row.is_driven}))
    _drive_undisturbed(options)
    found = Evidence(
        asked=asked(options),
        harms=options.harms,
        rows=rows,
        entries=journal.entries,
        undisturbed=read_rows(options.undisturbed_folder / FILE_NAME),
        is_at_rest=is_at_rest,
    )
    minutes = (time.monotonic() - began_s) / 60.0
    return [*judge(found), Check("time of this start", f"{minutes:.0f} min", "", passed=True)]


def _is_at_rest(options: ChaosOptions, unresolved: int) -> bool:
    """Whether the same command, given once more, changes no row, and adds but unresolved ones."""
    path = options.run_folder / FILE_NAME
    before = path.read_bytes()
    with RunnerProcess(options) as runner:
        code = runner.wait(UNDISTURBED_S)
    after = path.read_bytes()
    added = after[len(before) :].count(b"\n")
    return code == 0 and after.startswith(before) and added <= unresolved


def _drive_undisturbed(options: ChaosOptions) -> None:
    """Drive a part of the plan in peace, for comparison.

    Raises:
        SimulatorError: even that does not come to its end.
    """
    first, count = first_compared(options)
    if not count:
        return
    flags = ("--seed", str(first), "--seeds", str(count), "--out", str(options.undisturbed_folder))
    with RunnerProcess(options, *flags) as runner:
        code = runner.wait(UNDISTURBED_S)
        said = runner.lines() if code is not None else []
    if code != 0:
        raise SimulatorError(
            f"the run without harm ended with exit code {code}: {said[-1] if said else ''}"
        )


if __name__ == "__main__":
    sys.exit(main())
