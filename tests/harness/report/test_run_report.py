"""The report that a run ends with: when it is made, what its failure costs, when it is opened."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.config import RunConfig
from harness.report import command
from harness.run_report import report_on
from tests.harness.report.made_up import made_rows, write_rows

WAIT_S = 60.0
SCRIPT = """
import sys
from pathlib import Path
from harness.config import RunConfig
from harness.run_report import report_on
report_on(RunConfig(suite="quick", out=Path(sys.argv[1]), open=sys.argv[2] == "open"))
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "run", made_rows())


@pytest.mark.parametrize(
    ("settings", "is_made"),
    [
        ({"suite": "quick"}, True),
        ({"suite": "quick", "report": False}, False),
        ({}, False),
        ({"report": True}, True),
    ],
)
def test_a_suite_ends_with_a_report_and_a_plain_run_with_one_where_it_is_asked_for(
    run: Path, settings: dict[str, object], is_made: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    report_on(RunConfig(out=run, **settings))  # type: ignore[arg-type]
    assert (run / "report.html").is_file() == is_made
    assert capsys.readouterr().err == (f"report: {run}/report.html\n" if is_made else "")


def test_rows_that_cannot_be_reported_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_on(RunConfig(out=write_rows(tmp_path / "run", []), report=True))
    told = capsys.readouterr().err
    assert told.startswith("no report: ")
    assert told.endswith(f"; to try again: fusiondrive report {tmp_path}/run\n")
    assert told.count("\n") == 1


def test_a_fault_of_the_report_is_one_line_too(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> str:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(command, "whole_file", fail)
    report_on(RunConfig(out=run, report=True))
    told = capsys.readouterr().err
    assert told.startswith("no report: ZeroDivisionError: float division by zero; to try again")
    assert told.count("\n") == 1


def opened(run: Path, tmp_path: Path, *, flag: str, terminal: bool, **variables: str) -> str:
    """The address that the user's browser, a script here, was called with; empty if it was not."""
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}.part && mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    away = ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION")
    kept = {name: value for name, value in os.environ.items() if name not in away}
    outer, inner = pty.openpty()
    ends = {"stdin": inner, "stderr": inner} if terminal else {"stdin": subprocess.DEVNULL}
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(run), flag],
        env={**kept, "BROWSER": str(browser), **variables},
        check=True,
        **ends,  # type: ignore[call-overload]
    )
    os.close(inner)
    os.close(outer)
    until = time.monotonic() + (WAIT_S if terminal and variables and flag == "open" else 0.5)
    while not seen.is_file() and time.monotonic() < until:
        time.sleep(0.05)
    return seen.read_text().strip() if seen.is_file() else ""


@pytest.mark.heavy
def test_the_report_opens_at_a_terminal_with_a_screen(run: Path, tmp_path: Path) -> None:
    found = opened(run, tmp_path, flag="open", terminal=True, DISPLAY=":9")
    assert found == (run / "report.html").as_uri()


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("flag", "terminal", "variables"),
    [
        ("no-open", True, {"DISPLAY": ":9"}),
        ("open", False, {"DISPLAY": ":9"}),
        ("open", True, {}),
    ],
)
def test_nothing_opens_unasked_or_unseen(
    run: Path, tmp_path: Path, flag: str, terminal: bool, variables: dict[str, str]
) -> None:
    assert opened(run, tmp_path, flag=flag, terminal=terminal, **variables) == ""
    assert (run / "report.html").is_file()
