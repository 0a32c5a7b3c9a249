"""Proves rows: drives a fixed sample of their episodes again, and compares every number.

python -m harness.prove results/published/fog_controls.parquet
python -m harness.prove runs/quick --sample 0

The sample goes through all cells in turn and is the same for the same rows and seed. An episode is
proved if its identity (maps, weights, settings, versions) is the same here and the new drive equals
its row in every column but wall-clock ones. The exit code is 1 if one of them is not.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.errors import ConfigError
from fusiondrive.provenance import file_hash, text_hash
from harness.replay.kept import KeptEpisode, find_episode
from harness.replay.options import ServerOptions
from harness.replay.redrive import Redrive, StepBar
from harness.replay.verify import row_difference
from results.cells import scene_text
from results.frame import load_frame, to_rows
from results.grid import Table
from results.row import LETTERS, EpisodeRow
from results.terminal import show
from scenarios.latency import REAL

DIFFERENT = 1  # exit code
HEADER = ("episode", "town", "route", "weather", "scene", "policy", "arm", "found")
EQUAL = "equal"


@dataclass(frozen=True, kw_only=True)
class Options(ServerOptions):
    """Options of this command."""

    rows: Annotated[Path, Flag("folder of a run, or a file with rows", "ROWS", ("rows",))]
    sample: Annotated[int, Flag("so many episodes; 0 takes all", at_least=0)] = 12
    seed: Annotated[int, Flag("of the sample", at_least=0)] = 0
    weights: Annotated[
        tuple[Path, ...],
        Flag("files among which policies and students are found by their hash", "FILE"),
    ] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 1 where an episode is not proved."""
    return exit_code(lambda: run(parse(Options, arguments, "harness.prove", __doc__)))


def run(options: Options) -> int:
    """Drive the sample again and print what was found; returns the exit code.

    Raises:
        ConfigError: there are no such rows, or a file is missing.
        SimulatorError: a server died or did not answer.
    """
    rows = [row for row in to_rows(load_frame(options.rows)) if can_be_proved(row)]
    if not rows:
        raise ConfigError(
            f"{options.rows} has no rows to prove: expected drives that ended, with a latency that "
            "is not that of the wall clock"
        )
    files = {file_hash(path): path for path in map(_there, options.weights)}
    chosen, body = sample(rows, options.sample or len(rows), options.seed), []
    for number, row in enumerate(chosen, 1):
        found = proved(with_weights(find_episode(options.rows, row.identity), files), options)
        print(
            f"{number} of {len(chosen)}: {row.town} {row.route_id} {row.arm}: {found}", flush=True
        )
        body.append((*_named(row), found))
    equal = sum(line[-1] == EQUAL for line in body)
    notes = (
        f"{equal} of {len(body)} episodes are proved: their identity is the same here, and every "
        "column but wall-clock ones is equal.",
        f"The sample is {len(body)} of {len(rows)} rows, seed {options.seed}.",
    )
    show([Table(f"Driven again: {options.rows.name}", HEADER, tuple(body), notes)])
    return 0 if equal == len(body) else DIFFERENT


def can_be_proved(row: EpisodeRow) -> bool:
    """Whether a drive decided the row, and nothing of the wall clock did."""
    return row.is_driven and row.latency != REAL


def sample(rows: Sequence[EpisodeRow], count: int, seed: int) -> list[EpisodeRow]:
    """So many rows, from every cell in turn; which ones is decided by their identities and a seed.

    Args:
        rows: of any cells, in any order.
        count: how many to take, as far as there are any.
        seed: another one gives another sample.
    """
    cells: dict[tuple[str, ...], list[EpisodeRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda item: text_hash(f"{seed} {item.identity}")):
        cells[_named(row)[1:2] + _named(row)[3:]].append(row)
    in_turn = chain.from_iterable(zip_longest(*(cells[name] for name in sorted(cells))))
    return [row for row in in_turn if row is not None][:count]


def proved(kept: KeptEpisode, options: Options) -> str:
    """Drive an episode again; `equal`, or what is not as it was."""
    try:
        with Redrive(kept, options.where) as redrive:
            if redrive.changes:
                return f"cannot be driven as it was: {redrive.changes}"
            with StepBar(kept) as bar:
                driven = redrive.drive((bar,))
    except ConfigError as err:
        return f"cannot be driven: {err}"
    different = row_difference(kept.row, driven)
    return EQUAL if different is None else f"different: {different}"


def with_weights(kept: KeptEpisode, files: Mapping[str, Path]) -> KeptEpisode:
    """The episode with the files that its row names by their hash, where they are given."""
    row, found = kept.row, {}
    if row.policy_weights in files:
        found["policy_weights"] = files[row.policy_weights]
    if row.fuser_weights in files and "student" in row.fuser:
        found["fuser_weights"] = files[row.fuser_weights]
    if not found:
        return kept
    changed = tuple(config.model_copy(update=found) for config in kept.configs)
    return replace(kept, configs=(*changed, *kept.configs))


def _there(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError(f"--weights {path}: no such file")
    return path


def _named(row: EpisodeRow) -> tuple[str, ...]:
    """An episode as a line of the table names it."""
    scene = scene_text(row.traffic, row.hazards, row.speed_kmh, row.latency)
    identity = f"{LETTERS['identity']}{row.identity[:8]}"
    return identity, row.town, row.route_id, row.weather, scene, row.policy, row.arm


if __name__ == "__main__":
    sys.exit(main())
