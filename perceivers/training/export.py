"""Turn a training run into shipped files: ONNX for detector and segmenter, and a model card.

python -m perceivers.training export RUN --out perceivers/weights/perceiver_v1.onnx
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import WeightsError
from fusiondrive.files import check_file, whole_file
from fusionproxy.runtime import OnnxModel
from perceivers.kinds import KINDS, SEGMENTS
from perceivers.trained import FAMILY
from perceivers.training.network import Exported, PerceiverNetwork
from perceivers.training.trainer import LAST, TENSORS, read_run
from policies.training.onnx_file import without_paths, write_onnx

PARITY_LIMIT = 5e-3
SIZES = ((480, 640), (320, 416))  # rows and columns that are compared with torch


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    run: Annotated[Path, Flag("folder of perceivers.training train", names=("run",))]
    out: Annotated[Path, Flag("the .onnx file to write", "FILE")]
    least_score: Annotated[
        float, Flag("of a detection, kept in the card", more_than=0, at_most=1)
    ] = 0.4

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


def run(options: Options) -> str:
    """Export as a command line says; returns what to say at the end."""
    check_file(options.out, flag="--out")
    parity = export(options.run / LAST, options.out, options.least_score)
    size = options.out.stat().st_size / 2**20
    return f"{options.out}: {size:.1f} MiB, largest difference to torch {parity:.1e}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: run(parse(Options, arguments, "perceivers.training export", __doc__)))


def export(checkpoint: Path, out: Path, least_score: float) -> float:
    """Write `out`, and beside it .safetensors, to train on from, .json and .md.

    Matrices are stored in half precision and computed in single.

    Returns:
        The largest difference of scores and segments between ONNX and torch on random pictures.

    Raises:
        ConfigError: there is no such run.
        WeightsError: the two differ by more than 0.005.
    """
    network, facts = read_run(checkpoint)
    for value in network.state_dict().values():
        if value.dtype.is_floating_point and value.ndim >= 2:
            value.copy_(value.half().float())
    facts = without_paths(facts)
    _write_onnx(network, out)
    parity = measure_parity(network, out)
    if parity > PARITY_LIMIT:
        raise WeightsError(f"{out}: differs from torch by {parity:.2e}; limit {PARITY_LIMIT}")
    card = {
        "family": FAMILY,
        "kinds": list(KINDS),
        "segments": list(SEGMENTS),
        "least_score": least_score,
        **facts,
        "parity": parity,
    }
    halved = {
        key: value.half() if value.dtype.is_floating_point and value.ndim >= 2 else value
        for key, value in network.state_dict().items()
    }
    with whole_file(out.with_suffix(TENSORS), SafetensorError) as draft:
        save_file(halved, draft)
    with whole_file(out.with_suffix(".json")) as draft:
        draft.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    with whole_file(out.with_suffix(".md")) as draft:
        draft.write_text(describe(card, out.stem), encoding="utf-8")
    return parity


@torch.no_grad()
def measure_parity(network: PerceiverNetwork, path: Path) -> float:
    """Largest absolute difference of scores and logits between the ONNX file and torch."""
    model, shipped = OnnxModel(path), Exported(network).eval()
    rng, worst = np.random.default_rng(0), 0.0
    for rows, columns in SIZES:
        picture = rng.uniform(0.0, 255.0, (1, 3, rows, columns)).astype(np.float32)
        expected = [item.numpy() for item in shipped(torch.from_numpy(picture))]
        found = model(picture)
        scores = np.abs(expected[0] - found[0])[:, : len(KINDS)]
        worst = max(worst, float(scores.max()), float(np.abs(expected[1] - found[1]).max()))
    return worst


def _write_onnx(network: PerceiverNetwork, out: Path) -> None:
    rows, columns = torch.export.Dim("rows"), torch.export.Dim("columns")
    write_onnx(
        Exported(network).eval(),
        (torch.zeros(1, 3, *SIZES[0]),),
        out,
        names=["picture"],
        answers=["found", "segments"],
        dynamic_shapes=({2: 32 * rows, 3: 32 * columns},),
    )


def describe(card: dict[str, Any], name: str) -> str:
    """The card as a page."""
    found = card["held_out"]
    data = "\n".join(
        f"- Data: {item['frames']} frames, hash `{item['hash']}`, made by `{item['made_by']}`"
        for item in card["data"]
    )
    ap = "\n".join(f"| {key} | {_share(value)} |" for key, value in found["ap"].items())
    iou = "\n".join(f"| {key} | {_share(value)} |" for key, value in found["iou"].items())
    asked = ", ".join(f"{count} {kind}" for kind, count in found["asked"].items())
    begun = f"begun with `{card['begun_with']}`" if card["begun_with"] else "from scratch"
    return f"""# {name}

A detector of people, cyclists and cars and a segmenter on one backbone
({card["network"]["backbone"]}, {card["network"]["channels"]} channels), trained {begun} on RGB of
the embedded renderer in {", ".join(card["weathers"])}. It never saw fog or night: that is what the
harness measures.

{data}
- Look of the pictures: {", ".join(map(str, card["looks"])) or "unknown"}
- Training: {card["minutes"]} minutes, {card["step"]} steps of {card["train"]["batch"]} patches,
  seed {card["train"]["seed"]}, commit `{card["commit"]}`, torch {card["torch"]}
- A detection has a score of {card["least_score"]} at least.
- Largest difference between ONNX and torch: {card["parity"]:.1e}; weights are stored in half
  precision and computed in single.
- Distances are off by {_share(found["distance_error"])} in the median; by the box's foot on a level
  road {_share(found["foot_error"])}.

Judged on {found["frames"]} frames of {", ".join(card["train"]["held_out"])}, which were not trained
on; asked for: {asked} (6 px high at least, a fifth visible).

| average precision at IoU 0.5 | |
|---|---|
{ap}

| IoU | |
|---|---|
{iou}
"""


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.1f} %"
