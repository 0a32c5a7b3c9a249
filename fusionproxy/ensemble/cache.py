"""The cache on disk: one verified safetensors file a pair, and a manifest of what made them.

Every file carries the SHA-256 of its tensors; reading checks it. Files appear whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusiondrive.files import whole_file
from fusionproxy.data import known_looks
from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.foundations.specs import panel_specs

try:
    import torch
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file, save_file
    from torch import Tensor

    from fusionproxy.foundations.panel import Panel
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

FORMAT = "fusionproxy-ensemble-1"
MANIFEST = "manifest.json"
MANIFEST_KEYS = (
    "identity",
    "settings",
    "samples",
    "teachers",
    "panel",
    "data",
    "data_sha256_12",
    "pairs",
)
SCALES = "scales.safetensors"
REBUILD = "run the command that made the cache again: only what is broken is made anew"


@dataclass(frozen=True)
class Member:
    """One pair with the ensemble's statistics; images are in [0, 1], features are scaled."""

    infrared: Tensor  # (1, H, W)
    visible: Tensor  # (3, H, W)
    mean: Tensor  # (3, H, W), Eq. 4
    variance: Tensor  # (1, H, W), Eq. 5
    features: Mapping[str, Tensor]  # (C_m, h, w) by backbone, Eq. 9
    feature_variances: Mapping[str, Tensor]  # (1, h, w) by backbone, Eq. 6
    samples: Tensor | None = None  # (2K, 3, H, W) uint8, of the pairs that keep them


def member_path(folder: Path, index: int) -> Path:
    """Path of a pair's file."""
    return folder / f"pair_{index:06d}.safetensors"


def write_member(path: Path, member: Member, facts: Mapping[str, str]) -> None:
    """Write the file of a pair; it appears whole or not at all.

    Raises:
        FusionError: the disk is full or cannot be written.
    """
    tensors = {
        "infrared": (member.infrared * 255).round().to(torch.uint8),
        "visible": (member.visible * 255).round().to(torch.uint8),
        "mean": member.mean.half(),  # to 2.5e-4 of the range
        "variance": member.variance.float(),
        **{f"features.{slot}": x.half() for slot, x in member.features.items()},
        **{f"variances.{slot}": x.float() for slot, x in member.feature_variances.items()},
    }
    if member.samples is not None:
        tensors["samples"] = member.samples
    tensors = {name: x.contiguous() for name, x in tensors.items()}
    save_tensors(path, tensors, {"format": FORMAT, "sha256": digest(tensors), **facts})


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file that appears whole or not at all."""
    with whole_file(path, SafetensorError) as partial:
        save_file(tensors, str(partial), metadata)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors, 64 hex digits."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.numpy().tobytes())
    return found.hexdigest()


def read_facts(path: Path) -> dict[str, str]:
    """Read the metadata of a file without its tensors.

    Raises:
        FusionError: the file is truncated or foreign.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            facts = dict(file.metadata() or {})
    except (SafetensorError, OSError) as err:
        raise FusionError(f"{path} is broken ({err}); {REBUILD}") from err
    if facts.get("format") != FORMAT:
        raise FusionError(f"{path}: expected format '{FORMAT}', found {facts.get('format')!r}")
    if not {"identity", "sha256"} <= facts.keys():
        raise FusionError(f"{path} does not say which cache it is of; {REBUILD}")
    return facts


def read_member(path: Path) -> Member:
    """Read the file of a pair and verify its checksum.

    Raises:
        FusionError: the file is truncated, or its bytes are not those that were written.
    """
    facts = read_facts(path)
    try:
        tensors = load_file(str(path))
    except (SafetensorError, OSError) as err:
        raise FusionError(f"{path} is broken ({err}); {REBUILD}") from err
    if digest(tensors) != facts["sha256"]:
        raise FusionError(f"{path} is damaged: its checksum differs; {REBUILD}")

    def by_backbone(prefix: str) -> dict[str, Tensor]:
        keys = [key for key in tensors if key.startswith(prefix)]
        return {key.removeprefix(prefix): tensors[key].float() for key in keys}

    return Member(
        tensors["infrared"].float() / 255,
        tensors["visible"].float() / 255,
        tensors["mean"].float(),
        tensors["variance"],
        by_backbone("features."),
        by_backbone("variances."),
        tensors.get("samples"),
    )


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a cache; it appears whole or not at all.

    Raises:
        FusionError: the disk is full or cannot be written.
    """
    with whole_file(folder / MANIFEST) as partial:
        partial.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a cache.

    Raises:
        FusionError: there is no manifest, or it is broken or foreign.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise FusionError(
            f"no ensemble in {folder}; make one with `python -m fusionproxy.ensemble`"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as err:
        raise FusionError(f"{path} is broken ({err}); make the cache in a new folder") from err
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise FusionError(f"{path}: expected format '{FORMAT}'")
    missing = [key for key in MANIFEST_KEYS if key not in manifest]
    if missing:
        raise FusionError(f"{path} lacks {', '.join(missing)}; make the cache in a new folder")
    return manifest


def read_scales(folder: Path, identity: str) -> dict[str, Tensor]:
    """Read the standard deviation of each channel, (C,) by backbone.

    Raises:
        FusionError: the file is missing, broken, or of another cache than `identity`.
    """
    path = folder / SCALES
    facts = read_facts(path)
    if facts.get("identity") != identity:
        raise FusionError(f"{path} is of another cache; {REBUILD}")
    scales: dict[str, Tensor] = load_file(str(path))
    if digest(scales) != facts["sha256"]:
        raise FusionError(f"{path} is damaged: its checksum differs; make the cache anew")
    return scales


class CachedEnsemble:
    """A complete cache, opened for training."""

    def __init__(self, folder: Path, weights: Mapping[str, Path] | None = None) -> None:
        manifest = read_manifest(folder)
        self.folder, self._manifest, self._weights = folder, manifest, weights
        names = manifest["pairs"]
        missing = [i for i in range(len(names)) if not member_path(folder, i).is_file()]
        if missing:
            raise FusionError(
                f"{folder} is not complete: {len(missing)} of {len(names)} pairs are missing, "
                f"such as '{names[missing[0]]['name']}'; {REBUILD}"
            )
        facts = [read_facts(member_path(folder, i)) for i in range(len(names))]
        for i, fact in enumerate(facts):
            if fact["identity"] != manifest["identity"]:
                raise FusionError(f"{member_path(folder, i)} is of another cache; {REBUILD}")
        self.names = [pair["name"] for pair in names]
        self.sequences = [pair["sequence"] for pair in names]
        self.sizes = [(int(f["height"]), int(f["width"])) for f in facts]
        self.teachers = tuple(teacher["name"] for teacher in manifest["teachers"])
        self.samples = int(manifest["samples"])
        self.data_hash = str(manifest["data_sha256_12"])
        self.looks = known_looks(manifest["data"])
        self.thermal_looks = known_looks(manifest["data"], "thermal_look")
        levels = [json.loads(fact["mean_variances"]) for fact in facts]
        self.mean_variances = {
            slot: sum(level[slot] for level in levels) / len(levels) for slot in levels[0]
        }

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.sequences)

    def __getitem__(self, index: int) -> Member:
        """Read one pair and verify it."""
        return read_member(member_path(self.folder, index))

    def panel(self) -> Panel:
        """The backbones that made the features, with their scales.

        Raises:
            FusionError: their weights are not those of the cache.
        """
        recorded = self._manifest["panel"]
        panel = Panel(panel_specs(recorded["name"], self._weights), recorded["stride"])
        hashes = [item["weights_sha256_12"] for item in panel.card()]
        wanted = [item["weights_sha256_12"] for item in recorded["backbones"]]
        if hashes != wanted:
            raise FusionError(
                f"panel '{recorded['name']}' has weights {', '.join(hashes)}; the cache was made "
                f"with {', '.join(wanted)}"
            )
        panel.set_scales(read_scales(self.folder, self._manifest["identity"]))
        return panel

    def card(self) -> dict[str, Any]:
        """Facts about the cache, without the list of pairs."""
        return {key: value for key, value in self._manifest.items() if key != "pairs"}


def open_ensemble(folder: Path, weights: Mapping[str, Path] | None = None) -> CachedEnsemble:
    """Open a complete cache.

    Args:
        folder: output folder of `python -m fusionproxy.ensemble`.
        weights: local files of the panel's backbones by slot, where they are not from the hub.

    Raises:
        FusionError: the cache is missing, incomplete, broken or foreign.
    """
    return CachedEnsemble(folder, weights)
