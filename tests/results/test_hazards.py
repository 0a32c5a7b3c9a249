"""Rows of hazards: they come back as written, and make a table with the episodes' rows."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from fusiondrive.errors import ConfigError
from results.hazard_table import hazard_table
from results.hazards import (
    HAZARDS_NAME,
    HAZARDS_PARQUET,
    HazardRecord,
    HazardRow,
    append_hazards,
    hazards_beside,
    read_hazards,
    read_parquet,
    write_parquet,
)
from results.store import RowStore
from tests.results.test_store import row

HIT = HazardRecord(
    0, "ParkedObstacle", 87.5, True, 30.2, None, True, 9.1, 0.4, 9.7, 11.6, 0.5
)  # fmt: skip
AVOIDED = replace(HIT, number=1, was_hit=False, impact_mps=None, braked_m=25.0, min_ttc_s=2.0)
NOT_MET = HazardRecord(2, "ParkedObstacle", 180.0)


def rows(identity: str = "aa") -> list[HazardRow]:
    return [HazardRow(identity, item) for item in (HIT, AVOIDED, NOT_MET)]


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    append_hazards(tmp_path, rows())
    assert read_hazards(tmp_path / HAZARDS_NAME) == rows()
    write_parquet(rows(), tmp_path / HAZARDS_PARQUET)
    assert read_parquet(tmp_path / HAZARDS_PARQUET) == rows()


def test_a_torn_line_is_left_out_and_a_hazard_written_twice_counts_once(tmp_path: Path) -> None:
    append_hazards(tmp_path, rows())
    with (tmp_path / HAZARDS_NAME).open("a") as file:
        file.write('{"identity": "haa", "num')
    changed = replace(HIT, was_hit=False)
    append_hazards(tmp_path, [HazardRow("aa", changed)])
    found = read_hazards(tmp_path / HAZARDS_NAME)
    assert [item.record for item in found] == [changed, AVOIDED, NOT_MET]


def test_a_store_keeps_the_hazards_of_driven_episodes(tmp_path: Path) -> None:
    driven = row()
    with RowStore(tmp_path) as store:
        append_hazards(tmp_path, rows("dd"))  # of an episode that was never finished
        store.append_driven(driven, rows(driven.identity))
        assert store.hazards() == rows(driven.identity)
    frame = pd.read_parquet(tmp_path / HAZARDS_PARQUET)
    assert frame["was_hit"].tolist() == [True, False, False]
    assert frame["seen_m"].isna().tolist() == [False, False, True]
    assert hazards_beside(tmp_path / "rows.jsonl")[0].record == HIT


def test_the_table_counts_hazards_that_acted() -> None:
    driven = row()
    table = hazard_table([driven], rows(driven.identity))
    assert table is not None
    (line,) = table.body
    found = dict(zip(table.header, line, strict=True))
    assert (found["hazard"], found["n"], found["hit %"]) == ("ParkedObstacle", "2", "50.0 [9, 91]")
    assert (found["seen, m"], found["braked, m"], found["TTC, s"]) == ("30", "25.0", "1.2")
    assert found["transmission"] == "0.50"
    assert hazard_table([driven], ()) is None


@pytest.mark.parametrize(
    ("name", "values", "column", "shown"),
    [
        ("policy_weights", ("aa", "bb"), "policy", ["cilrs (aa)", "cilrs (bb)"]),
        ("fuser_weights", ("aa", "bb"), "arm", ["oracle (aa)", "oracle (bb)"]),
    ],
)
def test_weights_of_one_name_are_never_mixed(
    name: str, values: tuple[str, str], column: str, shown: list[str]
) -> None:
    seen = row(input="fused", fuser="oracle", policy="cilrs")
    driven = [replace(seen, identity=text, **{name: text}) for text in values]  # type: ignore[arg-type]
    table = hazard_table(driven, [item for one in driven for item in rows(one.identity)])
    assert table is not None
    assert [line[table.header.index(column)] for line in table.body] == shown
    assert [line[table.header.index("n")] for line in table.body] == ["2", "2"]


def test_a_row_with_an_unknown_column_is_refused() -> None:
    with pytest.raises(ValueError, match="not a hazard's row"):
        HazardRow.from_dict({**rows()[0].to_dict(), "colour": "red"})


def test_a_copy_that_was_cut_off_is_one_line_and_stays(tmp_path: Path) -> None:
    write_parquet(rows(), tmp_path / HAZARDS_PARQUET)
    whole = (tmp_path / HAZARDS_PARQUET).read_bytes()
    (tmp_path / HAZARDS_PARQUET).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match="not readable as parquet, perhaps cut off") as caught:
        read_parquet(tmp_path / HAZARDS_PARQUET)
    assert "\n" not in str(caught.value)
    assert (tmp_path / HAZARDS_PARQUET).read_bytes() == whole[: len(whole) // 2]
