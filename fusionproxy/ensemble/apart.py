"""Keeps teachers honest: of a place whose degraded pictures they fuse, they saw no clear ones.

A student that is distilled from them would otherwise have learnt, by a detour, from the clear-day
rendering of its own input, which no real camera has.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fusionproxy.errors import FusionError
from fusionproxy.pair_source import CAPTURED
from fusionproxy.teachers.registry import Teacher

Card = Mapping[str, Any]  # of a set of pairs


def check_apart(teachers: Sequence[Teacher], cards: Sequence[Card]) -> None:
    """Compare what teachers were trained on with the captured pairs that they are to fuse.

    A teacher whose card is older than this check is told of on standard error.

    Args:
        teachers: with their cards, where they have any.
        cards: of the sets of pairs.

    Raises:
        FusionError: a teacher saw clear pictures of one of the places, or of another look.
    """
    fused = list(_captured(cards))
    for teacher in teachers if fused else ():
        for seen in _captured(teacher.facts.get("card", {}).get("data", [])):
            if "places" not in seen:
                print(
                    f"teacher '{teacher.name}': its card does not name the places of its clear "
                    "pictures, so they may be those of the pairs",
                    file=sys.stderr,
                )
                continue
            for card in fused:
                _check(teacher.name, seen, card)


def _captured(cards: Sequence[Card]) -> Iterator[Card]:
    return (card for card in cards if card["layout"] == CAPTURED)


def _check(teacher: str, seen: Card, fused: Card) -> None:
    both = sorted(set(seen["places"]) & set(fused["places"]))
    if both:
        raise FusionError(
            f"teacher '{teacher}' was trained on clear pictures of {', '.join(both)}, whose "
            "degraded pictures it is to fuse; give pairs of other towns or sequences"
        )
    if seen["look"] != fused["look"]:
        raise FusionError(
            f"teacher '{teacher}' was trained on pictures of look {seen['look']}, and the pairs "
            f"are of look {fused['look']}; draw them anew with one version of the renderer"
        )
