"""Drive an episode of a run again: for a video, or to prove that it goes as it went.

python -m harness.replay RUN EPISODE
python -m harness.replay RUN EPISODE --verify

Without --verify a video and a trace are written. With it every step is compared with the kept
trace, in every column but wall-clock ones; the exit code is 1 at the first difference.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.errors import ConfigError
from fusiondrive.files import check_folder
from fusiondrive.types import Control
from harness.drive import Drive
from harness.messages import Driven
from harness.replay.kept import KeptEpisode, find_episode
from harness.replay.options import EpisodeOptions
from harness.replay.redrive import Redrive, StepBar
from harness.replay.verify import Verifier, row_difference, row_numbers
from harness.trace import TraceRecorder
from results.run_folder import REPLAYS
from results.trace import load_trace
from scenarios.latency import REAL

DIFFERENT = 1  # exit code


@dataclass(frozen=True, kw_only=True)
class Options(EpisodeOptions):
    """Options of this command."""

    verify: Annotated[bool, Flag("compare every step with the kept trace")] = False
    video: Annotated[bool, Flag("write an mp4")] = True
    out: Annotated[
        Path | None,
        Flag("for trace and video; default: replays in RUN, with --verify none", "DIR"),
    ] = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 1 where a drive differs."""
    return exit_code(lambda: run(parse(Options, arguments, "harness.replay", __doc__)))


def run(options: Options) -> int:
    """Drive the episode again; returns the exit code.

    Raises:
        ConfigError: there is no such episode, or it cannot be driven as it was.
        SimulatorError: the simulator died or did not answer.
    """
    kept = find_episode(options.run, options.episode)
    if options.verify and kept.row.latency == REAL:
        raise ConfigError(
            f"episode {kept.name} was driven with latency real: what fuser and policy took on the "
            "wall clock decided it, and no drive repeats that; leave --verify out"
        )
    out = options.out
    if out is None and not options.verify:
        out = kept.folder / REPLAYS
    if out is not None:
        check_folder(out, flag="--out")
    trace = load_trace(kept.trace) if options.verify and kept.trace is not None else None
    with Redrive(kept, options.where) as redrive:
        if redrive.changes and options.verify:
            raise ConfigError(f"episode {kept.name} cannot be driven as it was: {redrive.changes}")
        if redrive.changes:
            print(f"warning: not the same drive: {redrive.changes}", file=sys.stderr)
        verifier = None if trace is None else Verifier(trace)
        recorder = TraceRecorder(redrive.planned.task.identity, redrive.policy)
        with StepBar(kept) as bar:
            driven = redrive.drive(
                (bar, *(() if verifier is None else (_Compared(recorder, verifier),))),
                lambda: verifier is not None and verifier.difference is not None,
                out=out,
                has_video=options.video,
            )
        name = redrive.planned.name
    print(f"{kept.name}: {driven.score.outcome.value} after {driven.steps} steps")
    if out is not None:
        print(f"trace and video: {out}/*/{name}.*", file=sys.stderr)
    return _verdict(kept, verifier, driven) if options.verify else 0


def _verdict(kept: KeptEpisode, verifier: Verifier | None, driven: Driven) -> int:
    """Say what is equal, or the first difference."""
    if verifier is not None:
        verifier.finish()
        if verifier.difference is not None:
            print(f"different at {verifier.difference}; {verifier.steps} steps before are equal")
            return DIFFERENT
        print(f"{verifier.steps} steps equal in {len(verifier.columns)} columns")
    else:
        print("no trace was kept of it, so that only its row is compared")
    found = row_difference(kept.row, driven)
    if found is not None:
        print(f"different at {found}")
        return DIFFERENT
    print(f"row equal in {len(row_numbers(driven)) + 1} columns")
    return 0


class _Compared:
    """Hands the steps of a drive on to a verifier."""

    def __init__(self, recorder: TraceRecorder, verifier: Verifier) -> None:
        self._recorder, self._verifier = recorder, verifier

    def on_step(self, drive: Drive, control: Control) -> None:
        """Record and compare a step."""
        self._recorder.on_step(drive, control)
        self._verifier.compare(self._recorder.rows[-1])


if __name__ == "__main__":
    sys.exit(main())
