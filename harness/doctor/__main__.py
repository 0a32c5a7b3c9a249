"""Look at this machine and at a server, and say what to do where something is missing.

python -m harness.doctor
python -m harness.doctor --host HOST --port 2000

Without --host an embedded server is started for a moment. The exit code is 1 if a check fails.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import FusionDriveError
from harness.doctor import machine
from harness.doctor.finding import Finding

FAILED = 1  # exit code


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    host: Annotated[str | None, Flag("of a CARLA server that runs, in place of one of our own")] = (
        None
    )
    port: Annotated[int, Flag("of that server", at_least=1, at_most=65000)] = 2000
    server: Annotated[bool, Flag("look at a server; it is started where no --host is given")] = True
    out: Annotated[Path, Flag("where results are to go", "DIR")] = Path("runs")

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: one cannot be.
        """
        check_values(self)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: run(parse(Options, arguments, "harness.doctor", __doc__)))


def run(options: Options) -> int:
    """Print each finding as soon as there is one; returns the exit code."""
    failed = 0
    for finding in examine(options):
        print(finding, flush=True)
        failed += not finding.is_ok
    print("all is well" if failed == 0 else f"{failed} to mend", flush=True)
    return FAILED if failed else 0


def examine(options: Options) -> Iterator[Finding]:
    """All checks that the options ask for; those of a server need the client."""
    is_here = True
    for finding in machine.examine(options.out):
        is_here &= finding.is_ok or finding.name not in ("client", "packages")
        yield finding
    if not options.server:
        return
    if not is_here:
        yield Finding("server", False, "not looked at", "mend packages and client first")
        return
    from harness.doctor import server  # needs the client
    from harness.session import Address

    if options.host is not None:
        yield from server.examine(Address(options.host, options.port))
        return
    yield from _own_server()


def _own_server() -> Iterator[Finding]:
    """Start the embedded server, and look at it."""
    from harness.doctor import server
    from harness.server import RunningServer, ServerSpec
    from harness.session import Address

    note = "starting an embedded server; its first start compiles kernels for some minutes"
    print(note, file=sys.stderr, flush=True)
    began_s = time.monotonic()
    try:
        with RunningServer(ServerSpec()) as running:
            waited_s = time.monotonic() - began_s
            yield Finding("start", True, f"the embedded server answered after {waited_s:.0f} s")
            yield from server.examine(Address(running.host, running.port))
    except FusionDriveError as err:
        text = " ".join(str(err).split())
        yield Finding("start", False, text, "python -m simulator shows what it says")


if __name__ == "__main__":
    sys.exit(main())
