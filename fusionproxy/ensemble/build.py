"""Draws the samples of all teachers and reduces them, pair by pair, in one or more processes."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from fusiondrive.cli import Flag, check_values
from fusiondrive.files import PARTIAL
from fusiondrive.provenance import text_hash
from fusionproxy.ensemble.apart import check_apart
from fusionproxy.ensemble.cache import (
    FORMAT,
    MANIFEST,
    SCALES,
    Member,
    digest,
    member_path,
    read_facts,
    read_manifest,
    read_member,
    read_scales,
    save_tensors,
    write_manifest,
    write_member,
)
from fusionproxy.ensemble.pair_list import PairList, evenly
from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.foundations.specs import PANELS, panel_specs
from fusionproxy.pair_source import Pair

try:
    import torch
    from torch import Tensor

    from fusionproxy.foundations.panel import Panel, ScaleEstimate
    from fusionproxy.student import luma_of
    from fusionproxy.teachers.registry import Sampling, Teacher, after_restoring, open_teacher
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

COLOURS = ("teacher", "visible")
DDFM_SOURCES = ("image", "restored")


@dataclass(frozen=True)
class EnsembleConfig:
    """Everything that changes the cache, apart from the pairs."""

    teachers: Annotated[
        tuple[str, ...],
        Flag(
            "ddfm=RUN, mask_difuser=RUN or NAME=package.module:function; may be repeated",
            metavar="NAME=PATH",
            names=("--teacher",),
            is_repeated=True,
        ),
    ] = ()
    samples: Annotated[int, Flag("K, of each teacher", at_least=1)] = 4
    width: int = 320
    height: int = 240
    panel: Annotated[str, Flag("backbones of features", choices=tuple(sorted(PANELS)))] = "paper"
    stride: int = 16  # pixels of the image for each step of the features' grid
    ddfm_steps: Annotated[int, Flag("of DDFM's sampling", at_least=1)] = 100
    compat: Annotated[bool, Flag("DDFM with its repository's quirks")] = False
    ddfm_visible: Annotated[
        str,
        Flag(
            "DDFM's visible source: the image, or a sample of Mask-DiFuser, for fog and darkness",
            choices=DDFM_SOURCES,
        ),
    ] = "image"
    mask_steps: Annotated[int, Flag("of Mask-DiFuser's sampling", at_least=1)] = 5
    colour: Annotated[
        str,
        Flag("of samples; `visible` for teachers that have not learnt colour", choices=COLOURS),
    ] = "teacher"
    scale_images: int = 64  # whose features give the scales
    keep_samples: Annotated[int, Flag("of so many pairs, for pictures; chosen evenly")] = 4
    seed: Annotated[int, Flag("of all noise", at_least=0)] = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        names = [text.partition("=")[0] for text in self.teachers]
        if not names or len(set(names)) != len(names):
            found = ", ".join(names) or "none"
            raise FusionError(f"--teacher: expected one or more different teachers, found {found}")
        check_values(self, FusionError)
        if self.ddfm_visible == "restored" and not {"ddfm", "mask_difuser"} <= set(names):
            raise FusionError(
                "--ddfm-visible restored: expected the teachers ddfm and mask_difuser, which "
                f"restores for it; found {', '.join(names)}"
            )
        for name in ("stride", "scale_images"):
            if getattr(self, name) < 1:
                raise FusionError(f"{name}: expected 1 or more, found {getattr(self, name)}")
        if min(self.width, self.height) < 2 * self.stride:
            least = 2 * self.stride
            raise FusionError(f"--size: expected at least {least}x{least}, found {self.size}")

    @property
    def size(self) -> str:
        """Width and height as text."""
        return f"{self.width}x{self.height}"

    @property
    def sampling(self) -> Mapping[str, Sampling]:
        """Sampling settings of this package's teachers, by teacher."""
        return {
            "ddfm": Sampling(self.ddfm_steps, self.compat),
            "mask_difuser": Sampling(self.mask_steps),
        }


class Builder:
    """Teachers and panel of one process."""

    def __init__(
        self,
        config: EnsembleConfig,
        pairs: PairList,
        weights: Mapping[str, Path],
        device: str = "cpu",
    ) -> None:
        self.config, self.pairs, self.device = config, pairs, device
        self.teachers = open_teachers(config, device)
        self.panel = Panel(panel_specs(config.panel, weights), config.stride).to(device)
        self.shown = set(evenly(len(pairs.where), config.keep_samples))

    def manifest(self) -> dict[str, Any]:
        """Facts that identify the cache, without paths of this machine."""
        settings = {k: v for k, v in asdict(self.config).items() if k != "teachers"}
        cards = [source.card() for source in self.pairs.sources]
        hashes = json.dumps([card["sha256_12"] for card in cards] + [self.pairs.limits])
        made = {
            "format": FORMAT,
            "settings": settings,
            "samples": self.config.samples,
            "teachers": [{"name": t.name, **t.facts} for t in self.teachers],
            "panel": {
                "name": self.config.panel,
                "stride": self.config.stride,
                "backbones": self.panel.card(),
            },
            "data": cards,
            "data_sha256_12": text_hash(hashes),
            "pairs": self.pairs.table(),
        }
        text = json.dumps(made, sort_keys=True)
        made = json.loads(text)  # as it comes back from a file
        return {**made, "identity": hashlib.sha256(text.encode()).hexdigest()[:16]}

    def _pair(self, index: int) -> Pair:
        return self.pairs.load(index, self.config.width, self.config.height)

    def estimate_scales(self) -> dict[str, Tensor]:
        """Estimate the standard deviation of each channel over evenly chosen visible images."""
        estimate = ScaleEstimate()
        for index in evenly(len(self.pairs.where), self.config.scale_images):
            _, visible = planes(self._pair(index), self.device)
            estimate.add(self.panel.raw(visible))
        return estimate.scales()

    @torch.no_grad()
    def member(self, index: int) -> Member:
        """Draw the samples of one pair and reduce them one after the other (Welford 1962)."""
        infrared, visible = planes(self._pair(index), self.device)
        moments: dict[str, tuple[Tensor, Tensor]] = {}
        kept, count = [], 0
        for t, teacher in enumerate(self.teachers):
            for k in range(self.config.samples):
                seed = [self.config.seed, index, t, k]
                state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1)
                sample = teacher.sample(infrared, visible, torch.Generator().manual_seed(state))
                if self.config.colour == "visible":
                    sample = in_colour_of(visible, sample)
                count += 1
                for name, x in {"": sample, **self.panel(sample)}.items():
                    mean, squares = moments.get(name, (torch.zeros_like(x), x.new_zeros(1)))
                    change = x - mean
                    mean = mean + change / count
                    both = change * (x - mean)
                    # images average over channels (Eq. 5), features sum (Eq. 6)
                    folded = both.mean(1) if name == "" else both.sum(1)
                    moments[name] = (mean, squares + folded)
                if index in self.shown:
                    kept.append((sample[0] * 255).round().to(torch.uint8).cpu())
        mean, squares = moments.pop("")
        return Member(
            infrared[0].cpu(),
            visible[0].cpu(),
            mean[0].cpu(),
            (squares / count).cpu(),
            {slot: m[0].cpu() for slot, (m, _) in moments.items()},
            {slot: (s / count).cpu() for slot, (_, s) in moments.items()},
            torch.stack(kept) if kept else None,
        )

    def build(self, folder: Path, index: int, identity: str) -> None:
        """Make the file of one pair."""
        member = self.member(index)
        levels = {slot: float(x.mean()) for slot, x in member.feature_variances.items()}
        facts = {
            "identity": identity,
            "name": self.pairs.table()[index]["name"],
            "height": str(self.config.height),
            "width": str(self.config.width),
            "mean_variances": json.dumps(levels),
        }
        write_member(member_path(folder, index), member, facts)


def open_teachers(config: EnsembleConfig, device: str) -> list[Teacher]:
    """The teachers of an ensemble, in their order."""
    found = [open_teacher(text, config.sampling).on(device) for text in config.teachers]
    if config.ddfm_visible == "image":
        return found
    restorer = next(teacher for teacher in found if teacher.name == "mask_difuser")
    return [after_restoring(t, restorer) if t.name == "ddfm" else t for t in found]


def in_colour_of(visible: Tensor, sample: Tensor) -> Tensor:
    """Join the luma of a sample and the chroma (BT.601) of the visible image.

    All are (B, 3, H, W) in [0, 1].
    """
    return (visible + luma_of(sample) - luma_of(visible)).clamp(0, 1)


def planes(pair: Pair, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Convert a pair to infrared (1, 1, H, W) and visible (1, 3, H, W) in [0, 1]."""
    infrared = torch.from_numpy(np.array(pair.infrared))[None, None].float() / 255
    visible = torch.from_numpy(pair.visible.transpose(2, 0, 1).copy())[None].float() / 255
    return infrared.to(device), visible.to(device)


def prepare(builder: Builder, folder: Path) -> str:
    """Write manifest and scales, or check that those in the folder are of the same cache.

    Returns:
        The cache's identity.

    Raises:
        FusionError: the folder holds another cache, or a teacher has seen what it is to fuse.
    """
    manifest = builder.manifest()
    check_apart(builder.teachers, manifest["data"])
    if (folder / MANIFEST).is_file():
        earlier = read_manifest(folder)
        if earlier["identity"] != manifest["identity"]:
            changed = [k for k in manifest if manifest[k] != earlier.get(k) and k != "identity"]
            raise FusionError(
                f"{folder} holds another ensemble (it differs in: {', '.join(changed)}); "
                "give another --out"
            )
    identity = str(manifest["identity"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise FusionError(f"--out: {folder} cannot be a folder ({err})") from err
    if not _scales_intact(folder, identity):
        scales = builder.estimate_scales()
        facts = {"format": FORMAT, "sha256": digest(scales), "identity": identity}
        save_tensors(folder / SCALES, scales, facts)
    write_manifest(folder, manifest)
    return identity


def _scales_intact(folder: Path, identity: str) -> bool:
    if not (folder / SCALES).is_file():
        return False
    try:
        read_scales(folder, identity)
    except FusionError as err:
        print(f"making anew: {err}", file=sys.stderr)
        return False
    return True


def to_make(folder: Path, indices: Iterable[int], identity: str) -> list[int]:
    """Select the pairs whose file is missing, broken, damaged or of another cache."""
    found = []
    for index in indices:
        path = member_path(folder, index)
        if not path.is_file():
            found.append(index)
            continue
        try:
            intact = read_facts(path)["identity"] == identity
            read_member(path)
        except FusionError as err:
            print(f"making anew: {err}", file=sys.stderr)
            intact = False
        if not intact:
            found.append(index)
    return found


_builder: Builder | None = None  # of a worker process
_target: tuple[Path, str] = (Path(), "")


def _start_worker(
    config: EnsembleConfig,
    pairs: PairList,
    weights: Mapping[str, Path],
    target: tuple[Path, str],
    threads: int,
    device: str,
) -> None:
    global _builder, _target
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    _builder, _target = Builder(config, pairs, weights, device), target
    _builder.panel.set_scales(read_scales(*target))


def _work(index: int) -> int:
    assert _builder is not None
    _builder.build(_target[0], index, _target[1])
    return index


def build_ensemble(
    config: EnsembleConfig,
    pairs: PairList,
    folder: Path,
    weights: Mapping[str, Path],
    workers: int = 1,
    part: tuple[int, int] = (0, 1),
    device: str = "cpu",
) -> int:
    """Make the missing files of a cache.

    Args:
        config: settings of the ensemble.
        pairs: the pairs to cache.
        folder: the folder of the cache.
        weights: local files of the panel's backbones by slot.
        workers: number of processes, which share the cores.
        part: this machine's number, from 0, and how many machines share the folder.
        device: where samples are drawn; several workers may share a GPU.

    Returns:
        The number of files that were made.

    Raises:
        FusionError: a teacher or the folder cannot be used, or a worker process died.
    """
    torch.set_flush_denormal(True)
    builder = Builder(config, pairs, weights, device)
    identity = prepare(builder, folder)
    if part[1] == 1:  # nobody else writes here: these are of runs that were killed
        for left in folder.glob(f".*{PARTIAL}.*"):
            left.unlink(missing_ok=True)
    indices = to_make(folder, range(part[0], len(pairs.where), part[1]), identity)
    if workers <= 1:
        builder.panel.set_scales(read_scales(folder, identity))
        made = (_build_here(builder, folder, index, identity) for index in indices)
        return _follow(made, len(indices))
    del builder
    threads = max(1, (os.cpu_count() or 1) // workers)
    start = (config, pairs, weights, (folder, identity), threads, device)
    return _build_apart(start, indices, workers)


def _build_apart(start: tuple[Any, ...], indices: Sequence[int], workers: int) -> int:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, start) as pool:
        try:
            return _follow(pool.map(_work, indices), len(indices))
        except BrokenProcessPool as err:
            raise FusionError(
                "a worker process died (memory may be short: give fewer --workers); "
                "the same command goes on"
            ) from err
        finally:
            pool.shutdown(cancel_futures=True)


def _build_here(builder: Builder, folder: Path, index: int, identity: str) -> int:
    builder.build(folder, index, identity)
    return index


def _follow(made: Iterable[int], count: int) -> int:
    """Count the results as they come, with one line of progress."""
    started, done = time.monotonic(), 0
    try:
        for _ in made:
            done += 1
            left = (time.monotonic() - started) / done * (count - done) / 60
            line = f"{done} of {count} pairs, {left:.1f} min left "
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
    finally:
        print(end="\n" if done else "", file=sys.stderr)
    return done
