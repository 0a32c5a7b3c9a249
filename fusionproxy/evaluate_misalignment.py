r"""Table 6: how fusion degrades where the infrared camera is shifted and rotated (Eq. 14).

    python -m fusionproxy.evaluate_misalignment --pairs DIR --methods student average \
        --levels 0/0 5/2 10/4 30/10

Each pair draws one direction from the seed; a level scales it, so that rows differ in size only.
SSIM (Gaussian 11, range 255) is against the images of `--reference DIR` (the paper: the ensemble's
mean) or else the method's own fusion of the aligned pair.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.files import check_folder, whole_folder
from fusionproxy import published as paper
from fusionproxy.data import U8
from fusionproxy.errors import FusionError
from fusionproxy.evaluate import Protocol, ProtocolOptions, csv_writer, protocol_of, show_pairs
from fusionproxy.evaluate_tables import MEASURED, PRINTED, Measured, markdown
from fusionproxy.methods import Method, OutputFolder, make_methods
from fusionproxy.pair_source import Pair, PairSource
from fusionproxy.quality.planes import Trio, plane
from fusionproxy.quality.structure import ssim_gaussian_sum
from fusionproxy.quality.summary import NOTHING, summarise

logger = logging.getLogger(__name__)

SSIM = "SSIM"
RESULTS = ("table_6.md", "table_6.csv")
DEFAULT_METHODS = ("average", "max", "laplacian", "student")
DEFAULT_LEVELS = ("0/0", "5/2", "10/4", "30/10")


@dataclass(frozen=True, kw_only=True)
class Options(ProtocolOptions):
    """Options of this command."""

    methods: Annotated[tuple[str, ...], Flag("which", metavar="METHOD")] = DEFAULT_METHODS
    levels: Annotated[tuple[str, ...], Flag("bounds of the motion", metavar="PIXELS/DEGREES")] = (
        DEFAULT_LEVELS
    )
    reference: Annotated[Path | None, Flag("folder of target images by stem")] = None
    seed: Annotated[int, Flag("of the directions", at_least=0)] = 0
    out: Annotated[Path | None, Flag("folder for table_6.md and table_6.csv")] = None


@dataclass(frozen=True)
class Level:
    """Bounds of a random rigid motion of the infrared image.

    The four of the paper are reconstructed, since its text lost them.
    """

    shift_px: float  # along each axis
    angle_deg: float  # about the centre

    @property
    def title(self) -> str:
        """Row title."""
        return f"±{self.shift_px:g} px, ±{self.angle_deg:g}°"


def parse_level(text: str) -> Level:
    """`5/2` as 5 pixels and 2 degrees."""
    shift, _, angle = text.partition("/")
    try:
        level = Level(float(shift), float(angle))
    except ValueError as err:
        raise FusionError(f"--levels: expected PIXELS/DEGREES such as 5/2, found '{text}'") from err
    if level.shift_px < 0 or level.angle_deg < 0:
        raise FusionError(f"--levels: expected bounds of 0 or more, found '{text}'")
    return level


def displace(image: U8, shift_px: tuple[float, float], angle_deg: float) -> U8:
    """Rotate about the centre, then shift right and down; what comes in is mirrored."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, 1.0)
    matrix[:, 2] += shift_px
    moved = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, dtype=np.uint8)


def misalign(pair: Pair, level: Level, seed: int, index: int) -> Pair:
    """The pair with its infrared image displaced; the same seed and index move the same way."""
    x, y, turn = np.random.default_rng((seed, index)).uniform(-1, 1, 3)
    shift = (float(x) * level.shift_px, float(y) * level.shift_px)
    return replace(pair, infrared=displace(pair.infrared, shift, float(turn) * level.angle_deg))


def similarity(fused: U8, reference: U8) -> float:
    """SSIM of two images."""
    a, b = plane("fused", fused), plane("reference", reference)
    return ssim_gaussian_sum(Trio(a, b, b)) / 2


def sweep(
    source: PairSource,
    method: Method,
    level: Level,
    protocol: Protocol,
    *,
    seed: int,
    reference: OutputFolder | None = None,
) -> Measured:
    """Measure one method at one level."""
    names = [source.names[i] for i in protocol.indices(source)]
    result = Measured(method.name, level.title, names)
    tasks = [task for task in (protocol.detection, protocol.segmentation) if task is not None]
    key = f"{method.name} {level.title}"
    for index in protocol.indices(source):
        pair = protocol.load(source, index)
        target = method.fuse(pair) if reference is None else reference.fuse(pair)
        fused = method.fuse(misalign(pair, level, seed, index))
        values = {SSIM: similarity(fused, target)}
        result.add(values | {title: score(fused) for title, score in protocol.scorers.items()})
        for task in tasks:
            task.add(key, pair.name, fused)
    for task in tasks:
        result.sets |= task.summaries(key)
    logger.info("%s at %s: %d pairs", method.name, level.title, len(names))
    return result


def table_6(results: Sequence[Measured], reference: str) -> str:
    """Measured rows by method and level, then the paper's."""
    columns = [SSIM, *(t for t in results[0].values if t != SSIM), *results[0].sets]
    rows = [
        [r.method, r.source, MEASURED, str(len(r.pairs)), *(r.text(c) for c in columns)]
        for r in results
    ]
    for row in paper.TABLE_6:
        values = {SSIM: row.ssim, "MUSIQ": row.musiq, "mIoU": row.miou}
        printed = (f"{values[c]:g}" if c in values else NOTHING for c in columns)
        rows.append(
            [paper.OURS, Level(row.shift_px, row.angle_deg).title, PRINTED, NOTHING, *printed]
        )
    head = (
        f"### Table 6: misaligned infrared\n\nSSIM (Gaussian 11, range 255) against {reference}; "
        "mean and 95 % bootstrap interval over pairs. Published rows: "
        f"{paper.PAPER}, MSRS, SSIM against its ensemble's mean; ranges reconstructed.\n\n"
    )
    return head + markdown(["method", "perturbation", "source", "n", *columns], rows)


def write_csv(path: Path, results: Sequence[Measured]) -> None:
    """One row a method, level and column."""
    with csv_writer(path) as writer:
        writer.writerow(["method", "perturbation", "metric", "n", "missing", "mean", "low", "high"])
        for result in results:
            found = {t: summarise(values) for t, values in result.values.items()} | result.sets
            for title, item in found.items():
                numbers = [f"{v:.6f}" for v in (item.mean, item.low, item.high)]
                writer.writerow(
                    [result.method, result.source, title, item.n, item.missing, *numbers]
                )


def run(options: Options) -> str:
    """Measure and write as a command line says; returns the table."""
    if options.out:
        check_folder(options.out, RESULTS, flag="--out")
    results = _measure(options)
    own = "the method's own fusion of the aligned pair"
    table = table_6(results, "--reference" if options.reference else own)
    if options.out:
        with whole_folder(options.out) as partial:
            text = partial / RESULTS[0]
            text.write_text(table + "\n", encoding="utf-8", errors="backslashreplace")
            write_csv(partial / RESULTS[1], results)
    return table


def _measure(options: Options) -> list[Measured]:
    levels = [parse_level(text) for text in options.levels]
    protocol = protocol_of(options)
    source = options.open_pairs(options.pairs)
    methods = make_methods(list(options.methods))
    names = [source.names[i] for i in protocol.indices(source)]
    for method in methods:
        if isinstance(method, OutputFolder):
            raise FusionError(
                f"method '{method.name}': a folder of outputs cannot be run on displaced images"
            )
    for task in (protocol.detection, protocol.segmentation):
        if task is not None:
            task.check(names)
    reference = OutputFolder("reference", options.reference) if options.reference else None
    if reference is not None:
        reference.check(names)
    return [
        sweep(source, method, level, protocol, seed=options.seed, reference=reference)
        for method in methods
        for level in levels
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    show_pairs()
    module = "fusionproxy.evaluate_misalignment"
    return exit_code(lambda: run(parse(Options, arguments, module, __doc__)))


if __name__ == "__main__":
    sys.exit(main())
