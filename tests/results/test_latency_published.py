"""What the docs say of success against latency stands in the published rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import results

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/results.md").read_text(encoding="utf-8")
LINES = {
    "": "| none |", "real": "| `real` (", "100": "| 100 ms |", "200": "| 200 ms |",
    "300": "| 300 ms |", "500": "| 500 ms |",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return results.load(ROOT / "results/published/latency_town02.parquet")


@pytest.mark.parametrize("latency", LINES)
def test_a_line_says_what_its_rows_say(rows: pd.DataFrame, latency: str) -> None:
    driven = rows[rows["latency"].fillna("") == latency]
    (line,) = (text for text in PAGE.splitlines() if text.startswith(LINES[latency]))
    _, delay, success, collision, lane, _ = (cell.strip() for cell in line.split("|"))
    won = int((driven["outcome"] == "success").sum())
    assert success.startswith(f"{won} of {len(driven)} ")
    hit = 100.0 * float((driven["outcome"] == "collision").mean())
    assert collision == f"{hit:.0f} %"
    per_km = driven["lane_infractions"].sum() / (driven["distance_m"].sum() / 1000.0)
    assert lane == f"{per_km:.2f}"
    if latency == "real":
        assert f"{driven['latency_ms'].mean():.1f} ms in the mean" in delay
    assert all(f"`{commit[1:]}`" in PAGE for commit in set(driven["commit"]))
