r"""Fuses pairs with a student: a folder of pairs, two images or two videos; images or mp4 out.

    python -m fusionproxy.fuse --pairs DIR --out FOLDER
    python -m fusionproxy.fuse --pairs DIR --out fused.mp4 --rate 25
    python -m fusionproxy.fuse --infrared ir.png --visible vi.png --out fused.png
    python -m fusionproxy.fuse --infrared ir.mp4 --visible vi.mp4 --out fused.mp4 --side-by-side

Frames of two videos belong together by their index. What is there is kept unless --overwrite is
given; an output that was not finished is removed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import av
import cv2
import numpy as np

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.files import check_file, check_folder, whole_file, whole_folder
from fusionproxy.data import U8
from fusionproxy.errors import FusionError
from fusionproxy.layouts import SUFFIXES, PairFile
from fusionproxy.model import DEFAULT, FusionProxy
from fusionproxy.pair_source import Pair, PairFolder, PairSource
from fusionproxy.pairs import PairOptions
from fusionproxy.video import SUFFIXES as VIDEOS
from fusionproxy.video import VideoPairs, VideoWriter

IMAGE, VIDEO = ".png", ".mp4"  # of a folder of images; the only video that is written
RATE = Fraction(10)  # of a video made of images
Add = Callable[[str, U8, Fraction | None], None]  # name, picture, seconds since the first


@dataclass(frozen=True, kw_only=True)
class Options(PairOptions):
    """Options of this command."""

    pairs: Annotated[Path | None, Flag("folder of pairs")] = None
    infrared: Annotated[Path | None, Flag("image or video")] = None
    visible: Annotated[Path | None, Flag("image or video")] = None
    out: Annotated[Path, Flag("folder, image or .mp4")]
    student: Annotated[str, Flag("name of shipped weights, file or folder")] = DEFAULT
    side_by_side: Annotated[bool, Flag("visible | infrared | fused")] = False
    rate: Annotated[str | None, Flag(f"frames a second of an mp4 from images; else {RATE}")] = None
    overwrite: Annotated[bool, Flag("replace what is there")] = False

    @property
    def sides(self) -> tuple[Path, ...]:
        """The two images or videos, as far as they are given."""
        return tuple(side for side in (self.infrared, self.visible) if side is not None)


@dataclass(frozen=True)
class Input:
    """Pairs to be fused, in their order."""

    pairs: Iterable[Pair]
    names: Sequence[str]  # of the pairs, where they are known before reading
    count: int  # 0 where it is not known before reading
    rate: Fraction | None = None  # of videos
    files: frozenset[Path] = frozenset()  # must not be written


def open_input(options: Options) -> Input:
    """The pairs that the command line names.

    Raises:
        FusionError: they cannot be opened, or it names none or too many.
    """
    sides = options.sides
    if (options.pairs is None) is (not sides) or len(sides) == 1:
        raise FusionError("expected --pairs DIR, or both --infrared FILE and --visible FILE")
    if options.pairs is not None:
        return _from_source(options.open_pairs(options.pairs))
    infrared, visible = sides
    are_videos = [path.suffix.lower() in VIDEOS for path in sides]
    if are_videos[0] != are_videos[1]:
        raise FusionError(f"expected two images or two videos, found {infrared} and {visible}")
    if are_videos[0]:
        videos = VideoPairs(infrared, visible, options.read_as)
        names = [f"{index:06d}" for index in range(len(videos))]
        return Input(videos, names, len(videos), videos.rate, frozenset(sides))
    for path in sides:
        if not path.is_file():
            raise FusionError(f"no file at {path}; folders are given by --pairs DIR")
    file = PairFile(visible.stem, visible.stem, "", infrared, visible)
    return _from_source(PairFolder([file], "files", options.read_as))


def _from_source(source: PairSource) -> Input:
    names = list(source.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FusionError(f"{len(twice)} names stand for two pairs, such as {twice[0]}; --split?")
    files = source.files if isinstance(source, PairFolder) else []
    paths = frozenset(path for file in files for path in (file.infrared, file.visible))
    pairs = (source.load(index) for index in range(len(source)))
    return Input(pairs, names, len(source), files=paths)


@contextmanager
def _image(out: Path) -> Iterator[Add]:
    with whole_file(out) as partial:
        yield lambda _name, picture, _time: write_image(partial, picture)


@contextmanager
def _folder(out: Path) -> Iterator[Add]:
    with whole_folder(out) as partial:
        yield lambda name, picture, _time: write_image(partial / f"{name}{IMAGE}", picture)


@contextmanager
def _video(out: Path, rate: Fraction) -> Iterator[Add]:
    with whole_file(out, av.FFmpegError) as partial, VideoWriter(partial, rate) as writer:
        yield lambda _name, picture, time_s: writer.add(picture, time_s)


def write_image(path: Path, picture: U8, quality: int = 95) -> None:
    """Write RGB; an OSError says what went wrong, which OpenCV's own writer does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if is_jpeg else []
    path.write_bytes(cv2.imencode(path.suffix, picture[..., ::-1], options)[1].tobytes())


def open_output(
    out: Path, source: Input, rate: Fraction | None, *, overwrite: bool
) -> AbstractContextManager[Add]:
    """Where pictures go: an image, a video, or a folder.

    Raises:
        FusionError: it is there already, is an input, or does not fit the input.
    """
    suffix = out.suffix.lower()
    is_folder = out.is_dir() or not suffix
    if not is_folder and suffix not in (*SUFFIXES, VIDEO):
        known = ", ".join([*sorted(SUFFIXES), VIDEO])
        raise FusionError(f"--out: expected a folder or a file of {known}, found {out}")
    if suffix in SUFFIXES and not is_folder and source.count != 1:
        raise FusionError(f"--out: {out} is one image; give a folder or {VIDEO} for several pairs")
    if rate is not None and (source.rate is not None or suffix != VIDEO):
        raise FusionError(f"--rate is of a {VIDEO} that is made of images; leave it out")
    names = source.names or [f"{0:06d}"]
    targets = [out / f"{name}{IMAGE}" for name in names] if is_folder else [out]
    _check_targets(targets, source, overwrite=overwrite)
    if is_folder:
        check_folder(out, [f"{name}{IMAGE}" for name in names], flag="--out")
    else:
        check_file(out, flag="--out")
    if is_folder:
        return _folder(out)
    return _video(out, rate or source.rate or RATE) if suffix == VIDEO else _image(out)


def _check_targets(targets: Sequence[Path], source: Input, *, overwrite: bool) -> None:
    inputs = {path.resolve() for path in source.files}
    for target in targets:
        if target.resolve() in inputs:
            raise FusionError(f"--out: {target} is an input; it is not overwritten")
    there = [target for target in targets if target.exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise FusionError(f"{there[0]}{more} exist; give another --out, or --overwrite")


def fuse_all(source: Input, student: FusionProxy, add: Add, *, side_by_side: bool) -> int:
    """Fuse every pair; returns how many.

    Raises:
        FusionError: a pair cannot be read or fused.
    """
    started, done = time.monotonic(), 0
    try:
        for pair in source.pairs:
            fused: U8 = student.fuse(pair.visible, pair.infrared)
            add(pair.name, beside(pair, fused) if side_by_side else fused, pair.time_s)
            done += 1
            speed = done / (time.monotonic() - started)
            line = f"{done} of {source.count or '?'} pairs, {speed:.1f} a second "
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
    finally:
        print(end="\n" if done else "", file=sys.stderr)
    return done


def beside(pair: Pair, fused: U8) -> U8:
    """Visible, infrared and fused from left to right."""
    grey = np.repeat(pair.infrared[..., None], 3, axis=2)
    return np.hstack([pair.visible, grey, fused])


def rate_of(text: str | None) -> Fraction | None:
    """Frames a second: `25`, `29.97` or `30000/1001`."""
    if text is None:
        return None
    try:
        rate = Fraction(text).limit_denominator(1_000_000)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise FusionError(f"--rate: expected frames a second such as 25, found '{text}'")
    return rate


def run(options: Options) -> str:
    """Fuse as a command line says; returns what to say at the end."""
    source = open_input(options)
    output = open_output(options.out, source, rate_of(options.rate), overwrite=options.overwrite)
    student = FusionProxy.from_pretrained(options.student)
    with output as add:
        done = fuse_all(source, student, add, side_by_side=options.side_by_side)
    return f"fused {done} pairs with {student.path.name} ({student.weights_hash()}): {options.out}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(
        lambda: run(parse(Options, arguments, "fusionproxy.fuse", __doc__)),
        "stopped; the unfinished output is removed",
    )


if __name__ == "__main__":
    sys.exit(main())
