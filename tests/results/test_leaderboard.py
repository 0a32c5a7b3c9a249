"""The leaderboard of fusers: what is joined, how metrics agree, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fusiondrive.errors import ConfigError
from results.counterfactuals import TYPES, write_rows
from results.leaderboard import (
    CAME,
    PEDAL,
    RATED_TYPES,
    Seen,
    agreement_table,
    leaders,
    leaders_table,
    rated_table,
    read_rated,
)
from tests.results.test_counterfactuals import USUAL, row

ARMS = {"rgb": 0.0, "average": 0.2, "oracle": 0.5}  # how hard each brakes where 0.5 is needed
VALUES = {"rgb": 3.0, "average": 2.0, "oracle": 1.0}


def acted(poses: int = 4) -> pd.DataFrame:
    rows = [row(pose, arm, brake) for arm, brake in ARMS.items() for pose in range(poses)]
    return pd.DataFrame(rows).astype(TYPES)


def rated(**changes: Any) -> pd.DataFrame:
    rows = [
        {**row(pose, arm, 0.0), "EN:rounded": value, "SF:flat": 1.0, **changes}
        for arm, value in VALUES.items()
        for pose in range(4)
    ]
    types = RATED_TYPES | {"EN:rounded": "float64", "SF:flat": "float64"}
    return pd.DataFrame(rows)[list(types)].astype(types)


def seen(**changes: Any) -> Seen:
    values = {("fog", arm): {"AP person": value / 10, "mIoU": None} for arm, value in ARMS.items()}
    made = Seen({str(USUAL["pose_set"])}, dict.fromkeys(ARMS, "none"), values)
    return made._replace(**changes)


def test_arms_are_sorted_by_what_the_driver_needs() -> None:
    found = leaders(acted(), rated(), None)
    assert {item.arm: item.needs[PEDAL] for item in found} == {
        "rgb": 0.5,
        "average": pytest.approx(0.3),
        "oracle": 0.0,
    }
    assert [item.needs[CAME] for item in found] == [0.0, 1.0, 1.0]
    assert [line[2] for line in leaders_table(found).body] == ["oracle", "average", "rgb"]


def test_a_metric_that_ranks_against_the_driver_is_told() -> None:
    table = agreement_table(leaders(acted(), rated(), seen()))
    lines = {line[3]: dict(zip(table.header[4:], line[4:], strict=True)) for line in table.body}
    assert lines["EN:rounded"][PEDAL].startswith("-1.00")
    assert lines["EN:rounded"]["AP person"].startswith("-1.00")
    assert lines["EN:rounded"]["mIoU"] == ""  # never measured
    assert lines["SF:flat"][PEDAL] == ""  # the same for every arm


def test_metrics_are_means_over_pictures_with_intervals_over_drives() -> None:
    frame = rated()
    frame.loc[frame["arm"] == "rgb", "EN:rounded"] = [1.0, 1.0, 3.0, 3.0]  # two drives
    line = rated_table(frame, ["EN:rounded"]).body[0]
    assert line == ("fog", "rgb", "4", "2.000 [1.000, 3.000]")


@pytest.mark.parametrize(
    ("poses", "rate", "perceive", "expected"),
    [
        (4, {"pose_set": "other"}, {}, "several pose sets"),
        (4, {}, {"pose_sets": {"other"}}, "several pose sets"),
        (4, {"arm_weights": "other"}, {}, "has other weights"),
        (4, {"level": "night"}, {}, "3 arms or more that are in all rows, found 0: none"),
        (3, {}, {}, "answers to 3 poses, metrics of 4"),
    ],
)
def test_rows_that_do_not_belong_together_are_refused(
    poses: int, rate: dict[str, Any], perceive: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        leaders(acted(poses), rated(**rate), seen(**perceive))


def test_rows_of_another_step_are_refused(tmp_path: Path) -> None:
    write_rows(acted(), tmp_path / "rows.parquet")
    with pytest.raises(ConfigError, match=r"harness\.perception rate, found no metric"):
        read_rated(tmp_path)
    with pytest.raises(
        ConfigError, match=r"no such file; expected rows of harness\.perception rate"
    ):
        read_rated(tmp_path / "none")
