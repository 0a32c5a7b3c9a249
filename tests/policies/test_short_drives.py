from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from policies.cilrs import SHIPPED_WEIGHTS
from policies.training.short_drives import DriveCheck, drive_apart, main, together


def test_the_other_process_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        drive_apart(tmp_path / "none.pth", DriveCheck("Town02", 1))


def test_no_drives_are_no_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SHIPPED_WEIGHTS), "--drives", "0"]) == 2
    assert "--drives: expected at least 1, found 0" in capsys.readouterr().err


def test_towns_count_by_their_drives() -> None:
    numbers = together(
        [
            {"drives": 1, "drive_success": 0.0, "drive_m": 40.0},
            {"drives": 3, "drive_success": 1.0, "drive_m": 200.0},
        ]
    )
    assert numbers["drives"] == 4
    assert numbers["drive_success"] == 0.75
    assert numbers["drive_m"] == 160.0
    assert numbers["interval"] == [0.3006, 0.9544]  # Wilson's formula by hand, z = 1.96


@pytest.mark.slow
def test_shipped_weights_drive_for_a_while() -> None:
    numbers = drive_apart(SHIPPED_WEIGHTS, DriveCheck("Town02", 2))
    assert numbers["drives"] == 2
    assert numbers["drive_success"] == 1.0
    assert numbers["drive_m"] > 100.0
