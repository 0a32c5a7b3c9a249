"""Rows as pandas reads them: ids stay texts, missing stays missing, old rows are still read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import results
from fusiondrive.errors import ConfigError
from harness.checks import pick_route
from results.frame import column_types, to_frame, to_rows
from results.row import LETTERS, EpisodeRow
from results.store import RowStore
from results.table import cells_csv, write_tables
from scenarios.spec import RouteSpec
from tests.results.test_store import row

HOSTILE: dict[str, Any] = {  # what pandas and Excel would read as numbers
    "route_id": "00",
    "route_digest": "4512e9876543",
    "policy_weights": "001234567890",
    "fuser_weights": "12e999999999",
}
SHOWN = {
    "route_id": "r00",
    "route_digest": "h4512e9876543",
    "policy_weights": "h001234567890",
    "fuser_weights": "h12e999999999",
}


def driven(**changes: Any) -> EpisodeRow:
    return replace(row(**changes), reached_2m=True, collisions=3, completion=0.5)


def write(folder: Path, rows: Sequence[EpisodeRow]) -> Path:
    with RowStore(folder) as store:
        for item in rows:
            store.append(item)
    return folder


def write_old(folder: Path, rows: Sequence[EpisodeRow]) -> Path:
    """As versions did that knew no letters and no parquet."""
    folder.mkdir()
    lines = [json.dumps(asdict(item)) + "\n" for item in rows]
    (folder / "rows.jsonl").write_text("".join(lines))
    return folder


def first(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, object]:
    return {name: frame[name].iloc[0] for name in names}


def test_every_column_of_a_row_has_a_type_of_its_own() -> None:
    assert "object" not in column_types().values()


def test_ids_and_hashes_stay_texts_whatever_reads_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", [row(**HOSTILE)])
    loaded = results.load(folder)
    loaded.to_csv(tmp_path / "rows.csv", index=False)
    frames = [
        loaded,
        pd.read_json(folder / "rows.jsonl", lines=True),
        pd.read_parquet(folder / "rows.parquet"),
        pd.read_csv(tmp_path / "rows.csv"),
    ]
    for frame in frames:
        assert first(frame, list(SHOWN)) == SHOWN
        assert frame["identity"].iloc[0] == "h" + row(**HOSTILE).identity


def test_a_row_comes_back_without_its_letters(tmp_path: Path) -> None:
    for item in (row(**HOSTILE), row(route_id="r00", policy_weights="none"), row(route_id="")):
        assert EpisodeRow.from_dict(item.to_dict()) == item
        assert EpisodeRow.from_dict(asdict(item)) == item


@pytest.mark.parametrize(
    ("commit", "shown"),
    [
        ("12e345678901", "g12e345678901"),
        ("1a+changes", "g1a+changes"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_a_commit_stays_a_text_and_is_no_part_of_the_identity(commit: str, shown: str) -> None:
    item = replace(row(), commit=commit)
    assert item.to_dict()["commit"] == shown
    assert EpisodeRow.from_dict(item.to_dict()) == item
    assert item.identity == row().identity


def test_a_run_folder_of_old_goes_on_and_is_loaded_alike(tmp_path: Path) -> None:
    rows = [row(**HOSTILE), row(**{**HOSTILE, "route_id": "r01"})]
    old = write_old(tmp_path / "old", rows)
    with RowStore(old) as store:
        assert store.rows() == rows
        assert store.done() == {item.identity for item in rows}
        store.append(row(seed=5))
    assert list(results.load(old)["route_id"]) == ["r00", "rr01", "r00"]


def test_missing_stays_missing_and_counts_stay_whole(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", [driven(), row("sim_error", seed=1)])
    for path in (folder, folder / "rows.parquet"):
        frame = results.load(path)
        kinds = [str(frame[name].dtype) for name in ("reached_2m", "collisions", "completion")]
        assert kinds == ["boolean", "Int64", "Float64"]
        assert frame["reached_2m"].tolist() == [True, pd.NA]
        assert frame["collisions"].sum() == 3
        assert frame["completion"].mean() == 0.5
        assert frame["error"].tolist() == ["", ""]


def test_folder_jsonl_and_parquet_give_the_same(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", [driven(), row("sim_error"), row(seed=2**31 - 1)])
    frame = results.load(str(folder))
    assert len(frame) == 2  # one for each episode: the driven one replaces the error
    pd.testing.assert_frame_equal(results.load(folder / "rows.jsonl"), frame)
    pd.testing.assert_frame_equal(results.load(folder / "rows.parquet"), frame)
    frame.to_parquet(tmp_path / "mine.parquet")
    pd.testing.assert_frame_equal(results.load(tmp_path / "mine.parquet"), frame)


def test_several_runs_are_told_apart(tmp_path: Path) -> None:
    folders = [write(tmp_path / name, [row()]) for name in ("a", "b")]
    frame = results.load(folders)
    assert list(frame["run"]) == [str(folder) for folder in folders]
    assert frame["identity"].nunique() == 1


def test_a_parquet_that_would_lack_a_row_is_gone(tmp_path: Path) -> None:
    write(tmp_path, [row()])
    with RowStore(tmp_path) as store:
        store.append(row(seed=1))
        assert not (tmp_path / "rows.parquet").exists()
    assert len(results.load(tmp_path / "rows.parquet")) == 2


def test_no_rows_make_no_parquet(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    assert results.load(tmp_path).empty


def test_a_parquet_that_cannot_be_written_costs_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write(tmp_path, [row()])
    monkeypatch.setattr("results.frame.write_parquet", full)
    write(tmp_path, [row(seed=1)])
    assert "the rows are written, their copy is not: " in caplog.text
    assert not (tmp_path / "rows.parquet").exists()
    assert len(results.load(tmp_path)) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "absent: no such file or folder; expected a run's folder"),
        ("runs", r"expected rows\.jsonl of a run in it.*it holds the runs one: give these"),
        ("empty", r"expected rows\.jsonl of a run in it, found none"),
        ("table.csv", r"table\.csv: expected a run's folder, a rows\.jsonl or a rows\.parquet"),
        ("foreign.jsonl", "expected rows of harness.run, found none"),
        ("broken.parquet", "not readable as parquet"),
        ("other.parquet", "found no column 'identity'"),
    ],
)
def test_what_holds_no_rows_is_one_clear_error(tmp_path: Path, name: str, message: str) -> None:
    write(tmp_path / "runs/one", [row()])
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.csv").write_text("a,b\n")
    (tmp_path / "foreign.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 broken")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ConfigError, match=message):
        results.load(tmp_path / name)


def test_an_empty_list_of_runs_is_named() -> None:
    with pytest.raises(ConfigError, match="found an empty list"):
        results.load([])


def test_hashes_of_the_csv_table_stay_texts() -> None:
    text = cells_csv([row(**HOSTILE, fuser="student", input="fused")])
    frame = pd.read_csv(io.StringIO(text))
    assert first(frame, ["policy_weights", "fuser_weights"]) == {
        name: SHOWN[name] for name in ("policy_weights", "fuser_weights")
    }


@pytest.mark.parametrize(("policy", "has_mark"), [("expert", False), ("straße:Ü", True)])
def test_a_csv_table_beyond_ascii_is_marked_for_excel(
    tmp_path: Path, policy: str, has_mark: bool
) -> None:
    write_tables([row(policy=policy)], tmp_path, [])
    assert (tmp_path / "table.csv").read_bytes().startswith(b"\xef\xbb\xbf") is has_mark
    assert pd.read_csv(tmp_path / "table.csv")["policy"].tolist() == [policy]
    with (tmp_path / "table.csv").open(encoding="utf-8-sig") as file:
        assert next(csv.DictReader(file))["backend"] == "embedded"


def test_a_route_is_found_by_the_id_that_rows_show() -> None:
    routes = [RouteSpec(name, "Town02", ()) for name in ("00", "03", "r7", "7")]
    assert pick_route(routes, LETTERS["route_id"] + "03").route_id == "03"
    assert pick_route(routes, "r3").route_id == "03"
    assert pick_route(routes, "r7").route_id == "r7"
    assert pick_route(routes, "rr7").route_id == "r7"
    assert pick_route(routes, "7").route_id == "7"


def test_rows_come_back_from_a_frame_whole() -> None:
    rows = [driven(**HOSTILE), row("sim_error", seed=1)]
    assert to_rows(to_frame(rows)) == rows
