"""Exports a trained student: ONNX, safetensors and a model card.

python -m fusionproxy.export RUN [--out fusionproxy/weights/student_LABEL.onnx] [--unseen DIR]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fusionproxy.data import Pairs, data_hash, read_index
from fusionproxy.errors import FusionError, exit_without
from fusionproxy.provenance import UNKNOWN
from fusionproxy.runtime import OnnxModel, weights_hash

try:
    import torch
    from safetensors import safe_open

    from fusionproxy.oracle import validate
    from fusionproxy.student import Padded, load
except ModuleNotFoundError as err:
    exit_without(err)

SHIPPED = Path(__file__).parent / "weights"
PARITY = 1e-3
NOTES = {
    "oracle": "oracle: trained on clear-day renderings of the same pose, which no real camera has; "
    "an upper bound, not a deployable sensor. Its thermal input is derived from semantic "
    "segmentation and depth (privileged).",
    "distilled": "distilled: trained on the mean and the features of an ensemble of diffusion "
    "teachers, which its card names.",
}
MEASURED = {
    "oracle": "Distance to the clear-day picture of the same pose (SSIM: Gaussian 11, range 1, "
    "RGB); `validation`: other routes of the training town.",
    "distilled": "Losses of Eq. 12 against the ensemble; `validation`: held-out sequences.",
}
IMAGES = ("input", "average", "student")


def write_onnx(student: Padded, path: Path) -> None:
    """Write a student that takes any image size: infrared (1,1,H,W), visible (1,3,H,W)."""
    example = (torch.rand(1, 1, 300, 400), torch.rand(1, 3, 300, 400))
    sides = {2: "height", 3: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing the border sizes warns; any size is tested
        torch.onnx.export(
            student,
            example,
            str(path),
            input_names=["infrared", "visible"],
            output_names=["fused"],
            opset_version=18,
            dynamo=False,
            dynamic_axes={"infrared": sides, "visible": sides, "fused": sides},
        )


def parity(student: Padded, path: Path, runtime: str) -> float:
    """Largest difference between torch and the exported file, over three image sizes."""
    model = OnnxModel(path, runtime=runtime)
    rng = np.random.default_rng(0)
    worst = 0.0
    for height, width in ((300, 400), (301, 397), (64, 96)):
        infrared = rng.random((1, 1, height, width), np.float32)
        visible = rng.random((1, 3, height, width), np.float32)
        with torch.no_grad():
            expected = student(torch.from_numpy(infrared), torch.from_numpy(visible)).numpy()
        worst = max(worst, float(np.abs(model(infrared, visible)[0] - expected).max()))
    return worst


def label_of(source: Path) -> str:
    """What a student was trained for: `oracle` or `distilled`."""
    with safe_open(str(source), framework="pt") as file:
        label = str(file.metadata().get("label"))
    if label not in NOTES:
        raise FusionError(f"{source}: unknown label '{label}'; known: {', '.join(NOTES)}")
    return label


def card_of(run: Path, onnx: Path, differences: dict[str, float]) -> dict[str, Any]:
    """What is known of the weights."""
    with safe_open(str(run / "student.safetensors"), framework="pt") as file:
        facts = file.metadata()
    settings = json.loads(facts["train_config"])
    settings["data"] = Path(settings["data"]).name
    return {
        "name": onnx.stem,
        "label": facts["label"],
        "note": NOTES[facts["label"]],
        "onnx_sha256_12": weights_hash(onnx),
        "student": json.loads(facts["config"]),
        "training": settings,
        "command": command_of(settings),
        "commit": facts.get("commit", UNKNOWN),  # of the training, not of this export
        "data_sha256_12": facts["data_hash"],
        "looks": json.loads(facts.get("looks", "[]")),
        "training_seconds": int(facts["seconds"]),
        "validation_by_weather": json.loads(facts["validation"]),
        "parity_with_torch": differences,
        **({"ensemble": json.loads(facts["ensemble"])} if "ensemble" in facts else {}),
    }


def command_of(settings: dict[str, Any]) -> str:
    """The command line that trains with these settings."""
    minutes = settings.get("minutes")
    source = "--data" if settings["target"] == "oracle" else "--ensemble"
    length = f"--steps {settings['steps']}" if minutes is None else f"--minutes {minutes:g}"
    return (
        f"python -m fusionproxy.train {source} {settings['data']} --out RUN --student "
        f"{settings['student']} {length} --batch {settings['batch']} --seed {settings['seed']}"
    )


def measure(student: Padded, folder: Path) -> dict[str, dict[str, float]]:
    """Metrics by weather on all sequences of a data set that was not trained on."""
    shards = read_index(folder)
    if not shards:
        raise FusionError(f"no captured pairs in {folder}; run `python -m fusionproxy.capture`")
    return validate(student, Pairs(folder, shards), most=200)


def describe(card: dict[str, Any]) -> str:
    """The card as a page for people."""
    lines = [
        f"# {card['name']}", "", card["note"], "",
        f"- made by `{card['command']}` at commit {card['commit']}",
        f"- data {card['data_sha256_12']}, ONNX {card['onnx_sha256_12']} (SHA-256, 12 digits)",
        f"- look of the pictures: {', '.join(map(str, card['looks'])) or 'unknown'}",
        "- input: thermal (1, 1, H, W) and RGB (1, 3, H, W) in [0, 1], any size; output: RGB",
    ]  # fmt: skip
    for teacher in card.get("ensemble", {}).get("teachers", ()):
        lines.append(f"- teacher `{teacher['name']}`: {json.dumps(teacher)}")
    for backbone in card.get("ensemble", {}).get("panel", {}).get("backbones", ()):
        stands = f", stands for {backbone['stands_for']}" if backbone["stands_for"] else ""
        lines.append(f"- backbone `{backbone['slot']}`: {backbone['architecture']}{stands}")
    return "\n".join([*lines, "", MEASURED[card["label"]], "", *_numbers(card)]) + "\n"


def _numbers(card: dict[str, Any]) -> list[str]:
    """A table row for each image and group."""
    groups = [
        (data, group, row)
        for data in ("validation", "unseen")
        for group, row in card.get(f"{data}_by_weather", {}).items()
    ]
    metrics = list(dict.fromkeys(key.partition("_")[2] for key in groups[0][2] if key != "n"))
    lines = [f"| data | group | n | image | {' | '.join(metrics)} |", "|---" * (4 + len(metrics))]
    lines[1] += "|"
    for data, group, row in groups:
        for image in (name for name in IMAGES if f"{name}_{metrics[0]}" in row):
            numbers = " | ".join(f"{row[f'{image}_{metric}']:.4g}" for metric in metrics)
            lines.append(f"| {data} | {group} | {row['n']:.0f} | {image} | {numbers} |")
    return lines


def export(run: Path, out: Path | None, unseen: Path | None = None) -> dict[str, Any]:
    """Write ONNX, safetensors and card; returns the card.

    Args:
        run: folder of a training run.
        out: the `.onnx` file; its neighbours have the same stem. None takes the shipped one of
            the student's label.
        unseen: captured pairs of another town, to be measured for the card.

    Raises:
        FusionError: the run has no student, or an export differs from torch.
    """
    source = run / "student.safetensors"
    student = load(source)
    if out is None:
        out = SHIPPED / f"student_{label_of(source)}.onnx"
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial.onnx")
    write_onnx(student, partial)
    differences = {name: parity(student, partial, name) for name in ("openvino", "onnxruntime")}
    for name, difference in differences.items():
        if not difference <= PARITY:  # NaN is a difference, too
            partial.unlink()
            raise FusionError(f"{name} differs from torch by {difference:.2g}, above {PARITY}")
    partial.replace(out)
    shutil.copyfile(source, out.with_suffix(".safetensors"))
    card = card_of(run, out, differences)
    if unseen is not None:
        if card["label"] != "oracle":
            raise FusionError("--unseen measures an oracle; use `python -m fusionproxy.evaluate`")
        card["unseen_data_sha256_12"] = data_hash(unseen)
        card["unseen_by_weather"] = measure(student, unseen)
    out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    out.with_suffix(".md").write_text(describe(card))
    return card


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="fusionproxy.export", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of `fusionproxy.train`")
    parser.add_argument("--out", type=Path, help="default: the shipped file of its label")
    parser.add_argument("--unseen", type=Path, help="captured pairs of a town not trained on")
    options = parser.parse_args(arguments)
    try:
        card = export(options.run, options.out, options.unseen)
    except FusionError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    print(json.dumps(card, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
