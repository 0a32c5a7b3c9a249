"""Torch checkpoints of CILRS: our own and the three published families, told apart by key."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from harness.errors import WeightsError
from policies.cilrs import BRANCHES, LoadedNetwork, Prediction, file_hash
from policies.cilrs_network import Cilrs, network_config
from policies.preprocess import Preprocessing, preprocessing_from
from policies.published import CoiltraineCilrs

FAMILIES: dict[str, str] = {
    "fusiondrive": "a .onnx, .safetensors or run checkpoint of this project",
    "coiltraine": "key 'state_dict' with 'branches.branched_modules.*'",
    "carla-roach": "key 'policy_state_dict'",
    "transfuser": "bare state dict with 'encoder.features.*'",
}


def load_checkpoint(path: Path) -> LoadedNetwork:
    """Load a file of a known family.

    Raises:
        WeightsError: the file is broken, of no known family, or of one that cannot drive here.
    """
    state = read_checkpoint(path)
    family = detect_family(state, path)
    if family == "fusiondrive":
        return _load_own(state, path)
    if family == "coiltraine":
        return _load_coiltraine(state, path)
    raise WeightsError(
        f"{path}: this is a {family} checkpoint; it is recognised, but its loader is not part of "
        f"this version (it needs another camera); families that drive: fusiondrive, coiltraine"
    )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a file's tensors; code in pickles is never run.

    Raises:
        WeightsError: missing, broken, or holding more than tensors and plain values.
    """
    if not path.is_file():
        raise WeightsError(f"policy weights {path}: no such file")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise WeightsError(
            f"{path}: refused, since it holds more than tensors (weights_only): "
            f"{str(err).splitlines()[0]}"
        ) from err
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as err:
        raise WeightsError(f"{path}: not a torch checkpoint: {err}") from err
    if not isinstance(state, dict):
        raise WeightsError(f"{path}: expected a dict, found {type(state).__name__}; {_known()}")
    return state


def detect_family(state: Mapping[str, Any], path: Path) -> str:
    """Name of the family, by key; an unknown file is a WeightsError that lists the known."""
    if "fusiondrive_cilrs" in state:
        return "fusiondrive"
    if "policy_state_dict" in state:
        return "carla-roach"
    inner = state.get("state_dict")
    if isinstance(inner, Mapping) and any("branches.branched_modules" in key for key in inner):
        return "coiltraine"
    if any("encoder.features" in key for key in state):
        return "transfuser"
    found = ", ".join(sorted(str(key) for key in state)[:4]) or "nothing"
    raise WeightsError(f"{path}: unknown checkpoint (its keys: {found}); {_known()}")


def _known() -> str:
    return "known families: " + "; ".join(f"{name} ({how})" for name, how in FAMILIES.items())


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as err:
        raise WeightsError(f"{path}: not a safetensors file: {err}") from err
    if "fusiondrive_cilrs" not in metadata:
        return tensors
    return {"fusiondrive_cilrs": metadata["fusiondrive_cilrs"], "model": tensors}


class _TorchNetwork:
    """A network whose outputs are all branches and, where it has one, the speed branch."""

    def __init__(self, net: torch.nn.Module) -> None:
        self._net = net.eval()

    @torch.no_grad()
    def __call__(self, image: NDArray[np.float32], speed: NDArray[np.float32]) -> Prediction:
        actions, *rest = self._net(torch.from_numpy(image), torch.from_numpy(speed))
        seen_speed = float(rest[0]) if rest else None
        return Prediction(np.asarray(actions[0].numpy(), dtype=np.float32), seen_speed)


def _load_own(state: Mapping[str, Any], path: Path) -> LoadedNetwork:
    facts = json.loads(state["fusiondrive_cilrs"])
    net = Cilrs(network_config(facts["network"]))
    _fill(net, {name: value.float() for name, value in state["model"].items()}, path)
    return LoadedNetwork(
        network=_TorchNetwork(net),
        preprocessing=preprocessing_from(facts, str(path)),
        branches=BRANCHES,
        weights_hash=file_hash(path),
        resumes=True,
        looks=tuple(facts.get("looks", ())),
    )


def _load_coiltraine(state: Mapping[str, Any], path: Path) -> LoadedNetwork:
    """ResNet-34, pixels divided by 255 and nothing else, fed RGB as in their driving code."""
    net = CoiltraineCilrs()
    prefix = "module."  # left behind by DataParallel
    weights = {name.removeprefix(prefix): value for name, value in state["state_dict"].items()}
    _fill(net, weights, path)
    plain = replace(Preprocessing(), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return LoadedNetwork(_TorchNetwork(net), plain, BRANCHES, file_hash(path))


def _fill(net: torch.nn.Module, weights: dict[str, torch.Tensor], path: Path) -> None:
    """Load strictly: a name or shape that does not fit is an error."""
    try:
        net.load_state_dict(weights)
    except RuntimeError as err:
        lines = str(err).splitlines()
        raise WeightsError(f"{path}: weights do not fit: {' '.join(lines[:3]).strip()}") from err
