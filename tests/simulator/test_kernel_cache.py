"""Compiled kernels never outlive the sources that they were made of."""

from pathlib import Path

import numba

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


def test_every_file_with_kernels_is_among_the_sources() -> None:
    known = {path for pattern in SOURCES for path in PACKAGE.glob(pattern)}
    marks = ("njit", "@kernel", "@compiled", "@k.compiled")
    found = {p for p in PACKAGE.rglob("*.py") if any(mark in p.read_text() for mark in marks)}
    assert len(found) > 10
    assert found <= known | {PACKAGE / "kernel_cache.py"}


def test_numba_uses_it() -> None:
    assert Path(numba.config.CACHE_DIR).name == NAME + sources_hash()
