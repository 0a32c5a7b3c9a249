"""The report that a run ends with: written beside its rows, and opened where somebody sees it."""

from __future__ import annotations

import logging
import os
import sys
import webbrowser
from pathlib import Path

from fusiondrive.errors import FusionDriveError
from harness.config import RunConfig
from harness.report.command import Options, write_report
from harness.window import has_display

logger = logging.getLogger(__name__)


def report_on(config: RunConfig) -> None:
    """Write the report of a run that was driven, print where it is, and open it.

    Rows and tables are there by now, so that whatever goes wrong here is one line.

    Args:
        config: of the run, which says whether there is a report and whether it is opened.
    """
    is_wanted = config.suite is not None if config.report is None else config.report
    if not is_wanted:
        return
    folder = config.directory
    try:
        options = Options(runs=(folder,))
        write_report(options)
    except Exception as err:  # a run of hours does not end in the report's stack trace
        logger.debug("the report was not made", exc_info=True)
        expected = isinstance(err, FusionDriveError | OSError)
        said = str(err) if expected else f"{type(err).__name__}: {err}"
        print(f"no report: {said}; to try again: fusiondrive report {folder}", file=sys.stderr)
        return
    print(f"report: {options.file}", file=sys.stderr)
    if config.open and is_watched():
        open_page(options.file)


def is_watched() -> bool:
    """Whether somebody at this machine started the command: a terminal, and a screen."""
    return sys.stdin.isatty() and sys.stderr.isatty() and has_display() and not _is_far_away()


def open_page(file: Path) -> None:
    """Show a page in the user's browser; where there is none, its printed path has to do."""
    try:
        browser = webbrowser.get()
        # Of exactly this type are browsers in the terminal, which would not give it back.
        if type(browser) is not webbrowser.GenericBrowser or os.environ.get("BROWSER"):
            browser.open(file.absolute().as_uri())
    except (webbrowser.Error, OSError) as err:
        logger.debug("no browser: %s", err)


def _is_far_away() -> bool:
    """Whether the screen is that of another machine than the terminal."""
    return "SSH_CONNECTION" in os.environ and "DISPLAY" not in os.environ
