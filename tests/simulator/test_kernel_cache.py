"""Compiled kernels never outlive the sources that they were made of."""

import errno
import os
from pathlib import Path

import numba
import pytest

from simulator.home import temporary_folder
from simulator.kernel_cache import NAME, PACKAGE, SOURCES, cache_folder, sources_hash


def test_a_change_of_any_kernel_file_gives_another_folder(tmp_path: Path) -> None:
    (tmp_path / "physics").mkdir()
    source = tmp_path / "physics" / "motion.py"
    source.write_text("RATE = 1")
    first = cache_folder(tmp_path)
    first.mkdir(parents=True)
    assert cache_folder(tmp_path) == first
    assert first.is_dir()
    source.write_text("RATE = 2")
    assert cache_folder(tmp_path) != first
    assert not first.exists(), "what is out of date goes"


def test_the_users_choice_of_a_folder_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    assert cache_folder(tmp_path).parent == tmp_path / "chosen"


def test_a_package_and_a_home_that_are_read_only_leave_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr("simulator.kernel_cache.is_writable", lambda _: False)
    assert cache_folder(tmp_path).parent == temporary_folder()


def test_a_full_disk_costs_no_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", _no_room)
    double = numba.njit(cache=True)(_double)
    assert double(4) == 8


def _no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _double(x: int) -> int:
    return 2 * x


def test_every_file_with_kernels_is_among_the_sources() -> None:
    known = {path for pattern in SOURCES for path in PACKAGE.glob(pattern)}
    marks = ("njit", "@kernel", "@compiled", "@k.compiled")
    found = {p for p in PACKAGE.rglob("*.py") if any(mark in p.read_text() for mark in marks)}
    assert len(found) > 10
    assert found <= known | {PACKAGE / "kernel_cache.py"}


def test_numba_uses_it() -> None:
    assert Path(numba.config.CACHE_DIR).name == NAME + sources_hash()
