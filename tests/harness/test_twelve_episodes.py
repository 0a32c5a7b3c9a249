"""Twelve fixed episodes give the rows that were committed: driving has not changed unnoticed.

Rows are compared to the byte on the kind of processor that made them, in every column that was
committed; columns that came later are not. Another kind may round a network's output in the last
digit, so there outcomes must be equal and numbers close.
After a wanted change: `python -m tests.harness.test_twelve_episodes`, and say in the commit why.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).with_name("twelve_episodes.json")
# What differs between machines, versions or commits and says nothing of driving.
LEFT_OUT = ("identity", "package_version", "commit")
RUNS: dict[str, tuple[str, ...]] = {
    "towns": (
        *("--town", "Town02", "Town03", "--weather", "clear", "fog"),
        *("--input", "rgb", "fused", "--fuser", "oracle", "--routes", "1"),
    ),
    "night": (
        *("--town", "Town02", "--weather", "night", "--input", "thermal", "fused"),
        *("--fuser", "average", "--route", "03"),
    ),
    "traffic": (
        *("--town", "Town03", "--weather", "wet", "--input", "rgb", "--policy", "expert"),
        *("--traffic", "10+10", "--routes", "2"),
    ),
}


def processor() -> str:
    """The instruction sets that numbers depend on."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if sys.platform == "linux" else ""
    known = [name for name in ("avx2", "avx512f", "avx512_bf16") if f" {name}" in flags]
    return " ".join([platform.machine(), *known])


def drive(name: str, out: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "harness.run", *RUNS[name], "--out", str(out)]
    subprocess.run([*command, "--no-trace"], check=True, capture_output=True, timeout=900)
    lines = (out / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        {
            key: value
            for key, value in row.items()
            if key not in LEFT_OUT and not key.startswith("wall_")
        }
        for row in rows
    ]


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_the_rows_are_those_that_were_committed(name: str, tmp_path: Path) -> None:
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    rows = drive(name, tmp_path)
    if processor() == kept["processor"]:
        assert [
            {key: row[key] for key in expected}
            for row, expected in zip(rows, kept["rows"][name], strict=True)
        ] == kept["rows"][name]
        return
    for row, expected in zip(rows, kept["rows"][name], strict=True):
        assert row["outcome"] == expected["outcome"]
        assert row["completion"] == pytest.approx(expected["completion"], abs=0.02)
        assert row["distance_m"] == pytest.approx(expected["distance_m"], rel=0.02)


def test_there_are_twelve_episodes() -> None:
    kept = json.loads(FILE.read_text(encoding="utf-8"))["rows"]
    assert sum(map(len, kept.values())) == 12
    assert set(kept) == set(RUNS)


def write(folder: Path) -> None:
    """Drive all twelve and keep their rows."""
    rows = {name: drive(name, folder / name) for name in RUNS}
    text = json.dumps({"processor": processor(), "rows": rows}, indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        write(Path(folder))
