"""Exports a trained student: ONNX, safetensors and a model card.

python -m fusionproxy.export RUN [--out fusionproxy/weights/student_oracle.onnx]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from fusionproxy.errors import FusionError
from fusionproxy.runtime import OnnxModel, weights_hash
from fusionproxy.student import Padded, load

DEFAULT_OUT = Path(__file__).parent / "weights" / "student_oracle.onnx"
PARITY = 1e-3
ORACLE_NOTE = (
    "oracle: trained on clear-day renderings of the same pose, which no real camera has; "
    "an upper bound, not a deployable sensor. Its thermal input is derived from semantic "
    "segmentation and depth (privileged)."
)


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


def card_of(run: Path, onnx: Path, differences: dict[str, float]) -> dict[str, Any]:
    """What is known of the weights."""
    with safe_open(str(run / "student.safetensors"), framework="pt") as file:
        facts = file.metadata()
    settings = json.loads(facts["train_config"])
    settings["data"] = Path(settings["data"]).name
    return {
        "name": onnx.stem,
        "label": facts["label"],
        "note": ORACLE_NOTE,
        "onnx_sha256_12": weights_hash(onnx),
        "student": json.loads(facts["config"]),
        "training": settings,
        "command": f"python -m fusionproxy.train --data {settings['data']} --out RUN "
        f"--preset {settings['preset']} --steps {settings['steps']} --seed {settings['seed']}",
        "commit": commit(),
        "data_sha256_12": facts["data_hash"],
        "training_seconds": int(facts["seconds"]),
        "validation_by_weather": json.loads(facts["validation"]),
        "parity_with_torch": differences,
    }


def commit() -> str:
    """Commit of the source, or `unknown` outside a checkout."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        here = Path(__file__).parent
        found = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def export(run: Path, out: Path) -> dict[str, Any]:
    """Write ONNX, safetensors and card; returns the card.

    Raises:
        FusionError: the run has no student, or an export differs from torch.
    """
    source = run / "student.safetensors"
    student = load(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial.onnx")
    write_onnx(student, partial)
    differences = {name: parity(student, partial, name) for name in ("openvino", "onnxruntime")}
    for name, difference in differences.items():
        if difference > PARITY:
            partial.unlink()
            raise FusionError(f"{name} differs from torch by {difference:.2g}, above {PARITY}")
    partial.replace(out)
    shutil.copyfile(source, out.with_suffix(".safetensors"))
    card = card_of(run, out, differences)
    out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    return card


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="fusionproxy.export", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of `fusionproxy.train`")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    options = parser.parse_args(arguments)
    try:
        card = export(options.run, options.out)
    except FusionError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    print(json.dumps(card, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
