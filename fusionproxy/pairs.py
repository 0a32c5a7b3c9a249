"""Looks at a set of infrared/visible pairs: reads every file once and prints the card of the set.

    python -m fusionproxy.pairs DIR --layout msrs --card FILE

Captured pairs of the simulator (`fusionproxy.data`) open the same way. The flags that say which
pairs, and how they are read, are those of every command that reads pairs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.files import check_file, whole_file
from fusionproxy.errors import FusionError
from fusionproxy.images import SMALLEST
from fusionproxy.layouts import LAYOUTS
from fusionproxy.pair_source import PairSource, ReadAs, open_pairs

OF_16_BITS = "of 16-bit files: the values that become 0 and 1"


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """Which pairs of a folder, and how their files are read."""

    layout: Annotated[str, Flag(", ".join(LAYOUTS))] = "folders"
    split: Annotated[str | None, Flag("train, val or test, where the set has them")] = None
    infrared_range: Annotated[
        tuple[float, float] | None, Flag(OF_16_BITS, metavar=("LOW", "HIGH"))
    ] = None
    visible_range: Annotated[
        tuple[float, float] | None, Flag(OF_16_BITS, metavar=("LOW", "HIGH"))
    ] = None
    rgb: Annotated[bool, Flag("refuse grey visible images")] = False

    @property
    def read_as(self) -> ReadAs:
        """How files are read."""
        return ReadAs(self.infrared_range, self.visible_range, "rgb" if self.rgb else "any")

    def open_pairs(self, folder: Path) -> PairSource:
        """Open the pairs of a folder."""
        return open_pairs(folder, self.layout, self.split, self.read_as)


@dataclass(frozen=True, kw_only=True)
class CheckOptions(PairOptions):
    """Options of this command."""

    folder: Annotated[Path, Flag("folder of pairs", names=("folder",))]
    card: Annotated[Path | None, Flag("write here; by default print")] = None


def parse_size(option: str, text: str) -> tuple[int, int]:
    """`640x480` as width and height; `option` begins the message of the error."""
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and min(int(width), int(height)) >= SMALLEST):
        raise FusionError(f"{option}: expected WIDTHxHEIGHT such as 640x480, found '{text}'")
    return int(width), int(height)


def check(options: CheckOptions) -> str:
    """Read every pair of a folder; returns the card, unless it is written."""
    if options.card:
        check_file(options.card, flag="--card")
    source = options.open_pairs(options.folder)
    for index in range(len(source)):
        source.load(index)  # every file is read once, so that the card vouches for it
    text = json.dumps(source.card(), indent=1)
    if not options.card:
        return text
    with whole_file(options.card) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: check(parse(CheckOptions, arguments, "fusionproxy.pairs", __doc__)))


if __name__ == "__main__":
    sys.exit(main())
