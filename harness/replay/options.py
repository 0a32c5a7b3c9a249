"""What a user can choose wherever an episode of a run is driven again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, check_values
from harness.replay.redrive import Where


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Options of all commands that drive episodes again."""

    host: Annotated[str | None, Flag("of a server that runs, in place of one of its own")] = None
    port: Annotated[int, Flag("of that server", at_least=1, at_most=65000)] = 2000

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: one cannot be.
        """
        check_values(self)

    @property
    def where(self) -> Where:
        """The server on which it is driven."""
        return Where(self.host, self.port)


@dataclass(frozen=True, kw_only=True)
class EpisodeOptions(ServerOptions):
    """Options that `replay` and `export` have in common."""

    run: Annotated[Path, Flag("folder of a run, or a file with its rows", "RUN", ("run",))]
    episode: Annotated[
        str, Flag("identity in its rows, or the name of a trace", "EPISODE", ("episode",))
    ]
