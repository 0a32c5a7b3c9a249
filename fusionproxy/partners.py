"""Finds out which names of two folders belong together, by one rule after the other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fusionproxy.errors import FusionError
from fusionproxy.order import folded, natural

# Marks of a side as published sets and cameras write them: `_ir`, `IR_`, `-thermal`, `00001v`
# (RGBT234), `_T` and `_V` or `_W` (DJI), `_PreviewData` and `_RGB` (FLIR), `_co` (VEDAI).
INFRARED = (
    "ir", "infrared", "infra", "inf", "thermal", "therm", "tir", "nir", "swir", "mwir", "lwir",
    "fir", "previewdata", "t", "i",
)  # fmt: skip
VISIBLE = (
    "vi", "vis", "visible", "visual", "vl", "rgb", "color", "colour", "co", "eo", "optical", "v",
    "w",
)  # fmt: skip
MADE = ("fused", "fusion", "label", "labels", "mask", "gt")  # of what is made of a pair
EQUAL = "equal names"
FORM = "names equal but for letter case or Unicode form"
MARKS = "names equal but for a mark of the side (such as _ir, IR_, -thermal; _vi, _vis, _rgb)"
RULES = (EQUAL, FORM, MARKS)
SEPARATORS = "-_. "


class Partner(NamedTuple):
    """Two names that belong together."""

    name: str  # what both have in common
    infrared: str
    visible: str
    rule: str


def without_marks(stem: str, marks: Sequence[str]) -> dict[str, str]:
    """Texts that may remain of a name without its marks, by folded text; the name is one of them.

    A mark stands between separators, digits and ends: `IR_01` and `01ir` leave `01`.
    """
    stem = unicodedata.normalize("NFC", stem)
    edge, any_of = f"[{re.escape(SEPARATORS)}]", "|".join(marks)
    mark = re.compile(rf"(?:^|{edge}|(?<=\d))(?:{any_of})(?=$|{edge}|\d)", re.IGNORECASE)
    left = [stem, mark.sub("", stem)]
    left += [stem[: found.start()] + stem[found.end() :] for found in mark.finditer(stem)]
    bare = [stem, *(text.strip(SEPARATORS) for text in left[1:])]
    return {folded(text): text for text in reversed(bare) if text}


def pair_up(infrared: Sequence[str], visible: Sequence[str]) -> list[Partner]:
    """Pair up two lists of stems, in natural order; stems without a partner are left out.

    Equal names are paired first. Of the others those are paired that differ only in letter case or
    Unicode normal form, and of the rest those that differ only in the marks of their sides.

    Raises:
        FusionError: a stem could belong to several others.
    """
    found: list[Partner] = []
    a, b = list(infrared), list(visible)
    for rule in RULES:
        new = _by_rule(rule, a, b)
        found += new
        a = [stem for stem in a if stem not in {item.infrared for item in new}]
        b = [stem for stem in b if stem not in {item.visible for item in new}]
    found.sort(key=lambda item: natural(item.name))
    return _unique(found)


def _by_rule(rule: str, infrared: Sequence[str], visible: Sequence[str]) -> list[Partner]:
    a = {stem: _left(rule, stem, INFRARED) for stem in infrared}
    b = {stem: _left(rule, stem, VISIBLE) for stem in visible}
    of_a, of_b = _candidates(a, b), _candidates(b, a)
    for found in (of_a, of_b):
        for stem, others in found.items():
            if len(others) > 1:
                shown = " or ".join(others)
                raise FusionError(
                    f"'{stem}' could belong to {shown} ({rule}); give partners equal names"
                )
    pairs = [(stem, others[0]) for stem, others in of_a.items() if others]
    return [Partner(_common(a[one], b[other]), one, other, rule) for one, other in pairs]


def _left(rule: str, stem: str, marks: Sequence[str]) -> dict[str, str]:
    if rule == MARKS:
        return without_marks(stem, marks)
    return {stem if rule == EQUAL else folded(stem): stem}


def _candidates(
    these: Mapping[str, Mapping[str, str]], those: Mapping[str, Mapping[str, str]]
) -> dict[str, list[str]]:
    """Names of `those` that share a remaining text with each of `these`."""
    holders: dict[str, list[str]] = {}
    for stem, left in those.items():
        for key in left:
            holders.setdefault(key, []).append(stem)
    return {
        stem: list(dict.fromkeys(other for key in left for other in holders.get(key, ())))
        for stem, left in these.items()
    }


def _common(infrared: Mapping[str, str], visible: Mapping[str, str]) -> str:
    """The longest remaining text that both names share, in the visible name's spelling."""
    return max((visible[key] for key in visible if key in infrared), key=len)


def _unique(found: Sequence[Partner]) -> list[Partner]:
    """Rename a pair found by marks after its visible image where another pair has its name."""
    exact = {item.name for item in found if item.rule != MARKS}
    return [
        item._replace(name=item.visible) if item.rule == MARKS and item.name in exact else item
        for item in found
    ]


class ByName:
    """Finds files of one folder by the name of a pair, with the same rules."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._folded: dict[str, list[str]] = {}
        self._bare: dict[str, list[str]] = {}
        for stem in files:
            self._folded.setdefault(folded(stem), []).append(stem)
            for key in without_marks(stem, (*INFRARED, *VISIBLE, *MADE)):
                self._bare.setdefault(key, []).append(stem)

    def __len__(self) -> int:
        """Number of files."""
        return len(self._files)

    def find(self, name: str) -> Path | None:
        """Find the file of a pair; None where there is none.

        Raises:
            FusionError: several files could be meant.
        """
        if name in self._files:
            return self._files[name]
        key = folded(name)
        found = self._folded.get(key) or self._bare.get(key, [])
        if len(found) > 1:
            shown = " or ".join(self._files[stem].name for stem in found)
            raise FusionError(
                f"{self._files[found[0]].parent}: '{name}' could be {shown}; keep one"
            )
        return self._files[found[0]] if found else None


def said(found: Iterable[Partner]) -> str:
    """Text of how many pairs each rule found, with an example; empty where names are equal."""
    items = list(found)
    counts = [(rule, [item for item in items if item.rule == rule]) for rule in RULES]
    if not any(group for rule, group in counts if rule != EQUAL):
        return ""
    parts = []
    for rule, group in counts:
        if group:
            example = f", such as {group[0].infrared} with {group[0].visible}"
            parts.append(f"{len(group)} by {rule}{example if rule != EQUAL else ''}")
    return f"paired {'; '.join(parts)}"
