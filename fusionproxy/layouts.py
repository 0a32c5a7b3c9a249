"""Where known sets of infrared/visible pairs keep their files, and which stems belong together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusionproxy.errors import FusionError

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
    """One way to arrange pairs; folder names are compared without case."""

    infrared: tuple[str, ...]
    visible: tuple[str, ...]
    sequences: Callable[[Sequence[str]], list[str]]  # of sorted stems
    scenes: bool = False  # one folder a scene, files named by a prefix


def runs(stems: Sequence[str]) -> list[str]:
    """Sequences of stems that end in a number: a new one at a gap or another prefix.

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
    """LLVIP: the first two of six digits number the camera's place."""
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
    """Pairs of a set, by name.

    The two folders lie in `folder`, in one folder a split (`train/ir`), or hold one folder a split
    (`infrared/train`). TNO: a folder a scene, with files `IR*` and `VIS*`; or two folders.

    Raises:
        FusionError: no such layout or split, nothing found, or files without a partner.
    """
    if layout not in LAYOUTS:
        raise FusionError(f"unknown layout '{layout}'; known: {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        raise FusionError(f"no folder of pairs at {folder}")
    rules = LAYOUTS[layout]
    found = [
        pair for name, a, b in _sides(folder, rules) for pair in _match(name, a, b, rules.sequences)
    ]
    if not found and rules.scenes:
        found = _scenes(folder)
    if not found:
        raise FusionError(_nothing(folder, layout))
    if split is not None:
        known = sorted({pair.split for pair in found if pair.split})
        found = [pair for pair in found if pair.split == split]
        if not found:
            raise FusionError(f"unknown split '{split}' in {folder}; known: {', '.join(known)}")
    return found


def _nothing(folder: Path, layout: str) -> str:
    rules = LAYOUTS[layout]
    wanted = f"{' or '.join(rules.infrared)} and {' or '.join(rules.visible)}"
    there = sorted(item.name for item in folder.iterdir())[:SHOWN]
    return (
        f"no pairs in {folder}: layout '{layout}' expects folders {wanted} with images "
        f"({', '.join(sorted(SUFFIXES))}); found {', '.join(there) or 'nothing'}"
    )


def _child(folder: Path, names: Iterable[str]) -> Path | None:
    children = {item.name.lower(): item for item in sorted(folder.iterdir()) if item.is_dir()}
    return next((children[name] for name in names if name in children), None)


def _sides(folder: Path, rules: Layout) -> list[tuple[str, Path, Path]]:
    """Split, infrared and visible folder of each part of a set."""
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
    """Images of a folder by stem, sorted.

    Raises:
        FusionError: two images differ in the suffix only.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem in found:
            raise FusionError(f"{found[path.stem]} and {path.name} share a stem; remove one")
        found[path.stem] = path
    return found


def _match(
    split: str, infrared: Path, visible: Path, rule: Callable[[Sequence[str]], list[str]]
) -> list[PairFile]:
    a, b = images_by_stem(infrared), images_by_stem(visible)
    for folder, other, alone in (
        (infrared, visible, a.keys() - b),
        (visible, infrared, b.keys() - a),
    ):
        if alone:
            shown = ", ".join(sorted(alone)[:SHOWN])
            raise FusionError(
                f"{len(alone)} images of {folder} have no partner in {other}: {shown}"
            )
    stems = list(a)
    prefix = f"{split}/" if split else ""
    return [
        PairFile(stem, prefix + sequence, split, a[stem], b[stem])
        for stem, sequence in zip(stems, rule(stems), strict=True)
    ]


def _scenes(folder: Path) -> list[PairFile]:
    """TNO as published: images `IR*` and `VIS*` of one scene share a folder, and what follows."""
    found = []
    for scene in sorted(path for path in folder.rglob("*") if path.is_dir()):
        images = images_by_stem(scene)
        infrared = {_bare(s): p for s, p in images.items() if s.upper().startswith("IR")}
        visible = {_bare(s): p for s, p in images.items() if s.upper().startswith("VIS")}
        if len(infrared) == len(visible) == 1:  # the rest of the names often differ: take the pair
            visible = dict(zip(infrared, visible.values(), strict=True))
        if infrared.keys() != visible.keys():
            raise FusionError(
                f"{scene}: {len(infrared)} images IR* and {len(visible)} images VIS* do not match"
            )
        name = scene.relative_to(folder).as_posix()
        for rest, path in infrared.items():
            stem = f"{name}/{rest}" if len(infrared) > 1 else name
            found.append(PairFile(stem, name, "", path, visible[rest]))
    return found


def _bare(stem: str) -> str:
    return re.sub(r"^(IR|VIS)[_-]?", "", stem, flags=re.IGNORECASE)
