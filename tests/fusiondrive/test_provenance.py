"""The commit of a result is that of our source, or unknown; never somebody else's."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

from fusiondrive import provenance
from fusiondrive.provenance import UNKNOWN, source_commit


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def copy_into(folder: Path) -> ModuleType:
    """Our module as if its package lay in the folder."""
    file = folder / "fusiondrive/provenance.py"
    file.parent.mkdir(parents=True)
    shutil.copy(provenance.__file__, file)
    spec = importlib.util.spec_from_file_location("copied_provenance", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_this_checkout_has_a_commit() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}(\+changes)?|unknown", source_commit())


def test_a_package_below_somebodys_repository_is_not_of_its_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "theirs.py").write_text("")
    git(tmp_path, "add", "theirs.py")
    git(tmp_path, "commit", "-qm", "x")
    assert copy_into(tmp_path / "venv/site-packages").source_commit() == UNKNOWN


def test_a_change_of_a_file_is_named(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    module = copy_into(tmp_path)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "x")
    assert re.fullmatch("[0-9a-f]{12}", module.source_commit())
    (tmp_path / "fusiondrive/provenance.py").write_text("# other\n")
    assert module.source_commit().endswith("+changes")
