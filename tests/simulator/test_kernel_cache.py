"""Compiled kernels never outlive the sources that they were made of."""

import ast
import errno
import os
import re
from pathlib import Path

import numba
import pytest

from simulator.system.home import temporary_folder
from simulator.system.kernel_cache import NAME, PACKAGE, SOURCES, cache_folder, sources_hash

DECORATORS = re.compile(r"\b(njit|jit|vectorize|guvectorize|kernel|small|inlined|compiled)\b(\(|$)")


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
    monkeypatch.setattr("simulator.system.kernel_cache.is_writable", lambda _: False)
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


def kernels_of(tree: ast.Module) -> list[ast.FunctionDef]:
    """Functions that numba compiles: those under one of our decorators or numba's own."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(DECORATORS.search(ast.unparse(one)) for one in node.decorator_list)
    ]


def imported_names(tree: ast.Module) -> dict[str, Path]:
    """Names that a file imports from files of the simulator."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("simulator"):
            base = PACKAGE.parent / str(node.module).replace(".", "/")
            for alias in node.names:
                inner = base / f"{alias.name}.py"
                file = inner if inner.is_file() else base.with_suffix(".py")
                found[alias.asname or alias.name] = file if file.is_file() else base / "__init__.py"
    return found


def uncovered(path: Path, known: set[Path]) -> list[str]:
    """What of a file's kernels is compiled from files that are not known."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kernels, names = kernels_of(tree), imported_names(tree)
    used = {one.id for kernel in kernels for one in ast.walk(kernel) if isinstance(one, ast.Name)}
    outside = sorted(name for name in used & set(names) if names[name] not in known)
    return [*outside, *([path.name] if kernels and path not in known else [])]


def test_every_file_with_kernels_or_their_constants_is_among_the_sources() -> None:
    known = {path for pattern in SOURCES for path in PACKAGE.glob(pattern)}
    files = list(PACKAGE.rglob("*.py"))
    assert sum(len(kernels_of(ast.parse(path.read_text()))) for path in files) > 80
    assert {path.name: uncovered(path, known) for path in files if uncovered(path, known)} == {}


def test_numba_is_used_through_known_decorators_alone() -> None:
    importers = {
        p for p in PACKAGE.rglob("*.py") if re.search(r"^(from|import) numba", p.read_text(), re.M)
    }
    without = {p.name for p in importers if not kernels_of(ast.parse(p.read_text()))}
    assert without == {"jit.py", "kernel.py", "kernel_cache.py"}


def test_a_constant_from_elsewhere_would_be_found() -> None:
    known = {path for pattern in SOURCES for path in PACKAGE.glob(pattern)}
    trees = PACKAGE / "raycast" / "trees.py"
    assert uncovered(trees, known - {PACKAGE / "raycast" / "layout.py"})
    assert uncovered(trees, known - {trees}) == ["trees.py"]


def test_numba_uses_it() -> None:
    assert Path(numba.config.CACHE_DIR).name == NAME + sources_hash()
