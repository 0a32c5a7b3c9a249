"""Fusers judged by what a driver needs, beside the usual metrics of fusion, and whether they agree.

It takes rows of `act`, of `rate` and, where they are given, of `perceive`, on the same poses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag
from fusiondrive.files import check_folder
from harness.perception.perceived import TYPES, measure
from perceivers.kinds import KINDS
from results.counterfactuals import read_rows
from results.grid import write_markdown
from results.leaderboard import Seen, agreement_table, leaders, leaders_table, read_rated
from results.terminal import show


@dataclass(frozen=True, kw_only=True)
class LeaderboardOptions:
    """Options of `leaderboard`."""

    act: Annotated[Path, Flag("folder or rows.parquet of harness.perception act", "PATH")]
    rate: Annotated[Path, Flag("the same of harness.perception rate", "PATH")]
    perceive: Annotated[Path | None, Flag("the same of harness.perception perceive", "PATH")] = None
    out: Annotated[Path | None, Flag("folder of leaderboard.md", "DIR")] = None


def run(options: LeaderboardOptions, words: list[str]) -> str:
    """Print the leaderboard and how far the metrics agree with it.

    Args:
        options: of the command.
        words: not looked at.

    Raises:
        ConfigError: rows are missing, of other poses or weights, or fewer than three arms are in
            all of them.
    """
    if options.out is not None:
        check_folder(options.out, flag="--out")
    found = leaders(read_rows(options.act), read_rated(options.rate), _seen(options.perceive))
    tables = [leaders_table(found), agreement_table(found)]
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        write_markdown(tables, options.out / "leaderboard.md")
    show(tables)
    return ""


def _seen(path: Path | None) -> Seen | None:
    if path is None:
        return None
    frame = read_rows(path, TYPES, "perceive")
    values = {
        (item.setting.level, item.arm): {
            **{f"AP {kind}": item.ap[kind].value for kind in KINDS},
            "mIoU": item.miou.value,
        }
        for item in measure(frame)
    }
    weights = {str(row.arm): str(row.arm_weights) for row in frame.itertuples()}
    return Seen(set(frame["pose_set"]), weights, values)
