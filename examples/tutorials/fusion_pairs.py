"""FusionProxy on pairs of your own: teachers' samples, a student, its file, a picture, a table.

python fusion_pairs.py --steps 200
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from fusionproxy import evaluate, export, fuse, train
from fusionproxy.ensemble import __main__ as ensemble

WIDTH, HEIGHT = 128, 96


def write_pairs(folder: Path, count: int) -> None:
    """Write aligned pairs: a textured street by night, and a person whom only the infrared shows.

    Put your own images in their place: `ir/NAME.png` and `vi/NAME.png`, of one size.
    """
    rng = np.random.default_rng(0)
    for side in ("ir", "vi"):
        (folder / side).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        texture = rng.integers(0, 90, (HEIGHT // 6, WIDTH // 6, 3), np.uint8)
        visible = cv2.resize(texture, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        infrared = cv2.GaussianBlur(cv2.cvtColor(visible, cv2.COLOR_BGR2GRAY), (0, 0), 3.0) // 2
        place = (int(rng.integers(20, WIDTH - 20)), HEIGHT // 2)
        cv2.ellipse(infrared, place, (7, 22), 0.0, 0.0, 360.0, 220, -1)
        name = f"{100 * number:04d}.png"
        cv2.imwrite(str(folder / "ir" / name), infrared)
        cv2.imwrite(str(folder / "vi" / name), visible)


def call(command: Callable[[list[str]], int], words: Sequence[str]) -> None:
    """Run a command of the package as the shell would; its failure ends the script."""
    code = command([*words])
    if code != 0:
        raise SystemExit(code)


def main() -> None:
    """Go from pairs to a student that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--steps", default="200")
    steps = parser.parse_args().steps
    write_pairs(Path("pairs"), 10)
    teachers = ["--teacher", "ddfm", "--teacher", "mask_difuser", "--samples", "2"]
    brief = ["--ddfm-steps", "5", "--mask-steps", "2", "--colour", "visible", "--panel", "tiny"]
    size = ["--size", f"{WIDTH}x{HEIGHT}"]
    call(ensemble.main, ["--pairs", "pairs", *teachers, *brief, *size, "--out", "cache"])
    student = ["--student", "cpu_contrast", "--steps", steps, "--batch", "2"]
    terms = ["--weight", "feature=0", "gradient=2", "intensity=0.5", "--no-misalignment"]
    call(train.main, ["--ensemble", "cache", "--out", "student", *student, *terms])
    call(export.main, ["student", "--out", "mine.onnx"])
    call(fuse.main, ["--pairs", "pairs", "--student", "mine.onnx", "--out", "fused", "--overwrite"])
    methods = ["--methods", "onnx:mine.onnx", "average", "laplacian"]
    call(evaluate.main, ["--pairs", "pairs", *methods, "--metrics", "EN", "MI", "SF", "VIF"])


if __name__ == "__main__":
    main()
