"""A disk that takes no more: one error for every kind, and nothing half-written."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fusiondrive.errors import OutputError
from fusiondrive.files import whole_file
from harness import launch


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """As `ulimit -f`: no file of this process grows beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_whole_file_takes_its_place_and_leaves_no_draft(tmp_path: Path) -> None:
    with whole_file(tmp_path / "new" / "a.txt") as draft:
        draft.write_text("all of it")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    with (
        pytest.raises(OutputError, match=r"a\.bin cannot be written"),
        files_up_to(4096),
        whole_file(path) as draft,
    ):
        draft.write_bytes(bytes(10_000))
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("kind", ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EIO"])
def test_a_disk_that_says_so_late_is_heard(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = getattr(errno, kind)

    def fails(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OutputError, match=os.strerror(number)), whole_file(tmp_path / "a") as draft:
        draft.write_text("x")
    assert not list(tmp_path.iterdir())


def test_a_file_system_that_cannot_sync_still_gets_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fails)
    with whole_file(tmp_path / "a.txt") as draft:
        draft.write_text("x")
    assert (tmp_path / "a.txt").read_text() == "x"


def test_a_name_of_255_bytes_has_a_draft(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + ".json")
    with whole_file(path) as draft:
        draft.write_text("{}")
    assert path.is_file()


@pytest.mark.server
def test_a_run_on_a_full_disk_stops_with_one_line(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = launch.command("harness.run", "--town", "Town02", "--policy", "expert", "--video")
    with files_up_to(30_000):
        done = subprocess.run(
            [*command, "--routes", "2", "--out", str(out)], capture_output=True, text=True
        )
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "cannot be written: File too large" in last
    assert (out / "rows.jsonl").read_bytes() == b""
    assert not list(out.glob("videos/*"))
    assert not list(out.glob("videos/.*"))
