"""What can be chosen of a chaos run; its files lie in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, check_values

TRIES_AGAIN = 3  # of an episode that the simulator broke, as `harness.run` has it by default


@dataclass(frozen=True)
class ChaosOptions:
    """Amounts, seed and place."""

    episodes: Annotated[int, Flag("at least so many short drives", at_least=1)] = 2000
    harms: Annotated[int, Flag("how often harm is done", at_least=0)] = 220
    seed: Annotated[int, Flag("of moments, kinds and victims", at_least=0)] = 0
    workers: Annotated[int, Flag("servers side by side", at_least=1, at_most=8)] = 2
    compare: Annotated[
        int, Flag("seeds whose drives are driven again undisturbed, 25 each", at_least=0)
    ] = 4
    trace: Annotated[bool, Flag("keep each drive's trace as well, and miss none")] = False
    out: Annotated[Path, Flag("folder; the same command goes on in it", "DIR")] = Path("runs/chaos")

    def __post_init__(self) -> None:
        check_values(self)

    @property
    def run_folder(self) -> Path:
        """Of the run that is harmed."""
        return self.out.absolute() / "run"

    @property
    def undisturbed_folder(self) -> Path:
        """Of the run that is not."""
        return self.out.absolute() / "undisturbed"

    @property
    def log_folder(self) -> Path:
        """With a file for each start of the command."""
        return self.out.absolute() / "logs"

    @property
    def config_file(self) -> Path:
        """Configuration of both."""
        return self.out.absolute() / "run.yaml"

    @property
    def route_file(self) -> Path:
        """Their routes."""
        return self.out.absolute() / "routes.xml"
