r"""Draws the samples of an ensemble for some pairs, so that a person can judge them.

    python -m fusionproxy.ensemble.pictures --ensemble CACHE --student FILE --out PICTURE.jpg

One row a pair, of those whose samples the cache keeps: thermal, visible, their average, a sample of
each teacher, the ensemble's mean, the deviation between samples (Eq. 5), which backbone the feature
loss listens to (Eq. 8), and the student's image.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.files import check_file
from fusionproxy.classical import average, fuse_luma
from fusionproxy.data import U8
from fusionproxy.ensemble.pair_list import evenly
from fusionproxy.errors import FusionError, exit_without
from fusionproxy.fuse import write_image
from fusionproxy.model import FusionProxy

try:
    import torch
    from torch import Tensor

    from fusionproxy.ensemble.cache import CachedEnsemble, Member, open_ensemble
    from fusionproxy.losses import LossConfig, routing_weights
except (ModuleNotFoundError, FusionError) as err:
    exit_without(err)

WIDTH = 240  # of a picture
CAPTION = 22
# one colour a backbone, RGB in [0, 1]: orange, sky blue, green, violet (of Okabe and Ito)
COLOURS = ((0.90, 0.62, 0.0), (0.34, 0.71, 0.91), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65))
MOST_DEVIATION = 0.25  # of the range; the brightest colour
JPEG_QUALITY = 88


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    ensemble: Annotated[Path, Flag("a complete cache")]
    student: Annotated[str | None, Flag("name or file of weights, for the last column")] = None
    rows: Annotated[int, Flag("pairs to show", at_least=1)] = 4
    folder: Annotated[str | None, Flag("of pairs to show, by its name; by default all")] = None
    out: Annotated[Path, Flag(".jpg or .png")]

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


def planes_to_rgb(image: Tensor) -> U8:
    """Convert planes (1 or 3, H, W) in [0, 1] to RGB (H, W, 3) uint8."""
    bytes_ = (image.expand(3, -1, -1).clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(bytes_.permute(1, 2, 0).numpy())


def deviation_map(member: Member) -> U8:
    """Draw the square root of Eq. 5 in false colours; the brightest is `MOST_DEVIATION` or more."""
    level = (member.variance[0].clamp_min(0).sqrt() / MOST_DEVIATION).clamp(0, 1)
    grey = (level * 255).round().to(torch.uint8).numpy()
    return np.ascontiguousarray(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)[..., ::-1])


def routing_map(member: Member, ensemble: CachedEnsemble) -> U8:
    """Draw the routing of Eq. 8 at tau 1: the backbones' colours, mixed by their weights."""
    variances = {slot: x[None] for slot, x in member.feature_variances.items()}
    weights = routing_weights(variances, ensemble.mean_variances, LossConfig())
    if len(weights) > len(COLOURS):
        raise FusionError(f"{len(weights)} backbones; there are colours for {len(COLOURS)}")
    mixed = sum(
        weight[0] * torch.tensor(colour)[:, None, None]
        for weight, colour in zip(weights.values(), COLOURS, strict=False)
    )
    small = planes_to_rgb(torch.as_tensor(mixed))
    height, width = member.visible.shape[1:]
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST))


def columns(
    member: Member, ensemble: CachedEnsemble, student: FusionProxy | None
) -> list[tuple[str, U8]]:
    """Make the captions and pictures of one pair."""
    if member.samples is None:
        raise FusionError("this pair keeps no samples")
    visible, thermal = planes_to_rgb(member.visible), planes_to_rgb(member.infrared)
    found = [
        ("thermal", thermal),
        ("visible", visible),
        ("average", fuse_luma(visible, thermal[..., 0], average)),
    ]
    for t, name in enumerate(ensemble.teachers):
        sample = member.samples[t * ensemble.samples].float() / 255
        found.append((f"{name}, one sample", planes_to_rgb(sample)))
    found.append(("mean of samples", planes_to_rgb(member.mean)))
    found.append((f"deviation, 0 to {MOST_DEVIATION:g}", deviation_map(member)))
    found.append(("routing: " + " ".join(member.features), routing_map(member, ensemble)))
    if student is not None:
        fused: Any = student.fuse(visible, thermal[..., 0])
        found.append((f"student {student.weights_hash()[:6]}", fused))
    return found


def captioned(caption: str, picture: U8, colours: int) -> U8:
    """Put a picture, resized to `WIDTH`, below its caption.

    With `colours` the words after the first have the colours of the backbones.
    """
    height = round(picture.shape[0] * WIDTH / picture.shape[1])
    small = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
    strip = np.full((CAPTION, WIDTH, 3), 255, np.uint8)
    x, words = 3, caption.split(" ") if colours else [caption]
    for i, word in enumerate(words):
        shade = (0.0, 0.0, 0.0) if i == 0 else COLOURS[(i - 1) % len(COLOURS)]
        ink = tuple(int(200 * c) for c in shade)
        cv2.putText(strip, word, (x, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, 1, cv2.LINE_AA)
        x += cv2.getTextSize(word + " ", cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)[0][0]
    return np.vstack([strip, small])


def contact_sheet(
    ensemble: CachedEnsemble, student: FusionProxy | None, indices: Sequence[int]
) -> U8:
    """Draw an RGB picture with a row for each pair."""
    rows = []
    for index in indices:
        cells = columns(ensemble[index], ensemble, student)
        rows.append(np.hstack([captioned(c, p, int(c.startswith("routing"))) for c, p in cells]))
    return np.asarray(np.vstack(rows), dtype=np.uint8)


def with_samples(ensemble: CachedEnsemble, most: int, folder: str | None = None) -> list[int]:
    """Choose pairs whose samples are kept, evenly, from all folders or from the named one.

    Raises:
        FusionError: the cache keeps no samples there.
    """
    start = "" if folder is None else f"{folder}/"
    found = [
        i
        for i, name in enumerate(ensemble.names)
        if name.startswith(start) and ensemble[i].samples is not None
    ]
    if not found:
        where = f"{ensemble.folder} keeps no samples" + (f" of '{folder}'" if folder else "")
        raise FusionError(f"{where}; make the cache with more --keep-samples")
    return [found[k] for k in evenly(len(found), most)]


def run(options: Options) -> str:
    """Draw the picture that the options ask for and return the final message."""
    if options.out.suffix not in (".jpg", ".png"):
        raise FusionError(f"--out: expected a .jpg or .png, found {options.out}")
    check_file(options.out, flag="--out")
    ensemble = open_ensemble(options.ensemble)
    student = FusionProxy.from_pretrained(options.student) if options.student else None
    rows = with_samples(ensemble, options.rows, options.folder)
    picture = contact_sheet(ensemble, student, rows)
    write_image(options.out, picture, JPEG_QUALITY)
    return f"wrote {options.out}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    module = "fusionproxy.ensemble.pictures"
    return exit_code(lambda: run(parse(Options, arguments, module, __doc__)))


if __name__ == "__main__":
    sys.exit(main())
