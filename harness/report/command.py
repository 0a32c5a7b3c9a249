"""What a report can be asked for, and its writing: the file, and nothing half-written."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, check_values
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


def write_report(options: Options) -> str:
    """Write the page; returns where it is, and its size.

    Raises:
        ConfigError: jinja2 is missing, a run cannot be read, or nothing was driven.
        OutputError: the file cannot be written.
    """
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
