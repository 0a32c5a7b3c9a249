"""Workers that draw poses: their shares, their progress, and what their deaths end in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fusiondrive.errors import ConfigError, SimulatorError
from harness.perception.crew import guarded, work_off
from harness.supervision import EXIT_BAD_INPUT, EXIT_SIMULATOR, Pulse

pytestmark = pytest.mark.heavy


def write(folder: Path, towns: Sequence[str], counter: Any, pulse: Pulse) -> int:
    """A worker that leaves a file for each town."""

    def go(beat: Any) -> None:
        for town in towns:
            (folder / town).touch()
            beat()

    return guarded(go, counter, pulse)


def refuse(folder: Path, towns: Sequence[str], counter: Any, pulse: Pulse) -> int:
    """A worker that cannot do what is asked."""
    return EXIT_BAD_INPUT


def fail(folder: Path, towns: Sequence[str], counter: Any, pulse: Pulse) -> int:
    """A worker whose simulator dies each time."""
    return EXIT_SIMULATOR


def test_workers_share_the_towns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work_off(write, tmp_path, ["a", "b", "c"], workers=2, total=3)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "c"}
    assert "3 of 3 pictures" in capsys.readouterr().err


def test_nothing_to_draw_starts_nobody(tmp_path: Path) -> None:
    work_off(fail, tmp_path, [], workers=2, total=0)


def test_bad_input_of_a_worker_ends_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be drawn as asked"):
        work_off(refuse, tmp_path, ["a"], workers=1, total=1)


def test_workers_that_die_again_and_again_end_the_command(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="workers died 4 times, last: exit code 3"):
        work_off(fail, tmp_path, ["a"], workers=1, total=1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SimulatorError("gone"), EXIT_SIMULATOR),
        (ConfigError("no"), EXIT_BAD_INPUT),
        (OSError("no"), EXIT_BAD_INPUT),
    ],
)
def test_errors_become_exit_codes(error: Exception, code: int) -> None:
    def go(beat: Any) -> None:
        raise error

    assert guarded(go, None, Pulse()) == code
