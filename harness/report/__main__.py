"""Write a report of runs: one HTML file that needs no network, with a browser of failures.

python -m harness.report RUN
python -m harness.report RUN RUN --compare oracle dehaze --out report.html
python -m harness.report --index DIR
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fusiondrive.cli import exit_code, parse
from harness.report.command import Options, write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: write_report(parse(Options, arguments, "harness.report", __doc__)))


if __name__ == "__main__":
    sys.exit(main())
