"""A run on this machine, or on external servers that are driven from here."""

from __future__ import annotations

from harness.config import RunConfig
from harness.runner import Run, Runner
from harness.slot import Slot, Slots


class LocalEngine:
    """Drives with processes of this machine."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config

    def check(self) -> None:
        """Nothing more is needed than `harness.checks` has looked at."""

    def drive(self, run: Run) -> None:
        """Drive what is not done yet; see `Engine`."""
        configs = [part.config for part in run.parts]
        slots = Slots([Slot(configs, number) for number in range(self._config.width)])
        with Runner(run, slots) as runner:
            runner.run()
