"""The card of an exported student: what it is, how it was made, what was measured (needs torch)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusiondrive.arms import TWIN_OF
from fusiondrive.provenance import UNKNOWN
from fusionproxy.distillation import TERMS
from fusionproxy.errors import FusionError
from fusionproxy.fidelity import TERMS as FIDELITY_TERMS
from fusionproxy.formats import EXPORTS, INT8, IR, TENSORS, TORCHSCRIPT

TWIN = (
    "with a grey plane in place of the infrared image. It has to be fed one, as the harness does."
)
NOTES = {
    "oracle": "oracle: trained on clear-day renderings of the same pose, which no real camera has; "
    "an upper bound, not a deployable sensor. Its thermal input is derived from semantic "
    "segmentation and depth (privileged).",
    "distilled": "distilled: trained on the mean and the features of an ensemble of diffusion "
    "teachers, which its card names.",
    "direct": "direct: trained on clear pictures in made-up fog, darkness and infrared, without a "
    "teacher: the control that tells what distillation is worth. It has seen no rendered fog or "
    "night and no thermal image.",
    "direct_rgb": "direct_rgb: the direct student's twin without infrared, a control: trained as "
    f"it is on clear pictures in made-up weather, {TWIN}",
    "oracle_rgb": "oracle_rgb: the oracle's twin without infrared, a control: trained as it is on "
    f"clear-day renderings of the same pose, {TWIN}",
    "restored": "restored: the distilled student's twin without infrared, a control: trained as it "
    f"is on an ensemble of diffusion teachers, {TWIN}",
}
MEASURED = {
    "oracle": "Distance to the clear-day picture of the same pose (SSIM: Gaussian 11, range 1, "
    "RGB); `validation`: other routes of the training towns.",
    "distilled": "Losses of Eq. 12 against the ensemble; `validation`: held-out sequences.",
    "direct": "Distance to the clear picture (SSIM: Gaussian 11, range 1, RGB); `validation`: "
    "pictures of held-out sequences, in made-up weather.",
}
MEASURED |= {twin: MEASURED[label] for label, twin in TWIN_OF.items()}
# What each format of the same weights is for, by suffix.
PURPOSES: Mapping[str, str] = {
    ".onnx": "what `FusionProxy` and the harness run, on OpenVINO or ONNX Runtime, without torch",
    IR: "the same for OpenVINO alone, its weights in the `.bin` beside it",
    INT8: "quantised to 8 bits, for OpenVINO alone; its weights in the `.bin` beside it",
    TORCHSCRIPT: "the same for torch without this package",
    TENSORS: "the same for torch, to go on from",
}
IMAGES = ("input", "average", "student")


def label_of(facts: Mapping[str, str], source: Path) -> str:
    """What a student was trained for, such as `oracle` or `distilled`."""
    label = str(facts.get("label"))
    if label not in NOTES:
        raise FusionError(f"{source}: unknown label '{label}'; known: {', '.join(NOTES)}")
    return label


def card_of(facts: Mapping[str, str], source: Path, name: str) -> dict[str, Any]:
    """What the file of a training run says of itself.

    Raises:
        FusionError: it was not written by `fusionproxy.train`.
    """
    label = label_of(facts, source)
    try:
        settings = json.loads(facts["train_config"])
        settings["data"] = Path(settings["data"]).name
        if "direct" in settings:
            folders = settings["direct"]["folders"]
            settings["direct"]["folders"] = [Path(folder).name for folder in folders]
        return {
            "name": name,
            "label": label,
            "note": NOTES[label],
            "student": json.loads(facts["config"]),
            "training": settings,
            "command": command_of(settings),
            "commit": facts.get("commit", UNKNOWN),  # of the training, not of this export
            "data_sha256_12": facts["data_hash"],
            "looks": json.loads(facts.get("looks", "[]")),
            # Those of old weights had the same number as the visible pictures.
            "thermal_looks": json.loads(facts.get("thermal_looks", facts.get("looks", "[]"))),
            "training_seconds": int(facts["seconds"]),
            "validation_by_weather": json.loads(facts["validation"]),
            **({"ensemble": json.loads(facts["ensemble"])} if "ensemble" in facts else {}),
        }
    except (KeyError, ValueError, TypeError) as err:
        raise FusionError(
            f"{source} lacks what `python -m fusionproxy.train` says of a run ({err!r})"
        ) from err


def command_of(settings: dict[str, Any]) -> str:
    """The command line that trains with these settings."""
    minutes = settings.get("minutes")
    source, more = _source_flags(settings)
    length = f"--steps {settings['steps']}" if minutes is None else f"--minutes {minutes:g}"
    more += " --blank-infrared" if settings.get("blank_infrared") else ""
    more += " --init FILE" if settings.get("begun_with") else ""
    return (
        f"python -m fusionproxy.train {source} --out RUN --student "
        f"{settings['student']} {length} --batch {settings['batch']} --seed {settings['seed']}"
        f"{more}"
    )


def _source_flags(settings: dict[str, Any]) -> tuple[str, str]:
    """What a student learnt from, and the flags that only such a training has."""
    if settings["target"] == "direct":
        direct = settings["direct"]
        more = [f" --layout {direct['layout']}"] if direct["layout"] != "folders" else []
        more += [f" --split {direct['split']}"] if direct["split"] else []
        more += [] if direct["misalignment"] else [" --no-misalignment"]
        mix = [f"{name}={weight:g}" for name, weight in direct["mix"].items()]
        more += [f" --mix {' '.join(mix)}"] if mix else []
        return f"--clear {' '.join(direct['folders'])}", "".join(more)
    if settings["target"] == "oracle":
        return f"--data {settings['data']}", ""
    return f"--ensemble {settings['data']}", _distillation_flags(settings)


def _distillation_flags(settings: dict[str, Any]) -> str:
    """Weights and whatever else of a distillation the command line can change."""
    distillation = settings["distillation"]
    weights = {**distillation["loss"], **distillation.get("fidelity", {})}
    known = [term for term in (*TERMS, *FIDELITY_TERMS) if f"{term}_weight" in weights]
    terms = [f"{term}={weights[f'{term}_weight']:g}" for term in known]
    flags = f" --learning-rate {settings['learning_rate']:g} --weight {' '.join(terms)}"
    flags += f" --structure {distillation['loss']['structure']}"
    if distillation.get("feature_every", 1) != 1:
        flags += f" --feature-every {distillation['feature_every']}"
    return flags + (" --no-misalignment" if distillation["misalignment"] is None else "")


def describe(card: dict[str, Any]) -> str:
    """The card as a page for people."""
    begun = card["training"].get("begun_with")
    lines = [
        f"# {card['name']}", "", card["note"], "",
        f"- made by `{card['command']}` at commit {card['commit']}",
        f"- data {card['data_sha256_12']} (SHA-256, 12 digits)",
        *([f"- begun with weights {begun}"] if begun else []),
        f"- look of the pictures: {', '.join(map(str, card['looks'])) or 'unknown'}",
        "- input: thermal (1, 1, H, W) and RGB (1, 3, H, W) in [0, 1], any size; output: RGB",
    ]  # fmt: skip
    for suffix in (*(EXPORTS[name] for name in card["files"]), TENSORS):
        lines.append(f"- `{card['name']}{suffix}`: {PURPOSES[suffix]}")
    for teacher in card.get("ensemble", {}).get("teachers", ()):
        lines.append(f"- teacher `{teacher['name']}`: {_teacher(teacher)}")
    for backbone in card.get("ensemble", {}).get("panel", {}).get("backbones", ()):
        stands = f", stands for {backbone['stands_for']}" if backbone["stands_for"] else ""
        lines.append(f"- backbone `{backbone['slot']}`: {backbone['architecture']}{stands}")
    lines += ["", MEASURED[card["label"]], "", *_numbers(card), "", *_files(card)]
    if "int8" in card:
        lines += ["", *_int8(card["int8"])]
    return "\n".join(lines) + "\n"


def _teacher(facts: Mapping[str, Any]) -> str:
    """A teacher in one line; its data stand in the JSON."""
    said = [f"{k} {v}" for k, v in facts.items() if k not in ("name", "card")]
    own = facts.get("card", {})
    if "step" in own:
        said.append(f"{own['label']}; {own['step']} steps on {own['images']} images")
    return ", ".join(said)


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


def _files(card: dict[str, Any]) -> list[str]:
    """Files, and how far each is from torch at which size."""
    sizes = list(dict.fromkeys(s for by in card["parity_with_torch"].values() for s in by))
    lines = [
        "Largest difference to torch (images in [0, 1]) by image size; int8 is judged below:",
        "",
        f"| file | SHA-256 | runtime | {' | '.join(sizes)} |",
        "|---" * (3 + len(sizes)) + "|",
    ]
    for name, file in card["files"].items():
        rows = {k: v for k, v in card["parity_with_torch"].items() if k.partition(" ")[0] == name}
        for key, by_size in rows.items():
            cells = " | ".join(f"{by_size[size]:.1e}" for size in sizes)
            lines.append(f"| {file['file']} | {file['sha256_12']} | {key.split()[1]} | {cells} |")
        if not rows:
            empty = " | ".join("–" for _ in sizes)
            lines.append(f"| {file['file']} | {file['sha256_12']} | openvino | {empty} |")
    return lines


def _int8(facts: dict[str, Any]) -> list[str]:
    kept = "held-out pairs" if facts["held_out"] else "the same pairs (there is one sequence only)"
    ratio = facts["psnr_db"]
    lines = [
        f"int8: {facts['layers']} layers, calibrated on {facts['calibrated_on']} pairs (data "
        f"{facts['data_sha256_12']}, {facts['size']}) and measured on {facts['measured_on']} of "
        f"{kept}: PSNR against fp32 {ratio['mean']:.1f} dB, worst pair {ratio['worst']:.1f} dB.",
        "",
        "| metric | fp32 | int8 |",
        "|---|---|---|",
    ]
    for title, row in facts["metrics"].items():
        lines.append(f"| {title} | {row['fp32']:.4g} | {row['int8']:.4g} |")
    return lines
