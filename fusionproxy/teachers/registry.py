"""Teachers by name: trained folders, published checkpoints, anybody's callable."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fusiondrive.provenance import bytes_hash, file_hash
from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.order import is_ours
from fusionproxy.teachers import ddfm, mask_difuser
from fusionproxy.teachers.diffusion import make_scheduler
from fusionproxy.teachers.mask_difuser_net import MaskDiFuserNet
from fusionproxy.teachers.prior import HOW_TO_GET, load_guided_diffusion
from fusionproxy.teachers.rectify import EmConfig

try:
    import torch
    from diffusers import DDIMScheduler, UNet2DModel
    from torch import Tensor
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

SHIPPED = Path(__file__).parent.parent / "weights" / "teachers"

# infrared (B, 1, H, W) and visible (B, 3, H, W) in [0, 1], generator of all noise; one sample each
Sampler = Callable[[Tensor, Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn; None takes what the teacher's paper does."""

    steps: int | None = None
    compat: bool = False  # of DDFM


@dataclass(frozen=True)
class Teacher:
    """A source of samples and what is known of it."""

    name: str
    sampler: Sampler
    facts: Mapping[str, Any] = field(default_factory=dict)  # in the card and identity of a cache
    pipeline: Any = None  # behind the sampler; None of somebody's own
    device: str = "cpu"  # where the sampler wants its images

    def on(self, device: str) -> Teacher:
        """The same teacher on another device; one of somebody's own stays where it is."""
        if self.pipeline is None:
            return self
        self.pipeline.to(device)
        return replace(self, device=device)

    def sample(self, infrared: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
        """RGB (B, 3, H, W) in [0, 1].

        Raises:
            FusionError: the teacher gave another shape, or values that are not finite.
        """
        with torch.no_grad():
            fused = self.sampler(infrared.to(self.device), visible.to(self.device), generator)
        if not isinstance(fused, Tensor) or fused.shape != visible.shape:
            found = tuple(fused.shape) if isinstance(fused, Tensor) else type(fused).__name__
            raise FusionError(
                f"teacher '{self.name}': expected a sample {tuple(visible.shape)}, found {found}"
            )
        if not torch.isfinite(fused).all():
            raise FusionError(f"teacher '{self.name}' gave values that are NaN or infinite")
        return fused.to(visible.device).float().clamp(0, 1)


def open_ddfm(path: Path, sampling: Sampling) -> Teacher:
    """DDFM from a folder of `fusionproxy.teachers.train` or OpenAI's checkpoint."""
    if path.is_dir():
        unet = _pretrained(UNet2DModel, path / "unet")
        scheduler = _pretrained(DDIMScheduler, path / "scheduler")
    else:
        unet, scheduler = load_guided_diffusion(path), make_scheduler()
    pipeline = ddfm.pipeline_of(unet, scheduler)
    steps, config = sampling.steps or 100, EmConfig(compat=sampling.compat)

    def sampler(infrared: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
        fused: Tensor = pipeline(infrared, visible, generator, steps, config)
        return fused

    facts = {"steps": steps, "compat": sampling.compat, **_facts(path)}
    return Teacher("ddfm", sampler, facts, pipeline=pipeline)


def open_mask_difuser(path: Path, sampling: Sampling) -> Teacher:
    """Mask-DiFuser from a folder of `fusionproxy.teachers.train`."""
    if not path.is_dir():
        raise FusionError(
            f"no Mask-DiFuser at {path}; its weights are not public: train a small one with "
            "`python -m fusionproxy.teachers.train --teacher mask_difuser`"
        )
    network = _pretrained(MaskDiFuserNet, path / "network")
    pipeline = mask_difuser.pipeline_of(network, _pretrained(DDIMScheduler, path / "scheduler"))
    steps = sampling.steps or 5

    def sampler(infrared: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
        fused: Tensor = pipeline(infrared, visible, generator, steps)
        return fused

    return Teacher("mask_difuser", sampler, {"steps": steps, **_facts(path)}, pipeline=pipeline)


def open_plugin(name: str, target: str) -> Teacher:
    """Anybody's callable `package.module:function` of the type `Sampler`."""
    module, _, attribute = target.partition(":")
    try:
        source = importlib.import_module(module)
        sampler = getattr(source, attribute)
    except (ImportError, AttributeError) as err:
        raise FusionError(f"teacher '{name}': {target} cannot be imported ({err})") from err
    if not callable(sampler):
        raise FusionError(f"teacher '{name}': {target} is not callable")
    file = getattr(source, "__file__", None)
    code = Path(file).read_bytes() if file and Path(file).is_file() else b""
    facts = {"plugin": target, "source_sha256_12": bytes_hash([code])}
    return Teacher(name, sampler, facts)


TEACHERS: Mapping[str, Callable[[Path, Sampling], Teacher]] = {
    "ddfm": open_ddfm,
    "mask_difuser": open_mask_difuser,
}


def open_teacher(text: str, sampling: Mapping[str, Sampling] | None = None) -> Teacher:
    """A teacher from `ddfm=PATH`, `mask_difuser=PATH` or `NAME=package.module:function`.

    `ddfm` and `mask_difuser` alone are the small priors that ship; their cards stand beside them.

    Raises:
        FusionError: the name is unknown, or the weights cannot be used.
    """
    name, equals, target = text.partition("=")
    if not equals and name in TEACHERS:
        target = str(SHIPPED / name)
    elif not target:
        raise FusionError(f"--teacher: expected NAME=PATH or NAME=module:function, found '{text}'")
    if name in TEACHERS and not _is_plugin(target):
        return TEACHERS[name](Path(target).expanduser(), (sampling or {}).get(name, Sampling()))
    if not _is_plugin(target):
        known = ", ".join(TEACHERS)
        raise FusionError(
            f"unknown teacher '{name}'; known: {known}; any other as NAME=package.module:function"
        )
    return open_plugin(name, target)


def after_restoring(teacher: Teacher, restorer: Teacher) -> Teacher:
    """A teacher whose visible source is a sample of one that restores; the infrared stays.

    Our extension of DDFM, whose likelihood takes the visible image for the scene: its samples
    would keep what fog and darkness have done to it.
    """

    def sampler(infrared: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
        restored = restorer.sample(infrared, visible, generator)
        return teacher.sampler(infrared, restored.to(infrared), generator)

    facts = {**teacher.facts, "visible": f"restored by {restorer.name}"}
    return replace(teacher, sampler=sampler, facts=facts)


def read_network(name: str, folder: Path) -> Any:
    """The network of a folder of `fusionproxy.teachers.train`, at single precision.

    Raises:
        FusionError: there is none, or it is of another teacher.
    """
    kinds = {"ddfm": (UNet2DModel, "unet"), "mask_difuser": (MaskDiFuserNet, "network")}
    kind, part = kinds[name]
    return _pretrained(kind, folder / part)


def _is_plugin(target: str) -> bool:
    module, colon, name = target.partition(":")
    return bool(colon) and name.isidentifier() and all(p.isidentifier() for p in module.split("."))


def _pretrained(kind: Any, folder: Path) -> Any:
    if not (folder.is_dir() and any(folder.glob("*.json"))):
        raise FusionError(f"no {kind.__name__} in {folder}. {HOW_TO_GET}")
    options = {} if kind is DDIMScheduler else {"low_cpu_mem_usage": False, "use_safetensors": True}
    try:
        found = kind.from_pretrained(folder, local_files_only=True, **options)
    except Exception as err:  # diffusers raises OSError, ValueError and safetensors' own
        raise FusionError(f"{folder} cannot be loaded as {kind.__name__}: {err}") from err
    if kind is DDIMScheduler:
        return found
    return found.eval().to(memory_format=torch.channels_last)  # up to four times as fast on CPUs


def weights_of(path: Path | None) -> str:
    """Hash of a teacher's weights, in a folder or a file; empty without any."""
    if path is None:
        return ""
    if not path.is_dir():
        return file_hash(path)
    files = sorted(item for item in path.rglob("*.safetensors") if is_ours(item))
    if not files:
        raise FusionError(f"{path} holds no weights (*.safetensors). {HOW_TO_GET}")
    return file_hash(*files)


def _facts(path: Path) -> dict[str, Any]:
    """Hash of the weights, and the card where there is one; no path of this machine."""
    facts: dict[str, Any] = {"weights_sha256_12": weights_of(path)}
    card = path / "card.json"
    if path.is_dir() and card.is_file():
        try:
            facts["card"] = json.loads(card.read_text(encoding="utf-8"))
        except ValueError as err:
            raise FusionError(f"{card} is broken ({err}); train the teacher anew") from err
    return facts
