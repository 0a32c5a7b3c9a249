"""Turn a training run into shipped files: ONNX for driving, safetensors, and a model card.

python -m policies.training.export RUN --out policies/weights/cilrs_v8.onnx
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.errors import WeightsError
from fusiondrive.files import check_file, whole_file
from fusionproxy.runtime import OnnxModel
from policies.checkpoints import read_checkpoint
from policies.cilrs import FAMILY
from policies.cilrs_network import Cilrs, network_config
from policies.training.onnx_file import without_paths, write_onnx

PARITY_LIMIT = 1e-3
PARITY_SAMPLES = 16


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    run: Annotated[Path, Flag("folder of policies.training.train", names=("run",))]
    out: Annotated[Path, Flag("the .onnx file to write")]
    resume_rule: Annotated[bool, Flag("drive with the rule `policies.cilrs.resume`")] = False


def run(options: Options) -> str:
    """Export as a command line says; returns what to say at the end."""
    check_file(options.out, flag="--out")
    parity = export(options.run / "last.pth", options.out, resumes=options.resume_rule)
    return f"{options.out}: largest difference to torch {parity:.1e}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: run(parse(Options, arguments, "policies.training.export", __doc__)))


def export(checkpoint: Path, out: Path, *, resumes: bool = False) -> float:
    """Write `out`, and beside it .safetensors, .json and .md.

    Matrices are stored in half precision and computed in single: half the download, and both
    files hold the same rounded values. `resumes` is kept in the card: whether the policy drives
    with the rule `policies.cilrs.resume`.

    Returns:
        The largest difference between ONNX and torch on random inputs.

    Raises:
        WeightsError: the run has no checkpoint, or the two differ by more than 1e-3.
    """
    state = read_checkpoint(checkpoint)
    if "fusiondrive_cilrs" not in state:
        raise WeightsError(f"{checkpoint}: not a checkpoint of policies.training.train")
    facts: dict[str, Any] = without_paths(json.loads(state["fusiondrive_cilrs"]))
    net = Cilrs(network_config(facts["network"]))
    halved = {name: _halve(value) for name, value in state["model"].items()}
    net.load_state_dict({name: _whole(value) for name, value in halved.items()})
    net.eval()
    inputs = (torch.zeros(1, 3, net.config.height, net.config.width), torch.zeros(1, 1))
    write_onnx(net, inputs, out, names=["image", "speed"], answers=["actions", "seen_speed"])
    parity = measure_parity(net, out)
    if parity > PARITY_LIMIT:
        raise WeightsError(f"{out}: differs from torch by {parity:.2e}; limit {PARITY_LIMIT}")
    card = {"family": FAMILY, "looks": [], **facts, "resumes": resumes, "parity": parity}
    text = json.dumps(card, indent=2)
    with whole_file(out.with_suffix(".safetensors"), SafetensorError) as draft:
        save_file(halved, draft, metadata={"fusiondrive_cilrs": text})
    with whole_file(out.with_suffix(".json")) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
    with whole_file(out.with_suffix(".md")) as draft:
        draft.write_text(_describe(card, out.stem), encoding="utf-8")
    return parity


def measure_parity(net: Cilrs, path: Path) -> float:
    """Largest absolute difference between the ONNX file and torch."""
    model = OnnxModel(path)
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(PARITY_SAMPLES):
        image = rng.normal(size=(1, 3, net.config.height, net.config.width)).astype(np.float32)
        speed = rng.uniform(0.0, 1.0, size=(1, 1)).astype(np.float32)
        with torch.no_grad():
            expected = net(torch.from_numpy(image), torch.from_numpy(speed))
        found = model(image, speed)
        pairs = zip(expected, found, strict=True)
        worst = max(worst, *(float(np.abs(e.numpy() - f).max()) for e, f in pairs))
    return worst


def _halve(value: torch.Tensor) -> torch.Tensor:
    is_matrix = value.dtype.is_floating_point and value.ndim >= 2
    return value.half().contiguous() if is_matrix else value.contiguous()


def _whole(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.dtype == torch.float16 else value


def _amount(card: dict[str, Any]) -> str:
    """Of a data set; hours and kilometres are not in the cards of earlier ones."""
    driven = f" ({card['hours']} h, {card['km']} km)" if "hours" in card else ""
    return f"{card['frames']} frames{driven}"


def _describe(card: dict[str, Any], name: str) -> str:
    train = card["train"]
    data = "\n".join(
        f"- Data: {_amount(d)}, hash `{d['hash']}`, made by `{d['command']}`" for d in card["data"]
    )
    begun = card.get("begun_with")
    start = f"begun with weights `{begun}`" if begun else "trained from scratch"
    numbers = "\n".join(f"| {key} | {value} |" for key, value in card["validation"].items())
    return f"""# {name}

CILRS ({card["network"]["backbone"]}, slimness {card["network"]["slimness"]}), {start}
on RGB of the embedded renderer in clear weathers only. It never saw fog or night: that is what the
harness measures.

- `{name}.onnx`: what drives, on OpenVINO or ONNX Runtime, without torch.
- `{name}.safetensors`: the same weights for torch, to train on from (`--init`).
{data}
- Look of the pictures: {", ".join(map(str, card["looks"])) or "unknown"}
- Training: {card["minutes"]} minutes, {card["step"]} steps of {train["batch"]},
  seed {train["seed"]}, commit `{card["commit"]}`, torch {card["torch"]}
- Rule `policies.cilrs.resume`: {"on" if card["resumes"] else "off"}
- Largest difference between ONNX and torch: {card["parity"]:.1e}
- Weights are stored in half precision and computed in single.

| mean absolute error, held-out routes | |
|---|---|
{numbers}
"""


if __name__ == "__main__":
    sys.exit(main())
