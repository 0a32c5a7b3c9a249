"""Write a report of runs: one HTML file that needs no network, with a browser of failures.

python -m harness.report RUN
python -m harness.report RUN RUN --compare oracle dehaze --out report.html
python -m harness.report --index DIR
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import ConfigError
from fusiondrive.files import check_file, whole_file
from results.run_folder import home_of, is_run

NAME = "report.html"
MISSING = "reports need jinja2, which is not installed: pip install 'fusiondrive[report]'"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    runs: Annotated[
        tuple[Path, ...], Flag("folders of runs, or files of rows", "RUN", names=("runs",))
    ]
    out: Annotated[Path | None, Flag(f"the file (default: {NAME} in RUN)")] = None
    compare: Annotated[
        tuple[str, str] | None, Flag("arms that the first sentence is on", ("ARM", "MINUS"))
    ] = None
    clips: Annotated[int, Flag("failures with clips, at most", at_least=0, at_most=100)] = 20
    index: Annotated[bool, Flag("list the runs of a folder in place of a report")] = False

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: a value is out of range, or a file has no place.
        """
        check_values(self)
        if self.index and (len(self.runs) != 1 or not self.runs[0].is_dir()):
            raise ConfigError("--index: expected one folder that holds folders of runs")
        if not self.index and self.out is None and len(self.runs) > 1:
            raise ConfigError("a report on several runs needs a file: give --out report.html")

    @property
    def file(self) -> Path:
        """What is written."""
        run = self.runs[0]
        if self.out is not None:
            return self.out
        if self.index:
            return run / "index.html"
        return home_of(run) / (NAME if is_run(run) else f"{run.stem}_{NAME}")


def run(options: Options) -> str:
    """Write the page; returns where it is."""
    if importlib.util.find_spec("jinja2") is None:
        raise ConfigError(MISSING)
    from harness.report.index import make_index
    from harness.report.make import ReportConfig, make_report

    check_file(options.file)
    if options.index:
        text = make_index(options.runs[0], options.file)
    else:
        text = make_report(ReportConfig(options.runs, options.clips, options.compare))
    with whole_file(options.file) as draft:
        draft.write_text(text, encoding="utf-8")
    return f"{options.file}: {len(text.encode()) / 1e6:.1f} MB"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: run(parse(Options, arguments, "harness.report", __doc__)))


if __name__ == "__main__":
    sys.exit(main())
