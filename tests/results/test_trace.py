"""Traces: columns are declared once, files of old are read, broken ones are one line."""

from __future__ import annotations

import re
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import results
from fusiondrive.errors import ConfigError
from results.columns import documented
from results.run_folder import TRACES
from results.store import RowStore
from results.trace import REQUIRED, TraceRow, load_trace, to_frame
from tests.results.test_store import row

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/records.md").read_text(encoding="utf-8")
BLANK: dict[str, Any] = {"int": 0, "float": 0.0, "bool": False, "str": ""}
VALUES: dict[str, Any] = {item.name: BLANK.get(str(item.type)) for item in fields(TraceRow)}
STEP = TraceRow(**VALUES)


def write(path: Path, *steps: TraceRow) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    to_frame([asdict(step) for step in steps]).to_parquet(path, index=False)
    return path


def test_the_page_names_every_column_as_it_is_declared() -> None:
    for name, doc in documented(TraceRow).items():
        assert f"| `{name}` | {doc} |" in PAGE
    table = PAGE.split("|---|---|\n")[1].split("\n\n")[0]
    assert len(table.splitlines()) == len(documented(TraceRow))


def test_what_is_missing_stays_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", STEP, replace(STEP, perceived_mps=4.5))
    frame = load_trace(path)
    assert frame["perceived_mps"].isna().tolist() == [True, False]
    assert frame["hash_thermal"].isna().all()


def test_a_trace_of_old_is_read_without_its_later_columns(tmp_path: Path) -> None:
    path = tmp_path / "old.parquet"
    pd.DataFrame([asdict(STEP)])[list(REQUIRED)].to_parquet(path, index=False)
    assert list(load_trace(path)) == list(REQUIRED)


def test_some_columns_are_read_where_they_are_there(tmp_path: Path) -> None:
    path = tmp_path / "old.parquet"
    pd.DataFrame([asdict(STEP)])[list(REQUIRED)].to_parquet(path, index=False)
    assert list(load_trace(path, ("wall_step_ms", "steer", "x"))) == ["x", "steer"]
    pd.DataFrame({"steer": [0.0]}).to_parquet(path)
    with pytest.raises(ConfigError, match="found no column 'x'"):
        load_trace(path, ("steer", "x"))


def test_a_trace_that_is_cut_off_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", STEP)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ConfigError, match=r"t\.parquet: expected the steps of a drive") as caught:
        load_trace(path)
    assert "\n" not in str(caught.value)


def test_another_parquet_file_is_no_trace(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ConfigError, match="found no column 'step'"):
        load_trace(tmp_path / "t.parquet")


def test_a_run_without_traces_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected the traces of a run, found none"):
        results.load_traces(tmp_path)


@pytest.mark.parametrize(
    "code", re.findall(r"```python\n(.*?)```", PAGE, re.S), ids=lambda code: code.splitlines()[2]
)
def test_a_documented_question_has_an_answer(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with RowStore(tmp_path / "runs/fog") as store:
        store.append(replace(row(), outcome="collision", arm="dehaze"))
        (kept,) = store.rows()
    steps = [
        replace(STEP, step=n, forward_speed_mps=8.0, perceived_mps=7.0, wall_policy_ms=5.0,
                identity=f"h{kept.identity}")
        for n in range(30)
    ]  # fmt: skip
    write(tmp_path / "runs/fog" / TRACES / "x.parquet", *steps)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "dehaze" in capsys.readouterr().out
