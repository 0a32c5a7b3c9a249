"""The usual metrics of image fusion on every arm's picture of the same poses."""

from __future__ import annotations

from fusiondrive.files import check_folder
from fusiondrive.provenance import source_commit
from harness.perception.acting import check_looks
from harness.perception.asking import answered, ask
from harness.perception.poses import read_poses
from harness.perception.rate_options import RateOptions
from results.counterfactuals import write_rows
from results.grid import write_markdown
from results.leaderboard import RATED_TYPES, rated_table
from results.terminal import show


def run(options: RateOptions, words: list[str]) -> str | int:
    """Rate, and print a table; what was rated before is not rated again.

    Args:
        options: of the command.
        words: not looked at.
    """
    check_folder(options.out, flag="--out")
    found, asked, commit = read_poses(options.poses), options.asked(), source_commit()
    check_looks([], asked.arms, found)
    ask(options, asked, found)
    frame, _ = answered(options, asked, found, commit)
    titles = [item.title for item in asked.chosen]
    write_rows(frame, options.out / "rows.parquet", RATED_TYPES | dict.fromkeys(titles, "float64"))
    tables = [rated_table(frame, titles)]
    write_markdown(tables, options.out / "table.md")
    show(tables)
    return ""
