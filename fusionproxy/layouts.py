"""Folder layouts of known sets of infrared/visible pairs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fusionproxy.errors import FusionError
from fusionproxy.order import folded, in_order, is_ours
from fusionproxy.partners import RULES, Partner, pair_up, said

logger = logging.getLogger(__name__)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
SPLITS = ("train", "val", "test")
# Frames nearer than this in a video count as one scene: our choice, wide for 1 to 30 frames/s.
GAP = 30
SHOWN = 5  # stems in a message


@dataclass(frozen=True)
class PairFile:
    """Paths of one pair."""

    name: str
    sequence: str  # split unit: frames of one video share it
    split: str  # folder of the set's own split, "" where it has none
    infrared: Path
    visible: Path


@dataclass(frozen=True)
class Layout:
    """One way to arrange pairs in folders; names are compared without letter case."""

    infrared: tuple[str, ...]
    visible: tuple[str, ...]
    sequences: Callable[[Sequence[str]], list[str]]  # of sorted stems
    scenes: bool = False  # one folder a scene, files named by a prefix


def runs(stems: Sequence[str]) -> list[str]:
    """Name the sequence of each stem; a gap in the numbers or another prefix begins a new one.

    `FLIR_00006`, `FLIR_00018`, `FLIR_00060` give `FLIR_00006`, `FLIR_00006`, `FLIR_00060`.
    """
    found: dict[str, str] = {}
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for stem in sorted(stems, key=_numbered):
        head, number, tail = _numbered(stem)
        previous, name = last.get((head, tail), (-GAP - 1, stem))
        name = name if 0 <= number - previous <= GAP else stem
        last[head, tail] = (number, name)
        found[stem] = name
    return [found[stem] for stem in stems]


def _numbered(stem: str) -> tuple[str, int, str]:
    match = re.search(r"^(.*?)(\d+)(\D*)$", stem)
    return (match[1], int(match[2]), match[3]) if match else (stem, -1, "")


def places(stems: Sequence[str]) -> list[str]:
    """Name the sequence of each stem of LLVIP: its first two digits number the camera's place."""
    return [stem[:2] for stem in stems]


LAYOUTS: Mapping[str, Layout] = {
    "folders": Layout(("ir",), ("vi",), runs),
    "msrs": Layout(("ir",), ("vi",), runs),  # 00001D day, 00003N night
    "m3fd": Layout(("ir",), ("vis", "vi"), runs),
    "roadscene": Layout(("cropinfrared", "ir"), ("crop_lr_visible", "vi"), runs),
    "tno": Layout(("ir",), ("vis", "vi"), runs, scenes=True),
    "llvip": Layout(("infrared", "ir"), ("visible", "vi"), places),
}


def find_pairs(folder: Path, layout: str = "folders", split: str | None = None) -> list[PairFile]:
    """Find the pairs of a set, in natural order of their names, and log how they were paired.

    The two folders lie in `folder`, or in one folder for each split (`train/ir`), or hold one
    folder for each split (`infrared/train`). TNO has one folder for each scene, with files `IR*`
    and `VIS*`, or two folders.

    Args:
        folder: the set's folder.
        layout: a key of `LAYOUTS`.
        split: name of the split's folder; None takes all splits.

    Raises:
        FusionError: the layout or split is unknown, there are no pairs, or a file has no partner.
    """
    if layout not in LAYOUTS:
        raise FusionError(f"unknown layout '{layout}'; known: {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        raise FusionError(f"no folder of pairs at {folder}")
    rules = LAYOUTS[layout]
    found, partners = [], list[Partner]()
    for name, infrared, visible in _sides(folder, rules):
        matched = _match(infrared, visible)
        partners += matched.partners
        found += _files(name, matched, rules.sequences)
    if not found and rules.scenes:
        found = _scenes(folder)
    if not found:
        raise FusionError(_nothing(folder, layout))
    if split is not None:
        known = sorted({pair.split for pair in found if pair.split})
        found = [pair for pair in found if pair.split == split]
        if not found:
            raise FusionError(f"unknown split '{split}' in {folder}; known: {', '.join(known)}")
    if text := said(partners):
        logger.warning("%s: %s", folder, text)
    return found


def _nothing(folder: Path, layout: str) -> str:
    rules = LAYOUTS[layout]
    wanted = f"{' or '.join(rules.infrared)} and {' or '.join(rules.visible)}"
    there = [item.name for item in in_order(folder.iterdir()) if is_ours(item)][:SHOWN]
    return (
        f"no pairs in {folder}: layout '{layout}' expects folders {wanted} with images "
        f"({', '.join(sorted(SUFFIXES))}); found {', '.join(there) or 'nothing'}"
    )


def _child(folder: Path, names: Iterable[str]) -> Path | None:
    """The folder of the first name that exists, as written or else without letter case.

    Raises:
        FusionError: several folders differ from a name in letter case only.
    """
    children = [item for item in in_order(folder.iterdir()) if item.is_dir()]
    for name in names:
        found = [item for item in children if item.name == name] or [
            item for item in children if folded(item.name) == name
        ]
        if len(found) > 1:
            shown = " and ".join(item.name for item in found)
            raise FusionError(f"{folder} has folders {shown}; rename or remove one of them")
        if found:
            return found[0]
    return None


def _sides(folder: Path, rules: Layout) -> list[tuple[str, Path, Path]]:
    """Name of the split, infrared folder and visible folder for each part of a set."""
    infrared, visible = _child(folder, rules.infrared), _child(folder, rules.visible)
    if infrared and visible:
        parts = [(name, _child(infrared, [name]), _child(visible, [name])) for name in SPLITS]
        inner = [(name, a, b) for name, a, b in parts if a and b]
        return inner or [("", infrared, visible)]
    outer = []
    for name in SPLITS:
        part = _child(folder, [name])
        if part is None:
            continue
        infrared, visible = _child(part, rules.infrared), _child(part, rules.visible)
        if infrared and visible:
            outer.append((name, infrared, visible))
    return outer


def images_by_stem(folder: Path) -> dict[str, Path]:
    """Images of a folder by stem, in natural order, without files that systems leave behind.

    Raises:
        FusionError: two images differ in the suffix only, or a name is no text in this locale.
    """
    found: dict[str, Path] = {}
    for path in in_order(item for item in folder.iterdir() if is_ours(item)):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem in found:
            raise FusionError(f"{found[path.stem]} and {path.name} share a stem; remove one")
        if _is_undecoded(path.name):
            raise FusionError(
                f"{folder}: the name {path.name!a} is not text in this locale; rename the "
                "file, or set LC_ALL=C.UTF-8"
            )
        found[path.stem] = path
    return found


def _is_undecoded(name: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in name)  # of os.fsdecode


class _Matched(NamedTuple):
    infrared: dict[str, Path]
    visible: dict[str, Path]
    partners: list[Partner]


def _match(infrared: Path, visible: Path) -> _Matched:
    """Match the images of two folders.

    Raises:
        FusionError: an image has no partner, or could have several.
    """
    a, b = images_by_stem(infrared), images_by_stem(visible)
    try:
        partners = pair_up(list(a), list(b))
    except FusionError as err:
        raise FusionError(f"{infrared} and {visible}: {err}") from err
    alone = (
        (infrared, visible, [s for s in a if s not in {item.infrared for item in partners}]),
        (visible, infrared, [s for s in b if s not in {item.visible for item in partners}]),
    )
    parts = [
        f"{len(stems)} images of {folder} have no partner in {other}: {', '.join(stems[:SHOWN])}"
        for folder, other, stems in alone
        if stems
    ]
    if parts:
        raise FusionError(f"{'; '.join(parts)}. {_advice()}")
    return _Matched(a, b, partners)


def _advice() -> str:
    return (
        f"Partners have {', else '.join(RULES)}; rename those above alike, or remove what is alone"
    )


def _files(
    split: str, matched: _Matched, rule: Callable[[Sequence[str]], list[str]]
) -> list[PairFile]:
    prefix = f"{split}/" if split else ""
    sequences = rule([item.name for item in matched.partners])
    return [
        PairFile(
            item.name,
            prefix + sequence,
            split,
            matched.infrared[item.infrared],
            matched.visible[item.visible],
        )
        for item, sequence in zip(matched.partners, sequences, strict=True)
    ]


def _scenes(folder: Path) -> list[PairFile]:
    """Pairs of TNO as published, whose images `IR*` and `VIS*` share the folder of their scene."""
    found = []
    for scene in in_order(path for path in folder.rglob("*") if path.is_dir()):
        if not all(is_ours(Path(part)) for part in scene.relative_to(folder).parts):
            continue
        name = scene.relative_to(folder).as_posix()
        partners = _scene_partners(scene)
        for common, infrared, visible in partners:
            stem = f"{name}/{common}" if len(partners) > 1 else name
            found.append(PairFile(stem, name, "", infrared, visible))
    return found


def _scene_partners(scene: Path) -> list[tuple[str, Path, Path]]:
    images = images_by_stem(scene)
    infrared = {_bare(s): p for s, p in images.items() if s.upper().startswith("IR")}
    visible = {_bare(s): p for s, p in images.items() if s.upper().startswith("VIS")}
    if len(infrared) == len(visible) == 1:  # the rest of the names often differ: take the pair
        (name, path), (other,) = *infrared.items(), visible.values()
        return [(name, path, other)]
    partners = pair_up(list(infrared), list(visible))
    if not len(partners) == len(infrared) == len(visible):
        raise FusionError(
            f"{scene}: {len(infrared)} images IR* and {len(visible)} images VIS* do not match"
        )
    return [(item.name, infrared[item.infrared], visible[item.visible]) for item in partners]


def _bare(stem: str) -> str:
    return re.sub(r"^(IR|VIS)[_-]?", "", stem, flags=re.IGNORECASE)
