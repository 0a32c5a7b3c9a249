"""The sheet of arms: what it refuses before a server starts, and one line of it drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from harness import arm_sheet
from harness.arm_sheet import BAR, TILE
from scenarios.weather import preset


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sheet.txt"], "expected a .jpg, .jpeg, .png, found sheet.txt"),
        (["sheet.png", "--weather", "fgo:80"], "unknown weather 'fgo:80'"),
        (["sheet.png", "--hazards", "Moose"], "unknown hazard 'Moose'; known: "),
        (["sheet.png", "--arms", "rgb", "dehaz"], "unknown arm 'dehaz'"),
        (["sheet.png", "--arms", "clear"], "arm 'clear': expected one that makes its picture"),
        (["sheet.png", "--arms", "oracle:swapped"], "arm 'oracle:swapped': expected one that"),
        (["sheet.png", "--arms", "restored"], "arm 'restored'"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_before_a_server_starts(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(arm_sheet, "Simulation", pytest.fail)
    assert arm_sheet.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_every_weather_of_the_sheet_is_one() -> None:
    ranges = [preset(name).range_m for name in arm_sheet.LEVELS]
    assert len(set(arm_sheet.LEVELS)) == len(ranges) > 10


@pytest.mark.slow
@pytest.mark.server
def test_a_line_has_a_picture_of_each_arm(tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    assert arm_sheet.main([str(file), "--weather", "fog:40", "--arms", "rgb", "thermal"]) == 0
    sheet = cv2.imread(str(file))
    assert sheet is not None
    width, height = TILE
    assert sheet.shape == (2 * BAR + height, 2 * width, 3)
    visible, thermal = sheet[2 * BAR :, :width], sheet[2 * BAR :, width:]
    assert np.ptp(thermal, axis=2).max() == 0  # grey
    assert np.ptp(visible, axis=2).max() > 10
