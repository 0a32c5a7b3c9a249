"""Checks of this machine; none starts a server."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from fusiondrive.client import ClientMissing
from fusiondrive.errors import ConfigError
from fusiondrive.home import is_writable
from harness import launch
from harness.doctor.finding import Finding
from harness.probe import CARLA_VERSION, PORT_RANGE, find_free_port

DISTRIBUTION = "fusiondrive"
PYTHONS = ((3, 10), (3, 13))  # from, and below; as in pyproject.toml
NEEDED_DISK_GB = 1.0  # a run of some hundred drives with traces
NEEDED_MEMORY_GB = 1.5  # a server and a client of one worker, with room for the compiler
KERNELS_LIMIT_S = 60.0
FLAGS = ("avx2", "avx512f", "avx512_bf16")  # on which the last digit of networks depends


def examine(folder: Path) -> Iterator[Finding]:
    """All checks of this machine.

    Args:
        folder: where results are to go.
    """
    yield python()
    yield packages()
    yield client()
    yield processor()
    yield memory()
    yield disk(folder)
    yield kernels()
    yield ports()


def python(found: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """The interpreter's version."""
    least, below = PYTHONS
    is_ok = least <= found[:2] < below
    expected = f"expected {_dotted(least)} or later, below {_dotted(below)}: install one of these"
    return Finding("python", is_ok, _dotted(found), "" if is_ok else expected)


def packages(wanted: Callable[[], list[str] | None] | None = None) -> Finding:
    """Whether everything that the package depends on is installed."""
    try:
        lines = (wanted or (lambda: requires(DISTRIBUTION)))() or []
    except PackageNotFoundError:
        return Finding("packages", False, "the package is not installed", "pip install -e .")
    # What follows a semicolon is a platform or an extra; the client has a check of its own.
    names = [re.split(r"[ <>=!~\[(]", line)[0] for line in lines if ";" not in line]
    missing = [name for name in names if _version_of(name) is None]
    if missing:
        advice = f"pip install {' '.join(missing)}"
        return Finding("packages", False, f"not installed: {', '.join(missing)}", advice)
    return Finding("packages", True, f"all {len(names)} that the core needs")


def client() -> Finding:
    """CARLA's client, and whether it is of the version that is driven."""
    try:
        import carla  # noqa: F401  it may fail in the loader, whatever is installed
    except ClientMissing as err:
        return Finding("client", False, str(err))
    except ImportError as err:
        return Finding("client", False, f"carla cannot be loaded: {err}",
                       f"pip install --force-reinstall carla=={CARLA_VERSION}")  # fmt: skip
    found = _version_of("carla")
    if found != CARLA_VERSION:
        return Finding("client", False, f"carla {found}", f"pip install carla=={CARLA_VERSION}")
    return Finding("client", True, f"carla {found}")


def processor(flags: str | None = None) -> Finding:
    """Cores, and the instruction sets on which equal rows depend."""
    known = [name for name in FLAGS if f" {name}" in (_cpu_flags() if flags is None else flags)]
    sets = " ".join(known) or "no known instruction sets"
    text = f"{os.cpu_count()} cores, {platform.machine()} with {sets}"
    return Finding("processor", True, f"{text}; rows repeat to the byte where these are the same")


def memory(available_gb: float | None = None) -> Finding:
    """Memory that is available now."""
    found = _available_gb() if available_gb is None else available_gb
    if found is None:
        return Finding("memory", True, "this system does not say how much is free")
    is_ok = found >= NEEDED_MEMORY_GB
    advice = f"one worker needs {NEEDED_MEMORY_GB:g} GB: end something else"
    return Finding("memory", is_ok, f"{found:.1f} GB available", "" if is_ok else advice)


def disk(folder: Path, free_gb: float | None = None) -> Finding:
    """Room and the right to write where results go."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not is_writable(there):
        return Finding("disk", False, f"{there} cannot be written", "give --out another folder")
    found = shutil.disk_usage(there).free / 1e9 if free_gb is None else free_gb
    is_ok = found >= NEEDED_DISK_GB
    advice = f"a run takes up to {NEEDED_DISK_GB:g} GB: make room, or give --out another folder"
    return Finding("disk", is_ok, f"{found:.1f} GB free in {there}", "" if is_ok else advice)


def kernels() -> Finding:
    """Where the embedded server keeps its compiled kernels; without them each start takes long."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and not is_writable(Path(chosen)):
        return Finding("kernels", False, f"NUMBA_CACHE_DIR={chosen} cannot be written",
                       "unset it, or name a folder that can be")  # fmt: skip
    command = launch.command("simulator.system.kernel_cache")
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=KERNELS_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding("kernels", False, f"no answer within {KERNELS_LIMIT_S:g} s", "try again")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Finding("kernels", False, f"the embedded server cannot be loaded: {last}",
                       "pip install --force-reinstall numba llvmlite")  # fmt: skip
    return Finding("kernels", True, done.stdout.strip())


def ports() -> Finding:
    """Two neighbouring free ports, as a server takes them."""
    try:
        port = find_free_port()
    except ConfigError as err:
        return Finding("ports", False, str(err), "end servers that nobody needs")
    first, last = PORT_RANGE
    return Finding("ports", True, f"free ones in {first} to {last}, such as {port}")


def _version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _cpu_flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        return ""


def _available_gb() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return None
    found = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if found is None else int(found) * 1024 / 1e9
