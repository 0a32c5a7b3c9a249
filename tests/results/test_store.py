"""Rows on disk: whole lines, resume by identity, tolerance of a torn end."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import results
from fusiondrive.errors import ConfigError, OutputError
from harness.scoring import Outcome
from results.hazards import HazardRecord, HazardRow
from results.identity import Identity
from results.reading import read_rows
from results.row import OUTCOMES, EpisodeRow
from results.store import RowStore

IDENTITY = Identity(
    package_version="1",
    backend="embedded",
    look=1,
    simulator_version="0.9.16",
    map="authored:0123456789ab",
    town="Town02",
    route_id="00",
    route_digest="r",
    weather="fog",
    input="rgb",
    fuser="none",
    fuser_weights="none",
    policy="expert",
    policy_weights="none",
    traffic="empty",
    collision_mode="stop",
    seed=0,
)


def row(outcome: str = "success", **changes: object) -> EpisodeRow:
    identity = replace(IDENTITY, **changes)  # type: ignore[arg-type]
    return EpisodeRow(
        identity=identity.digest(),
        **vars(identity),
        route_length_m=100.0,
        fuser_label="none",
        outcome=outcome,
    )


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    with RowStore(tmp_path) as store:
        store.append(row())
        store.append(row(seed=1))
        assert store.rows() == [row(), row(seed=1)]
        assert store.done() == {row().identity, row(seed=1).identity}


def test_a_torn_last_line_is_left_out_and_the_next_row_is_whole(tmp_path: Path) -> None:
    with RowStore(tmp_path) as store:
        store.append(row())
        store.append(row(seed=1))
        path = store.path
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    with RowStore(tmp_path) as store:
        assert store.done() == {row().identity}
        store.append(row(seed=2))
        assert store.done() == {row().identity, row(seed=2).identity}


def test_a_simulator_error_is_driven_again_and_then_replaced(tmp_path: Path) -> None:
    with RowStore(tmp_path) as store:
        store.append(row("sim_error"))
        assert store.done() == set()
        store.append(row("collision"))
        store.append(row("sim_error"))
        assert [item.outcome for item in store.rows()] == ["collision"]


def test_rows_know_every_outcome() -> None:
    assert tuple(outcome.value for outcome in Outcome) == OUTCOMES


def test_an_agent_error_is_a_result(tmp_path: Path) -> None:
    with RowStore(tmp_path) as store:
        store.append(row("agent_error"))
        store.append(row("sim_error"))
        assert store.done() == {row().identity}
        assert [item.outcome for item in store.rows()] == ["agent_error"]


def test_one_directory_has_one_writer(tmp_path: Path) -> None:
    with RowStore(tmp_path), pytest.raises(ConfigError, match="another run"):
        RowStore(tmp_path)


def test_a_file_system_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("results.store.fcntl.flock", no_locks)
    with RowStore(tmp_path) as store:
        store.append(row())
    assert read_rows(store.path) == [row()]
    assert "has no locks (No locks available)" in caplog.text


def test_a_full_disk_takes_no_part_of_a_row_and_later_the_whole(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with RowStore(tmp_path) as store:
        store.append(row())
        before = store.path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, hard))
        try:
            with pytest.raises(OutputError, match=r"rows.jsonl cannot be written"):
                store.append(row(seed=1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert store.path.read_bytes() == before
        store.append(row(seed=1))
        assert store.rows() == [row(), row(seed=1)]


def test_a_foreign_column_is_not_read_as_a_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"identity": "x", "color": 1}\n')
    assert read_rows(path) == []


@pytest.mark.parametrize("name", list(vars(IDENTITY)))
def test_every_ingredient_changes_the_identity(name: str) -> None:
    other = 7 if name == "seed" else "other"
    assert replace(IDENTITY, **{name: other}).digest() != IDENTITY.digest()  # type: ignore[arg-type]


def test_a_run_goes_on_from_its_copies_in_parquet(tmp_path: Path) -> None:
    met = HazardRow(row().identity, HazardRecord(0, "ParkedObstacle", 80.0, is_met=True))
    with RowStore(tmp_path / "run") as store:
        store.append_driven(row(), [met])
        store.append(row(seed=1))
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("rows.parquet", "hazards.parquet"):
        shutil.copy(tmp_path / "run" / name, kept)
    with RowStore(kept) as store:
        assert store.done() == {row().identity, row(seed=1).identity}
        assert store.hazards() == [met]
        store.append(row(seed=2))
        assert store.rows() == [row(), row(seed=1), row(seed=2)]
    assert len(results.load(kept / "rows.parquet")) == 3


def test_copies_that_cannot_be_read_stop_a_run_before_it_drives(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ConfigError, match="not readable as parquet"):
        RowStore(tmp_path)
    assert (tmp_path / "rows.parquet").is_file()
