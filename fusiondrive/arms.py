"""Arms: what a comparison drives with, by name; plain data that rows, plans and tables share.

What stands behind a name (networks, filters) is in `sensors`.
"""

from __future__ import annotations

from dataclasses import dataclass

RGB, THERMAL, FUSED, ENHANCED = "rgb", "thermal", "fused", "enhanced"  # inputs of a policy
NONE = "none"  # the fuser of an input that needs none
CLEAR = "clear"  # the arm, and the weather in which it drives
BLANKED = ":blanked"  # behind a fuser's name: a grey plane in place of its infrared image
SWAPPED = ":swapped"  # behind a fuser's name: the infrared image of another route
MODIFIERS = (BLANKED, SWAPPED)
HAND_MADE = ("dehaze", "clahe", "gamma")  # enhancements of the visible image, without learning
# Students, and what the same training without infrared is called.
TWIN_OF = {"distilled": "restored", "oracle": "oracle_rgb", "direct": "direct_rgb"}
TWINS = tuple(TWIN_OF.values())


@dataclass(frozen=True)
class Arm:
    """One way to make the policy's image."""

    name: str
    input: str
    fuser: str = NONE  # with its modifier; of the input `enhanced`, the enhancer
    weather: str | None = None  # driven in place of the run's own


def arm_name(input_name: str, fuser: str) -> str:
    """How the arm of an input is called, also that of a row from before there were arms."""
    return fuser if input_name in (FUSED, ENHANCED) else input_name


def split_modifier(name: str) -> tuple[str, str]:
    """A name without its modifier, and the modifier; empty where there is none.

    `oracle:blanked` gives `oracle` and `:blanked`.
    """
    ending = next((item for item in MODIFIERS if name.endswith(item)), "")
    return name.removesuffix(ending), ending
