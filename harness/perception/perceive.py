"""Ask the frozen detector and segmenter what they find in every arm's picture of the same poses."""

from __future__ import annotations

import pandas as pd

from fusiondrive.files import check_folder
from fusiondrive.provenance import source_commit
from harness.perception.acting import check_looks
from harness.perception.asking import answered, ask
from harness.perception.perceive_options import PerceiveOptions
from harness.perception.perceived import TYPES
from harness.perception.perceived_table import perceived_tables
from harness.perception.poses import read_poses
from results.counterfactuals import write_rows
from results.grid import write_markdown
from results.terminal import show


def run(options: PerceiveOptions, words: list[str]) -> str | int:
    """Look, and print tables; what was looked at before is not looked at again.

    Args:
        options: of the command.
        words: not looked at.
    """
    check_folder(options.out, flag="--out")
    found, asked, commit = read_poses(options.poses), options.asked(), source_commit()
    check_looks([("the detector", asked.perceiver.looks)], asked.arms, found)
    ask(options, asked, found)
    levels, clear = answered(options, asked, found, commit)
    # The clear day is the ceiling, and a level like any other where it was asked for as such.
    parts = [levels] if "clear" in options.level else [clear, levels]
    frame = pd.concat(parts, ignore_index=True)
    write_rows(frame, options.out / "rows.parquet", TYPES)
    tables = perceived_tables(frame, options.cluster)
    write_markdown(tables, options.out / "table.md")
    show(tables)
    return ""
