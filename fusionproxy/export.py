r"""Exports a trained student: ONNX, OpenVINO IR, int8, TorchScript; safetensors and a model card.

    python -m fusionproxy.export RUN [--out fusionproxy/weights/student_LABEL.onnx] [--unseen DIR]
    python -m fusionproxy.export RUN --out s.onnx --formats onnx openvino int8 torchscript \
        --calibrate PAIRS

Every file is compared with torch at several image sizes before anything is replaced.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fusiondrive.arms import TWIN_OF, TWINS
from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.files import whole_folder
from fusionproxy.data import Pairs, data_hash, read_index
from fusionproxy.errors import FusionError, exit_without, first_line
from fusionproxy.formats import EXPORTS, INT8, IR, TENSORS, beside, weights_hash
from fusionproxy.pairs import PairOptions, parse_size
from fusionproxy.quantize import Calibration, import_nncf, quantize

try:
    from torch import nn

    from fusionproxy.card import card_of, describe, label_of
    from fusionproxy.clear_target import validate
    from fusionproxy.student import Blanked, Padded, facts_of, load
    from fusionproxy.writers import (
        RUNNERS,
        parity,
        quiet,
        write_onnx,
        write_openvino,
        write_torchscript,
    )
except (ModuleNotFoundError, FusionError) as err:
    exit_without(err)

SHIPPED = Path(__file__).parent / "weights"
PARITY = 1e-3


@dataclass(frozen=True, kw_only=True)
class Options(PairOptions):
    """Options of this command; those of pairs are of `--calibrate`."""

    run: Annotated[Path, Flag("folder of `fusionproxy.train`", names=("run",))]
    out: Annotated[Path | None, Flag("by default the shipped file of its label")] = None
    unseen: Annotated[Path | None, Flag("captured pairs of a town not trained on")] = None
    formats: Annotated[tuple[str, ...], Flag(", ".join(EXPORTS), metavar="NAME")] = ("onnx",)
    calibrate: Annotated[Path | None, Flag("folder of pairs, for int8", metavar="PAIRS")] = None
    calibrate_size: Annotated[str, Flag("of them", metavar="WIDTHxHEIGHT")] = "640x480"


def measure(student: nn.Module, folder: Path) -> dict[str, dict[str, float]]:
    """Metrics by weather on all sequences of a data set that was not trained on."""
    shards = read_index(folder)
    if not shards:
        raise FusionError(f"no captured pairs in {folder}; run `python -m harness.capture`")
    return validate(student, Pairs(folder, shards), most=200)


def check_formats(formats: Sequence[str], calibration: Calibration | None) -> None:
    """Raise FusionError where a format is unknown or lacks what it needs."""
    unknown = [name for name in formats if name not in EXPORTS]
    if unknown or not formats:
        found = unknown[0] if unknown else ""
        raise FusionError(f"unknown format '{found}'; known: {', '.join(EXPORTS)}")
    if ("int8" in formats) is not (calibration is not None):
        raise FusionError("int8 needs --calibrate PAIRS, and --calibrate is of int8")
    if calibration is not None:
        import_nncf()


def write_formats(
    student: Padded, onnx: Path, formats: Sequence[str], calibration: Calibration | None
) -> dict[str, Any]:
    """Write the files of a student beside `onnx` and compare each with torch.

    Returns:
        What the card says of them: `files`, `parity_with_torch`, `int8`.

    Raises:
        FusionError: a file differs from torch by more than `PARITY`, int8 by less than its PSNR.
    """
    quiet()
    card: dict[str, Any] = {"files": {}, "parity_with_torch": {}}
    try:
        write_onnx(student, onnx)  # the others are made of it
        if "openvino" in formats:
            write_openvino(onnx, beside(onnx, IR))
        if "torchscript" in formats:
            write_torchscript(student, beside(onnx, EXPORTS["torchscript"]))
        if calibration is not None:
            card["int8"] = quantize(onnx, beside(onnx, INT8), student.config.preset, calibration)
    except RuntimeError as err:  # of torch and OpenVINO, for a full disk among others
        raise FusionError(f"{onnx.stem} cannot be exported ({first_line(err)})") from err
    for name in formats:
        path = beside(onnx, EXPORTS[name])
        card["files"][name] = {"file": path.name, "sha256_12": weights_hash(path)}
        for runtime, runner in {} if name == "int8" else RUNNERS[name].items():
            differences = parity(student, runner(path))
            worst = max(differences.values(), key=lambda x: (x != x, x))  # NaN differs, too
            if not worst <= PARITY:
                raise FusionError(
                    f"{name} on {runtime} differs from torch by {worst:.2g}, above {PARITY}"
                )
            card["parity_with_torch"][f"{name} {runtime}"] = differences
    if "onnx" not in formats:
        onnx.unlink()
    return card


def export(
    run: Path,
    out: Path | None,
    unseen: Path | None = None,
    formats: Sequence[str] = ("onnx",),
    calibration: Calibration | None = None,
) -> dict[str, Any]:
    """Write the files of a student, its safetensors and card; returns the card.

    Args:
        run: folder of a training run.
        out: the `.onnx` file; its neighbours have the same stem. None takes the shipped one of
            the student's label.
        unseen: captured pairs of another town, to be measured for the card.
        formats: names of `EXPORTS`.
        calibration: pairs for int8.

    Raises:
        FusionError: the run has no student, or an export differs from torch.
    """
    check_formats(formats, calibration)
    source = run / f"student{TENSORS}"
    student, facts = load(source), facts_of(source)
    label = label_of(facts, source)
    if out is None:
        out = SHIPPED / f"student_{label}.onnx"
    if out.suffix != ".onnx":
        raise FusionError(f"--out: expected a name that ends in .onnx, found {out}")
    if unseen is not None and label not in ("oracle", TWIN_OF["oracle"]):
        raise FusionError("--unseen measures an oracle; use `python -m fusionproxy.evaluate`")
    if calibration is not None and label in TWINS:
        raise FusionError(f"'{label}' is a control without infrared; int8 is of students with it")
    card = card_of(facts, source, out.stem)
    with whole_folder(out.parent, written(out, formats)) as partial:
        card |= write_formats(student, partial / out.name, formats, calibration)
        if unseen is not None:
            card["unseen_data_sha256_12"] = data_hash(unseen)
            fed = Blanked(student) if label in TWINS else student
            card["unseen_by_weather"] = measure(fed, unseen)
        shutil.copyfile(source, beside(partial / out.name, TENSORS))
        text = json.dumps(card, indent=1)
        beside(partial / out.name, ".json").write_text(text + "\n", encoding="utf-8")
        beside(partial / out.name, ".md").write_text(describe(card), encoding="utf-8")
    return card


def written(out: Path, formats: Sequence[str]) -> list[str]:
    """Names of the files that an export writes."""
    suffixes = [*(EXPORTS[name] for name in formats), TENSORS, ".json", ".md"]
    return [beside(out, suffix).name for suffix in suffixes]


def run(options: Options) -> str:
    """Export as a command line says; returns the card."""
    calibration = None
    if options.calibrate is not None:
        pairs = options.open_pairs(options.calibrate)
        calibration = Calibration(pairs, *parse_size("--calibrate-size", options.calibrate_size))
    card = export(options.run, options.out, options.unseen, options.formats, calibration)
    return json.dumps(card, indent=1)


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: run(parse(Options, arguments, "fusionproxy.export", __doc__)))


if __name__ == "__main__":
    sys.exit(main())
