"""Rows that several wrote: put into the order of the plan, and read while they are written."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from results.hazards import HazardRecord, HazardRow
from results.reading import arranged, complete_rows
from results.row import EpisodeRow
from results.store import RowStore
from tests.results.test_store import row as made_up


def row(identity: str) -> EpisodeRow:
    return replace(made_up(), identity=identity)


def line(identity: str, note: str = "") -> bytes:
    return json.dumps({"identity": f"h{identity}", "note": note}).encode() + b"\n"


def test_lines_of_a_plan_stand_in_its_order_after_all_others() -> None:
    foreign = b"{torn\n"
    data = line("c") + line("x") + line("a") + foreign + line("b")
    assert arranged(data, ["a", "b", "c"]) == (
        line("x") + foreign + line("a") + line("b") + line("c")
    )


def test_an_error_stays_before_the_drive_that_replaced_it() -> None:
    data = line("b") + line("a", "sim_error") + line("a", "driven")
    expected = line("a", "sim_error") + line("a", "driven") + line("b")
    assert arranged(data, ["a", "b"]) == expected


def test_what_is_in_order_stays_byte_for_byte() -> None:
    data = b"\n" + line("a") + b"\n" + line("b")[:-1]
    assert arranged(data, ["a", "b"]) == data


def test_a_store_that_was_arranged_takes_rows_and_is_still_locked(tmp_path: Path) -> None:
    names = ["b", "a", "c"]
    with RowStore(tmp_path) as store:
        for name in names:
            hazards = [HazardRow(name, HazardRecord(0, "Kind", 1.0))]
            store.append_driven(row(name), hazards)
        store.arrange(["a", "b", "c"])
        with pytest.raises(ConfigError, match="another run is writing"):
            RowStore(tmp_path)
        store.append(row("d"))
        assert [item.identity for item in store.rows()] == ["a", "b", "c", "d"]
        assert [item.identity for item in store.hazards()] == ["a", "b", "c"]


def test_a_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    assert complete_rows(EpisodeRow, path, 0) == ([], 0)
    data = json.dumps(row("a").to_dict()).encode() + b"\n"
    path.write_bytes(data + data[:20])
    rows, read = complete_rows(EpisodeRow, path, 0)
    assert ([item.identity for item in rows], read) == (["a"], len(data))
    with path.open("ab") as file:
        file.write(data[20:])
        os.fsync(file.fileno())
    rows, read = complete_rows(EpisodeRow, path, read)
    assert (len(rows), read) == (1, 2 * len(data))
    assert complete_rows(EpisodeRow, path, read) == ([], read)
