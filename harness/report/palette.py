"""How each arm is shown everywhere in a report: its place in the order, its colour, its mark."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fusiondrive.arms import split_modifier
from results.cells import InputSetting

# In this order, whatever the rows begin with. Each family has a colour of the style sheet; any two
# are told apart without red, green or blue cones as well. Marks tell within a family.
FAMILIES: dict[str, str] = {
    "rgb": "rgb",
    "dehaze": "hand",
    "clahe": "hand",
    "gamma": "hand",
    "restored": "twin",
    "oracle_rgb": "twin",
    "direct_rgb": "twin",
    "thermal": "thermal",
    "average": "rule",
    "max": "rule",
    "laplacian": "rule",
    "distilled": "fused",
    "direct": "fused",
    "student": "fused",
    "oracle": "oracle",
}
MARKS: dict[str, str] = {
    "clahe": "square",
    "gamma": "triangle",
    "oracle_rgb": "square",
    "direct_rgb": "triangle",
    "max": "square",
    "laplacian": "triangle",
    "direct": "square",
    "student": "triangle",
}
OTHER = "other"


class Style(NamedTuple):
    """How an arm is drawn."""

    family: str  # names the colour in the style sheet
    mark: str  # circle, square or triangle
    is_hollow: bool  # its infrared is blanked or another route's


def style_of(seen: InputSetting) -> Style:
    """The colour and mark of an arm; an arm that is not ours has the colour `other`."""
    base, modifier = _parts(seen)
    return Style(FAMILIES.get(base, OTHER), MARKS.get(base, "circle"), bool(modifier))


def in_order(settings: Iterable[InputSetting]) -> list[InputSetting]:
    """The arms, each once, in the fixed order; those that are not ours come last, by name."""
    known = list(FAMILIES)

    def place(seen: InputSetting) -> tuple[int, str, str, str]:
        base, modifier = _parts(seen)
        at = known.index(base) if base in known else len(known)
        return at, base, modifier, seen.fuser_weights

    return sorted(dict.fromkeys(settings), key=place)


def _parts(seen: InputSetting) -> tuple[str, str]:
    """Its name without modifier and number of training (`distilled_s2`), and the modifier."""
    base, modifier = split_modifier(seen.arm)
    head, _, tail = base.rpartition("_")
    return (head if head in FAMILIES and tail[:1] == "s" else base), modifier
