from pathlib import Path

import numba
import pytest

from sensors import radiometry
from sensors.kernel import CACHE_NAME, cache_folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.py").write_text("y = 1\n")
    return tmp_path


def folder_of(package: Path) -> Path:
    return cache_folder.__wrapped__(package)


def test_a_change_in_any_file_makes_a_new_folder_and_removes_the_old_one(package: Path) -> None:
    before = folder_of(package)
    before.mkdir()
    assert folder_of(package) == before
    (package / "b.py").write_text("y = 2\n")
    assert folder_of(package) != before
    assert not before.exists()


def test_the_users_choice_of_a_folder_wins(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(package / "chosen"))
    assert folder_of(package).parent == package / "chosen" / "sensors"


def test_kernels_are_kept_there_and_other_packages_keep_their_own_place() -> None:
    path = getattr(radiometry.radiate, "stats").cache_path  # noqa: B009  mypy sees a plain function
    assert CACHE_NAME in path
    assert str(cache_folder()) in path
    assert str(numba.config.CACHE_DIR) != str(cache_folder())
