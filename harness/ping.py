"""Ask a CARLA server whether it answers: for health checks, and for scripts that wait for one.

python -m harness.ping --host HOST --port 2000

It says which version answers, or in one line what is wrong, with exit code 2. Neither the town nor
the clock of the server is touched.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fusiondrive.cli import Flag, check_values, exit_code, parse
from harness.probe import DEFAULT_PORT, check_version


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    host: Annotated[str, Flag("of the server")] = "localhost"
    port: Annotated[int, Flag("of the server", at_least=1, at_most=65000)] = DEFAULT_PORT
    timeout_s: Annotated[float, Flag("how long to wait for the answer", more_than=0)] = 5.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: a value is out of range.
        """
        check_values(self)


def ping(options: Options) -> str:
    """Ask once; returns what answered.

    Raises:
        ConfigError: it is not CARLA 0.9.16.
        SimulatorError: nobody answers in time.
    """
    version = check_version(options.host, options.port, options.timeout_s)
    return f"CARLA {version} answers at {options.host}:{options.port}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: ping(parse(Options, arguments, "harness.ping", __doc__)))


if __name__ == "__main__":
    sys.exit(main())
