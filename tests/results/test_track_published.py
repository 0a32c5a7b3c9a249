"""What the docs say of rows with a trained detector stands in the published rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusiondrive.provenance import file_hash
from results.track_command import read_track_rows
from results.track_gains import gain_table

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results/published"
PAGE = (ROOT / "docs/track-tests.md").read_text(encoding="utf-8")
ARMS = ("rgb", "dehaze", "thermal", "oracle", "oracle_rgb")
NIGHT = ("night:glare", "night:headlights")


@pytest.mark.parametrize(
    ("round_", "title", "weathers"),
    [
        (
            "round1",
            "## First rows with a trained detector",
            ("clear", *NIGHT, "night+fog:60", "fog:40", "fog:25"),
        ),
        ("round2", "## Second rows: both cameras and today's brake", ("clear", "night:glare")),
    ],
)
def test_the_page_says_what_the_rows_say(
    round_: str, title: str, weathers: tuple[str, ...]
) -> None:
    section = PAGE.split(f"{title}\n")[1].split("\n## ")[0]
    rows = read_track_rows(PUBLISHED / f"track_perceiver_{round_}.parquet")
    at_half = [row for row in rows if row.thermal in ("", "fog_ratio=0.5")]
    for weather in weathers:
        starts = (f"| {weather} ", f"| `{weather}` ")
        line = next(text for text in section.splitlines() if text.startswith(starts))
        said = [cell.replace("*", "").split("(")[0].strip() for cell in line.split("|")[2:7]]
        for arm, cell in zip(ARMS, said, strict=True):
            driven = [
                row.outcome == "avoided"
                for row in at_half
                if (row.weather, row.arm) == (weather, arm) and row.outcome in ("avoided", "hit")
            ]
            assert cell.split(" of ")[0] == str(sum(driven)), (weather, arm)
            assert " of " not in cell or cell.split(" of ")[1] == str(len(driven))
    table = gain_table(rows)
    assert f"all {len(table.body)} comparisons" in section
    for weather in set(NIGHT) & set(weathers):
        (gain,) = (
            dict(zip(table.header, line, strict=True))
            for line in table.body
            if line[0] == weather and line[2] == "infrared"
        )
        adjusted = float(gain["p (Holm)"])
        assert f"{adjusted:g}" in section
        assert gain["points [95 %]"] in section
        assert gain["arm : other"] in section


@pytest.mark.parametrize("round_", ["round1", "round2"])
def test_everything_that_drove_is_in_the_repository(round_: str) -> None:
    rows = read_track_rows(PUBLISHED / f"track_perceiver_{round_}.parquet")
    files = {file_hash(path) for path in (ROOT / "recipes").rglob("*_round?.onnx")}
    learnt = {row.fuser_weights for row in rows if row.arm in ("oracle", "oracle_rgb")}
    assert learnt <= files
    assert {row.detector_weights for row in rows} <= files
