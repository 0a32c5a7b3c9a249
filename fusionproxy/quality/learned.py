"""Learned metrics of one image: MUSIQ and CLIP-IQA by pyiqa, others (DeQA) as plug-ins.

A plug-in is an entry point of the group `fusionproxy.quality`: a function without arguments that
returns a function from an RGB image (H, W, 3) uint8 to a float.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusionproxy.errors import FusionError

U8 = NDArray[np.uint8]
Scorer = Callable[[U8], float]

ENTRY_POINTS = "fusionproxy.quality"
TITLES = {"musiq": "MUSIQ", "clipiqa": "CLIP-IQA", "deqa": "DeQA"}
_DEQA = (
    "DeQA-Score is a large multimodal model in its own repository (zhiyuanyou/DeQA-Score); install "
    f"it and register a function that builds its scorer as entry point 'deqa' of '{ENTRY_POINTS}'"
)
_EXTRA = "pip install 'fusiondrive[quality]'"


def make_scorer(spec: str) -> tuple[str, Scorer]:
    """Make a scorer from a text such as `musiq`, `clipiqa=FILE`, `deqa` or a plug-in's name.

    Returns:
        The column's title, and a function from an RGB image (H, W, 3) uint8 to a float.

    Raises:
        FusionError: an unknown name, a missing extra, or weights that cannot be had or loaded.
    """
    name, _, path = spec.partition("=")
    plug_ins = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name in plug_ins:
        scorer: Scorer = plug_ins[name].load()()
        return TITLES.get(name, name), scorer
    if name == "deqa":
        raise FusionError(f"no plug-in 'deqa': {_DEQA}")
    if name not in ("musiq", "clipiqa"):
        known = ", ".join([*TITLES, *sorted(plug_ins.keys() - TITLES)])
        raise FusionError(f"unknown learned metric '{name}'; known: {known}")
    return TITLES[name], _by_pyiqa(name, Path(path).expanduser() if path else None)


def make_scorers(specs: Sequence[str]) -> dict[str, Scorer]:
    """Make scorers, by column title."""
    return dict(make_scorer(spec) for spec in specs)


def _by_pyiqa(name: str, weights: Path | None) -> Scorer:
    if weights is not None and not weights.is_file():
        raise FusionError(f"{name}: no weights at {weights}")
    try:
        pyiqa: Any = importlib.import_module("pyiqa")
        import torch
    except ModuleNotFoundError as err:
        raise _missing(name, err) from err
    try:
        metric = _downloaded(pyiqa, name) if weights is None else _local(pyiqa, name, weights)
    except ModuleNotFoundError as err:  # pyiqa imports some of what it needs late
        raise _missing(name, err) from err

    def score(image: U8) -> float:
        unit = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255
        with torch.inference_mode():
            return float(metric(unit))  # (1, 3, H, W) RGB in [0, 1]

    return score


def _missing(name: str, err: ModuleNotFoundError) -> FusionError:
    # openai-clip, which pyiqa uses, still imports what setuptools 81 left out
    cure = "pip install 'setuptools<81'" if err.name == "pkg_resources" else _EXTRA
    return FusionError(f"{TITLES[name]} needs '{err.name}', which is missing: {cure}")


def _local(pyiqa: Any, name: str, weights: Path) -> Any:
    if name == "musiq":
        metric = pyiqa.create_metric(name, device="cpu", pretrained=False)
        _load(metric.net, weights)
        return metric
    _check_clip(weights)
    return pyiqa.create_metric(name, device="cpu", backbone=str(weights))


def _downloaded(pyiqa: Any, name: str) -> Any:
    try:
        return pyiqa.create_metric(name, device="cpu")
    except ModuleNotFoundError:
        raise
    except Exception as err:  # download errors of several libraries
        raise FusionError(
            f"the weights of {TITLES[name]} cannot be had here ({type(err).__name__}: {err}); run "
            f"`python -c \"import pyiqa; pyiqa.create_metric('{name}')\"` on a connected machine, "
            f"copy the file it names, and give it as --learned {name}=FILE"
        ) from err


def _load(net: Any, path: Path) -> None:
    """Load a state dict from safetensors or from a torch file that holds no code."""
    state = _state(path)
    state = state.get("params", state)
    state = {key.removeprefix("module."): value for key, value in state.items()}
    try:
        net.load_state_dict(state)
    except RuntimeError as err:
        reason = str(err).splitlines()[1].strip() if "\n" in str(err) else str(err)
        raise FusionError(f"{path} holds other weights than expected: {reason[:200]}") from err


def _state(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as err:  # unpickling errors have many types
        reason = str(err).splitlines()[0][:200]
        raise FusionError(
            f"{path}: refused, since it is not a plain file of tensors ({reason}); "
            "convert it to safetensors"
        ) from err


def _check_clip(path: Path) -> None:
    """Refuse what is no TorchScript archive such as CLIP's RN50.pt, which pyiqa needs."""
    import torch

    try:
        torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except RuntimeError as err:
        raise FusionError(
            f"{path}: refused; CLIP-IQA takes OpenAI's RN50.pt, a TorchScript archive"
        ) from err
