"""The commit that is named is that of this source; hashes are SHA-256, cut."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import fusiondrive
from fusiondrive import errors
from fusiondrive.errors import ConfigError
from fusiondrive.provenance import (
    UNKNOWN,
    bytes_hash,
    file_hash,
    source_commit,
    source_hash,
    text_hash,
)

NAMED = "from fusiondrive.provenance import source_commit; print(source_commit())"


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def named(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", NAMED], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    """Somebody's repository in which this package lies, untracked yet."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(fusiondrive.__file__).parent, folder / "fusiondrive", ignore=ignored)
    (folder / "harness").mkdir()
    (folder / "harness/run.py").write_text("")
    (folder / "mine.txt").write_text("mine")
    git(folder, "init", "-q")
    git(folder, "add", "mine.txt")
    git(folder, "commit", "-qm", "mine")
    return folder


def test_this_checkout_has_a_commit() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}(\+changes)?|unknown", source_commit())


def test_a_repository_that_does_not_track_the_package_is_not_named(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    assert named(folder) == UNKNOWN
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    assert named(folder) == git(folder, "rev-parse", "--short=12", "HEAD")


def test_a_change_of_any_package_is_told(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    (folder / "harness/run.py").write_text("changed = True")
    assert named(folder) == git(folder, "rev-parse", "--short=12", "HEAD") + "+changes"


def test_asking_writes_nothing_into_the_repository(tmp_path: Path) -> None:
    """Before, one that was killed while it asked left a lock, and no commit could be made."""
    folder = repository(tmp_path)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    before = (folder / ".git/index").read_bytes()
    os.utime(folder / "harness/run.py", (0, 0))
    assert named(folder) == git(folder, "rev-parse", "--short=12", "HEAD")
    assert (folder / ".git/index").read_bytes() == before


def test_hashes_are_the_first_digits_of_sha_256(tmp_path: Path) -> None:
    expected = hashlib.sha256(b"abc").hexdigest()[:12]
    assert text_hash("abc") == bytes_hash([b"a", b"bc"]) == expected
    (tmp_path / "a").write_bytes(b"ab")
    (tmp_path / "b").write_bytes(b"c")
    assert file_hash(tmp_path / "a", tmp_path / "b") == expected


def test_the_source_of_a_class_is_its_file() -> None:
    assert source_hash(ConfigError) == file_hash(Path(errors.__file__))
    assert source_hash(int) == "none"
