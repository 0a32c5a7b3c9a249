"""Make the frozen detector and segmenter: frames with labels, training, export, a look at it.

python -m perceivers.training collect --frames 2000 --out DATA
python -m perceivers.training train --data DATA --out RUN --minutes 60
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from fusiondrive.cli import exit_code
from fusiondrive.errors import unknown_name

# Modules by step; one that is not asked for is not imported, since torch takes its time.
STEPS = {
    "collect": "random scenes on a clear day, with labels, through both cameras",
    "train": "detector and segmenter on such frames",
    "export": "ONNX and card of a run",
    "sheet": "detections and segments beside their labels",
}


def overview() -> str:
    """What the steps are."""
    lines = [f"  {name:<10}{text}" for name, text in STEPS.items()]
    usage = "usage: python -m perceivers.training STEP [ARGUMENTS]; STEP --help tells more"
    return "\n".join([usage, "", str(__doc__), *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a step; returns the exit code."""
    return exit_code(lambda: run(list(sys.argv[1:] if arguments is None else arguments)))


def run(words: list[str]) -> str | int:
    """Run the step that the first word names.

    Raises:
        ConfigError: there is no such step.
    """
    if not words or words[0] in ("-h", "--help"):
        return overview()
    name, *rest = words
    if name not in STEPS:
        raise unknown_name("step", name, STEPS)
    return int(importlib.import_module(f"perceivers.training.{name}").main(rest))


if __name__ == "__main__":
    sys.exit(main())
