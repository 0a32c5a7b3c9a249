"""Ask frozen policies what they would do on every arm's picture of the same poses."""

from __future__ import annotations

import pandas as pd

from fusiondrive.files import check_folder
from fusiondrive.provenance import source_commit
from harness.perception.act_options import ActOptions
from harness.perception.acting import check_looks
from harness.perception.asking import answered, ask
from harness.perception.poses import read_poses
from harness.perception.tables import write_tables
from results.counterfactuals import write_rows


def run(options: ActOptions, words: list[str]) -> str | int:
    """Ask, and print tables; what was answered before is not asked again.

    Args:
        options: of the command.
        words: not looked at.
    """
    check_folder(options.out, flag="--out")
    found, asked, commit = read_poses(options.poses), options.asked(), source_commit()
    looks = [(f"policy '{item.name}'", item.looks) for item in asked.policies]
    check_looks(looks, asked.arms, found)
    ask(options, asked, found)
    frame = beside_clear(*answered(options, asked, found, commit))
    write_rows(frame, options.out / "rows.parquet")
    write_tables(frame, options.out, options.cluster)
    return ""


def beside_clear(frame: pd.DataFrame, clear: pd.DataFrame) -> pd.DataFrame:
    """Answers with the same policy's answer to the clear-day picture of the same pose."""
    keys = ["pose", "policy", "policy_weights"]
    own = clear[[*keys, "steer", "throttle", "brake"]].rename(
        columns={name: f"clear_{name}" for name in ("steer", "throttle", "brake")}
    )
    return frame.merge(own, on=keys, validate="many_to_one")
