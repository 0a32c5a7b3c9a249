"""The numbers of the policies in training, from the rows that are published."""

from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
ROWS = pd.read_parquet(ROOT / "results/published/policies_validation.parquet", engine="fastparquet")
HAZARDS = pd.read_parquet(
    ROOT / "results/published/policies_validation_hazards.parquet", engine="fastparquet"
)
AGAIN = pd.read_parquet(
    ROOT / "results/published/policies_validation_round2.parquet", engine="fastparquet"
)
PAGE = " ".join((ROOT / "docs/policies.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("weights", ["hec445bfe1c6b", "h216cbac913df", "h05ed10f8430f"])
def test_the_page_says_what_the_rows_say_of_drives_among_hazards(weights: str) -> None:
    rows = ROWS[(ROWS["policy_weights"] == weights) & (ROWS["hazards"] != "")]
    met = HAZARDS[HAZARDS["identity"].isin(rows["identity"]) & HAZARDS["is_met"].astype(bool)]
    avoided = len(met) - int(met["was_hit"].sum())
    successes = int((rows["outcome"] == "success").sum())
    line = PAGE[PAGE.index(f"(`{weights[1:]}`)") :][:130]
    assert f"{successes} of {len(rows)}:" in line
    assert f"{avoided} of {len(met)}:" in line


def test_the_page_says_what_the_rows_say_of_the_second_round() -> None:
    assert AGAIN["policy_weights"].nunique() == 2
    for weights, rows in AGAIN.groupby("policy_weights"):
        successes, met = int((rows["outcome"] == "success").sum()), int(rows["hazards_met"].sum())
        avoided = met - int(rows["hazards_hit"].sum())
        line = PAGE[PAGE.index(f"(`{str(weights)[1:]}`)") :][:150]
        assert f"{successes} of {len(rows)}:" in line
        assert f"{avoided} of {met}:" in line


def test_the_page_says_what_the_rows_say_of_drives_without_hazards() -> None:
    rows = ROWS[(ROWS["hazards"] == "") & (ROWS["policy_weights"] == "h216cbac913df")]
    successes = int((rows["outcome"] == "success").sum())
    assert f"| {successes} of {len(rows)}: 94 % [84, 98] |" in PAGE
