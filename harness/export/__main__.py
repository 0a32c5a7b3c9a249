"""Drive an episode of a run again and write it as one file for Rerun or Foxglove.

python -m harness.export RUN EPISODE --format rrd
python -m harness.export RUN EPISODE --format mcap --out drive.mcap

All images, the map, controls, speeds, events and milliseconds stand on one timeline of simulated
time. Where a trace was kept, every step is compared with it, and a difference is told.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.files import check_file, whole_file
from fusiondrive.types import Control
from harness.drive import Drive
from harness.export.mcap_file import McapWriter
from harness.export.moment import THERMAL_NOTE, Moment, MomentWriter, WriterKind, pictures_of
from harness.export.rrd import RrdWriter
from harness.recorder import TILE
from harness.replay.kept import KeptEpisode, find_episode
from harness.replay.options import EpisodeOptions
from harness.replay.redrive import Redrive, StepBar
from harness.replay.verify import Verifier
from harness.topdown import TopDown
from harness.trace import TraceRecorder
from results.trace import load_trace

FORMATS: Mapping[str, WriterKind] = {"rrd": RrdWriter, "mcap": McapWriter}
EXPORTS = "exports"  # folder in a run's


@dataclass(frozen=True, kw_only=True)
class Options(EpisodeOptions):
    """Options of this command."""

    format: Annotated[str, Flag("of the file", choices=tuple(FORMATS))] = "rrd"
    out: Annotated[Path | None, Flag("default: RUN/exports/NAME.FORMAT", "FILE")] = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: run(parse(Options, arguments, "harness.export", __doc__)))


def run(options: Options) -> str:
    """Drive and write; returns what to say.

    Raises:
        ConfigError: there is no such episode, it cannot be driven, or the extra is not installed.
        SimulatorError: the simulator died or did not answer.
        OutputError: the file cannot be written.
    """
    kept = find_episode(options.run, options.episode)
    trace = None if kept.trace is None else load_trace(kept.trace)
    path = options.out or kept.folder / EXPORTS / f"{kept.file_name}.{options.format}"
    check_file(path, flag="--out")
    with whole_file(path) as draft:
        # Begun before the server is: the format's library may not be there.
        writer = FORMATS[options.format](draft, about(kept))
        verifier = None if trace is None else Verifier(trace)
        with Redrive(kept, options.where) as redrive, StepBar(kept) as bar:
            if redrive.changes:
                print(f"warning: not the same drive: {redrive.changes}", file=sys.stderr)
            recorder = TraceRecorder(redrive.planned.task.identity, redrive.policy)
            driven = redrive.drive((bar, _Export(writer, recorder, verifier)))
        writer.finish()
    return f"{path}: {driven.steps + 1} steps, {driven.score.outcome.value}{_verdict(verifier)}"


def about(kept: KeptEpisode) -> dict[str, str]:
    """What a file says of the whole drive: the columns of its row that are known."""
    values = {name: str(value) for name, value in kept.row.to_dict().items() if value is not None}
    return {**values, "thermal_note": THERMAL_NOTE}


def _verdict(verifier: Verifier | None) -> str:
    if verifier is None:
        return "; no trace was kept to compare it with"
    verifier.finish()
    if verifier.difference is None:
        return "; all are equal to the kept trace"
    return f"; NOT the kept drive, first at {verifier.difference}"


class _Export:
    """Writes what is seen of every step."""

    def __init__(
        self, writer: MomentWriter, recorder: TraceRecorder, verifier: Verifier | None
    ) -> None:
        self._writer, self._recorder, self._verifier = writer, recorder, verifier
        self._map: TopDown | None = None

    def on_step(self, drive: Drive, control: Control) -> None:
        """Write a step, and compare it with the kept one."""
        if self._map is None:
            self._map = TopDown(drive.setup.session.map, TILE)
        self._recorder.on_step(drive, control)
        row = self._recorder.rows[-1]
        if self._verifier is not None:
            self._verifier.compare(row)
        picture = self._map.draw(drive.state, drive.route)
        self._writer.write(Moment(row, pictures_of(drive, picture)))


if __name__ == "__main__":
    sys.exit(main())
