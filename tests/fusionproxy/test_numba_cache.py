"""Compiled functions where there is no room or no place to keep them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numba
import pytest

from fusionproxy.numba_cache import ForgivingCache, kept


def double(x: int) -> int:
    return 2 * x


def test_machine_code_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert kept(double)(4) == 8
    assert list(tmp_path.rglob("*double*.nbi"))


def test_a_full_disk_costs_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("numba.core.caching.FunctionCache.save_overload", no_room)
    assert kept(double)(4) == 8
    assert "No space left on device" in caplog.text


def test_without_any_folder_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object) -> None:
        raise RuntimeError("cannot cache function 'double': no locator available")

    monkeypatch.setattr(ForgivingCache, "__init__", nowhere)
    assert kept(double)(4) == 8
