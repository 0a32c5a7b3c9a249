"""What the docs say of the first rows with a trained detector stands in the published rows."""

from __future__ import annotations

from pathlib import Path

from results.track_command import read_track_rows
from results.track_gains import gain_table

ROOT = Path(__file__).parents[2]
ROWS = ROOT / "results/published/track_perceiver_round1.parquet"
PAGE = (ROOT / "docs/track-tests.md").read_text(encoding="utf-8")


def test_the_page_says_what_the_rows_say() -> None:
    rows = read_track_rows(ROWS)
    at_half = [row for row in rows if row.thermal in ("", "fog_ratio=0.5")]
    for weather in ("clear", "night:glare", "night:headlights", "night+fog:60", "fog:40", "fog:25"):
        line = next(
            text
            for text in PAGE.splitlines()
            if text.startswith((f"| {weather} ", f"| `{weather}` "))
        )
        said = [cell.replace("*", "").split("(")[0].strip() for cell in line.split("|")[2:7]]
        for arm, cell in zip(
            ("rgb", "dehaze", "thermal", "oracle", "oracle_rgb"), said, strict=True
        ):
            driven = [
                row.outcome == "avoided"
                for row in at_half
                if (row.weather, row.arm) == (weather, arm) and row.outcome in ("avoided", "hit")
            ]
            assert cell.split(" of ")[0] == str(sum(driven)), (weather, arm)
            assert " of " not in cell or cell.split(" of ")[1] == str(len(driven))
    table = gain_table(rows)
    assert f"all {len(table.body)} comparisons" in PAGE
    for weather in ("night:glare", "night:headlights"):
        (gain,) = (
            dict(zip(table.header, line, strict=True))
            for line in table.body
            if line[0] == weather and line[2] == "infrared"
        )
        adjusted = float(gain["p (Holm)"])
        assert f"{adjusted:g}" in PAGE
        assert gain["points [95 %]"] in PAGE
        assert gain["arm : other"] in PAGE


def test_everything_that_drove_is_in_the_repository() -> None:
    from fusiondrive.provenance import file_hash

    rows = read_track_rows(ROWS)
    files = {file_hash(path) for path in (ROOT / "recipes").rglob("*_round1.onnx")}
    learnt = {row.fuser_weights for row in rows if row.arm in ("oracle", "oracle_rgb")}
    assert learnt <= files
    assert {row.detector_weights for row in rows} <= files
