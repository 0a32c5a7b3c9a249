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

from fusiondrive.errors import WeightsError
from fusiondrive.provenance import file_hash
from policies.base import Policy
from policies.cilrs import BRANCHES, CilrsPolicy, LoadedNetwork, Prediction
from policies.families import COILTRAINE, TRANSFUSER, Published, PublishedPolicy, roach
from policies.framing import framing_from
from policies.published import CoiltraineCilrs, RoachCilrs, RoachSettings, TransfuserCilrs

FAMILIES: dict[str, str] = {
    "fusiondrive": "a .onnx, .safetensors or run checkpoint of this project",
    "coiltraine": "key 'state_dict' with 'branches.branched_modules.*'",
    "carla-roach": "keys 'policy_state_dict' and 'policy_init_kwargs'",
    "transfuser": "bare state dict with 'encoder.features.*' and 'controller.*'",
}


def load_checkpoint(path: Path, *, bgr: bool = False) -> Policy:
    """Build the policy of a file of a known family.

    Args:
        path: the file; `weights_only` is always on.
        bgr: feed a published network blue first; coiltraine's training read its images so.

    Raises:
        WeightsError: the file is broken, of no known family, or does not fit its network.
    """
    state = read_checkpoint(path)
    family = detect_family(state, path)
    if family == "fusiondrive":
        if bgr:
            raise WeightsError(f"{path}: files of this project say their order of colours; no bgr")
        return CilrsPolicy(load_own(state, path))
    builders = {"coiltraine": _coiltraine, "carla-roach": _roach, "transfuser": _transfuser}
    net, published = builders[family](state, path)
    return PublishedPolicy(replace(published, bgr=bgr), _TorchNetwork(net, path), file_hash(path))


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
    if any(str(key).startswith(("encoder.features.", "module.encoder.features.")) for key in state):
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

    def __init__(self, net: torch.nn.Module, path: Path) -> None:
        self._net = net.eval()
        self._path = path

    @torch.no_grad()
    def __call__(self, image: NDArray[np.float32], speed: NDArray[np.float32]) -> Prediction:
        actions, *rest = self._net(torch.from_numpy(image), torch.from_numpy(speed))
        seen_speed = float(rest[0]) if rest else None
        values = np.asarray(actions[0].numpy(), dtype=np.float32)
        if not np.isfinite(values).all():
            raise WeightsError(f"{self._path}: the network answers {values.tolist()}")
        return Prediction(values, seen_speed)


def load_own(state: Mapping[str, Any], path: Path) -> LoadedNetwork:
    """The network of a file that `policies.training.train` or `policies.training.export` wrote."""
    from policies.cilrs_network import Cilrs, network_config  # timm takes seconds to import

    facts = json.loads(state["fusiondrive_cilrs"])
    net = Cilrs(network_config(facts["network"]))
    _fill(net, {name: value.float() for name, value in state["model"].items()}, path)
    return LoadedNetwork(
        network=_TorchNetwork(net, path),
        framing=framing_from(facts, str(path)),
        branches=BRANCHES,
        weights_hash=file_hash(path),
        resumes=bool(facts.get("resumes", True)),
    )


def _coiltraine(state: Mapping[str, Any], path: Path) -> tuple[torch.nn.Module, Published]:
    net = CoiltraineCilrs()
    _fill(net, state["state_dict"], path)
    return net, COILTRAINE


def _roach(state: Mapping[str, Any], path: Path) -> tuple[torch.nn.Module, Published]:
    kwargs, weights = state.get("policy_init_kwargs"), state["policy_state_dict"]
    if not isinstance(kwargs, Mapping) or "im_shape" not in kwargs:
        raise WeightsError(
            f"{path}: no 'policy_init_kwargs' with an 'im_shape'; of carla-roach, the imitation "
            "agents (cilrs) can drive here, the reinforcement-learning ones (ppo) cannot: they "
            "look at a bird's-eye view that only the simulator can draw"
        )
    if not isinstance(weights, Mapping):
        raise WeightsError(f"{path}: 'policy_state_dict' holds a {type(weights).__name__}")
    try:
        settings = RoachSettings.read(kwargs)
        published = roach(settings)
    except ValueError as err:
        raise WeightsError(f"{path}: {err}") from err
    net = RoachCilrs(settings)
    _fill(net, weights, path)
    return net, published


def _transfuser(state: Mapping[str, Any], path: Path) -> tuple[torch.nn.Module, Published]:
    if not any("controller.branches." in str(key) for key in state):
        raise WeightsError(
            f"{path}: a network of the transfuser repository, but not its CILRS: there is no "
            "'controller.branches.*' in it; drive others with --policy leaderboard:AGENT.py"
        )
    net = TransfuserCilrs()
    _fill(net, state, path)
    return net, TRANSFUSER


def _fill(net: torch.nn.Module, weights: Mapping[str, Any], path: Path) -> None:
    """Load strictly: a name or shape that does not fit is an error."""
    prefix = "module."  # left behind by DataParallel
    plain = {str(name).removeprefix(prefix): value for name, value in weights.items()}
    try:
        net.load_state_dict(plain)
    except (RuntimeError, TypeError, AttributeError) as err:
        lines = str(err).splitlines()
        raise WeightsError(f"{path}: weights do not fit: {' '.join(lines[:3]).strip()}") from err
