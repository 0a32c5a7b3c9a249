"""A metric is declared once; row, parquet, CSV and printed table follow from it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fusiondrive.parquet import read_frame
from fusiondrive.types import ActorKind
from harness.criteria import EventKind
from harness.messages import Driven
from harness.rows import driven_row
from harness.scoring import NOTHING_DRIVEN, Outcome, Score
from results.columns import Aggregate, Over, counted, measured, metric, metrics_of
from results.frame import write_parquet
from results.hazards import HazardRecord
from results.row import EpisodeRow
from results.table import cells_csv, make_tables
from tests.results.test_store import IDENTITY

ROOT = Path(__file__).parents[2]
SCORE = Score(
    Outcome.SUCCESS,
    completion=1.0,
    distance_m=500.0,
    collisions={**dict.fromkeys(ActorKind, 0), ActorKind.VEHICLE: 2, ActorKind.STATIC: 1},
    counts={**dict.fromkeys(EventKind, 0), EventKind.RED_LIGHT: 3, EventKind.BLOCKED: 1},
)


@dataclass(frozen=True)
class Extended(EpisodeRow):
    """A row with one more metric: this declaration is all that it takes."""

    stands: int | None = metric(
        "times that the car stood in the way",
        counted("blocked"),
        Aggregate("stands_per_km", Over.KM, "stands / km", digits=1),
    )


def row_of(kind: type[EpisodeRow], score: Score, seed: int = 0) -> EpisodeRow:
    return driven_row(
        replace(IDENTITY, seed=seed),
        Driven(score, 10, 0, 0, 1.0, None),
        route_length_m=500.0,
        fuser_label="none",
        attempts=1,
        server_rss_mb=None,
        finished="",
        kind=kind,
    )


def test_a_declared_column_is_in_row_parquet_csv_and_table(tmp_path: Path) -> None:
    rows = [row_of(Extended, SCORE), row_of(Extended, replace(SCORE, counts=no_events()), 1)]
    assert [row.to_dict()["stands"] for row in rows] == [1, 0]
    assert list(rows[0].to_dict())[:-1] == list(row_of(EpisodeRow, SCORE).to_dict())
    assert Extended.from_dict(rows[0].to_dict()) == rows[0]
    write_parquet(rows, tmp_path / "rows.parquet")
    column = read_frame(tmp_path / "rows.parquet")["stands"]
    assert (str(column.dtype), column.tolist()) == ("Int64", [1, 0])
    (line,) = csv.DictReader(io.StringIO(cells_csv(rows)))
    assert float(line["stands_per_km"]) == pytest.approx(1.0)
    table = make_tables(rows)[0]
    assert table.body[0][table.header.index("stands / km")] == "1.0"


def no_events() -> dict[EventKind, int]:
    return dict.fromkeys(EventKind, 0)


def test_each_column_takes_its_number_from_the_score() -> None:
    found = measured(EpisodeRow, SCORE)
    assert found["red_lights"] == 3
    assert (found["collisions"], found["collisions_vehicle"], found["collisions_other"]) == (
        3,
        2,
        0,
    )
    assert (found["completion"], found["distance_m"], found["reached_2m"]) == (1.0, 500.0, False)


def test_nothing_driven_is_zero_in_every_column_but_those_of_hazards_and_latency() -> None:
    found = measured(EpisodeRow, NOTHING_DRIVEN)
    assert [found.pop(name) for name in ("hazards_met", "hazards_hit", "latency_ms")] == [None] * 3
    assert set(found.values()) == {0}


def test_hazards_are_counted_where_there_were_to_be_some() -> None:
    met, hit = HazardRecord(0, "a", 9.0, True), HazardRecord(1, "b", 99.0, True, was_hit=True)
    found = measured(EpisodeRow, replace(SCORE, hazards=(met, hit, HazardRecord(2, "c", 180.0))))
    assert (found["hazards_met"], found["hazards_hit"]) == (2, 1)


def test_old_columns_stand_where_they_stood() -> None:
    names = list(row_of(EpisodeRow, SCORE).to_dict())
    first = names.index("reached_2m")
    assert names[first : first + 16] == [
        *("reached_2m", "reached_5m", "reached_10m", "completion", "driving_score", "distance_m"),
        *("duration_s", "collisions", "collisions_vehicle", "collisions_pedestrian"),
        *("collisions_static", "collisions_other", "lane_infractions", "off_road", "wrong_way"),
        "lane_crossings",
    ]
    header = cells_csv([row_of(EpisodeRow, SCORE)]).splitlines()[0].split(",")
    assert header[header.index("lane_per_route") :] == [
        *("lane_per_route", "lane_per_km", "off_road_per_km", "wrong_way_per_km"),
        *("crossings_per_km", "outside_m_per_km", "red_lights_per_route", "driving_score"),
        *("completion", "hazards_hit_per_route", "km", "outcomes"),
    ]


def test_the_documentation_names_every_metric_as_it_is_declared() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for item in metrics_of(EpisodeRow):
        assert f"| `{item.name}` | {item.doc} |" in text
