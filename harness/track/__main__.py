"""Drive emergency-braking tests on a straight road, after Euro NCAP and FMVSS 127.

python -m harness.track
python -m harness.track --weather clear fog:40 --arms rgb thermal --test CPNA-25 CCRs
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from fusiondrive.cli import exit_code, parse
from harness.track.config import TrackOptions, check_options
from harness.track.plot import write_plot
from harness.track.runner import TrackRunner
from results.grid import write_markdown
from results.store import Store
from results.terminal import show
from results.track_command import summaries
from results.track_row import TrackRow
from results.track_table import impact_table


def run(options: TrackOptions) -> str:
    """Drive the tests and print their tables; what is driven already is not driven again.

    Raises:
        ConfigError: something cannot be run as asked.
        SimulatorError: no simulator came up.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    arms = check_options(options)
    with Store(TrackRow, options.directory) as store:
        with TrackRunner(options, arms, store) as runner:
            runner.run()
        rows = store.rows()
    tables = [impact_table(rows), *summaries(rows)]
    write_markdown(tables, options.directory / "table.md")
    write_plot(rows, options.directory / "curves.png")
    show(tables)
    print(f"rows, tables, plot and clips: {options.directory}", file=sys.stderr)
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    stopped = "stopped; rows so far are kept, the same command goes on"
    return exit_code(lambda: run(parse(TrackOptions, arguments, "harness.track", __doc__)), stopped)


if __name__ == "__main__":
    sys.exit(main())
