"""What a distilled student learns from: the cached ensemble of diffusion teachers, Eqs. 7 to 14.

Images are used whole: the features of a crop are not a crop of the features.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusionproxy.data import hold_out
from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.misalignment import Misalignment, displace

try:
    import torch
    from torch import Tensor, nn

    from fusionproxy.ensemble.cache import CachedEnsemble, Member
    from fusionproxy.losses import DistillationLoss, LossConfig, Targets
    from fusionproxy.student import Padded
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class DistillationConfig:
    """Settings of distillation; teachers and samples are checked against the cache."""

    loss: LossConfig = field(default_factory=LossConfig)
    misalignment: Misalignment | None = field(default_factory=Misalignment)  # Eq. 14
    teachers: tuple[str, ...] | None = None  # None takes what the cache has
    samples: int | None = None  # of each teacher


class DistillationTask:
    """Batches of a cache and the loss of Eq. 12."""

    label = "distilled"

    def __init__(self, ensemble: CachedEnsemble, config: DistillationConfig, batch: int) -> None:
        self.ensemble, self.config, self.batch = ensemble, config, batch
        _check(ensemble, config)
        held = hold_out(ensemble.sequences)
        self.training = [i for i, s in enumerate(ensemble.sequences) if s not in held]
        self.validation = [i for i, s in enumerate(ensemble.sequences) if s in held]
        if not self.training or not self.validation:
            raise FusionError("the cache holds one sequence only; a split needs at least two")
        self.panel = ensemble.panel()
        self.criterion = DistillationLoss(config.loss, ensemble.mean_variances)
        self.modules: nn.Module | None = self.criterion if config.loss.routing == "global" else None
        self._by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i in self.training:
            self._by_size[ensemble.sizes[i]].append(i)

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """Pairs of one size, the infrared displaced; sizes come as often as they have pairs."""
        sizes = list(self._by_size)
        shares = np.array([len(self._by_size[size]) for size in sizes], float)
        size = sizes[int(rng.choice(len(sizes), p=shares / shares.sum()))]
        group = self._by_size[size]
        chosen = rng.choice(group, size=self.batch, replace=len(group) < self.batch)
        batch = self.collate([self.ensemble[int(i)] for i in chosen])
        if self.config.misalignment is not None:
            shift, angle = self.config.misalignment.draw(rng, self.batch)
            batch["infrared"] = displace(batch["infrared"], shift, angle)
        return batch

    @staticmethod
    def collate(members: Sequence[Member]) -> dict[str, Any]:
        """Stack pairs of one size."""

        def stack(name: str) -> Tensor:
            return torch.stack([getattr(m, name) for m in members])

        def by_backbone(name: str) -> dict[str, Tensor]:
            slots = getattr(members[0], name)
            return {s: torch.stack([getattr(m, name)[s] for m in members]) for s in slots}

        targets = Targets(
            stack("mean"),
            stack("variance"),
            by_backbone("features"),
            by_backbone("feature_variances"),
        )
        return {
            "infrared": stack("infrared"),
            "visible": stack("visible"),
            "mean": targets.mean,
            "targets": targets,
        }

    def loss(self, fused: Tensor, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Eq. 12 and its three terms."""
        targets = _to(batch["targets"], fused.device)
        features: Mapping[str, Tensor] = {}
        if self.config.loss.feature_weight > 0:
            self.panel.to(fused.device)
            features = self.panel(fused, self.criterion.backbones)
        self.criterion.to(fused.device)
        return self.criterion(fused, features, targets)._asdict()  # type: ignore[no-any-return]

    @torch.no_grad()
    def validate(self, student: Padded, most: int) -> dict[str, dict[str, float]]:
        """Mean losses on held-out sequences, aligned; `average` fusion beside the student."""
        device = next(student.parameters()).device
        sums: dict[str, list[float]] = defaultdict(list)
        for index in self.validation[:: max(1, len(self.validation) // most)]:
            batch = self.collate([self.ensemble[index]])
            infrared, visible = batch["infrared"].to(device), batch["visible"].to(device)
            luma = (visible * visible.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(
                1, keepdim=True
            )
            images = {
                "student": student(infrared, visible),
                "average": (visible + 0.5 * (infrared - luma)).clamp(0, 1),
            }
            for name, image in images.items():
                for part, value in self.loss(image, batch).items():
                    sums[f"{name}_{part}"].append(float(value))
        count = float(len(sums["student_total"]))
        means = {key: round(float(np.mean(values)), 5) for key, values in sums.items()}
        return {"held-out": {"n": count, **means}}

    @torch.no_grad()
    def samples(self, student: Padded, rows: int = 4) -> U8:
        """A row a pair: infrared, visible, mean of the ensemble, fused; RGB, one width."""
        device = next(student.parameters()).device
        lines = []
        for index in np.linspace(0, len(self.validation) - 1, rows).astype(int):
            batch = self.collate([self.ensemble[self.validation[int(index)]]])
            infrared, visible = batch["infrared"], batch["visible"]
            fused = student(infrared.to(device), visible.to(device)).cpu()
            images = [infrared.expand_as(visible), visible, batch["mean"], fused]
            lines.append(torch.cat([image[0] for image in images], 2))
        width = min(line.shape[2] for line in lines)
        shown = [
            nn.functional.interpolate(
                line[None],
                (max(1, round(line.shape[1] * width / line.shape[2])), width),
                mode="area",
            )[0]
            for line in lines
        ]
        picture = torch.cat(shown, 1).permute(1, 2, 0).clamp(0, 1) * 255
        return picture.round().to(torch.uint8).numpy()

    def facts(self) -> Mapping[str, str]:
        """What the weights should say of their data."""
        return {
            "data_hash": self.ensemble.data_hash,
            "looks": json.dumps([]),
            "ensemble": json.dumps(self.ensemble.card()),
        }


def _check(ensemble: CachedEnsemble, config: DistillationConfig) -> None:
    """An ablation of the ensemble needs a cache of its own."""
    if config.teachers is not None and sorted(config.teachers) != sorted(ensemble.teachers):
        raise FusionError(
            f"expected a cache of the teachers {', '.join(config.teachers)}, found "
            f"{', '.join(ensemble.teachers)}; make one with `python -m fusionproxy.ensemble`"
        )
    if config.samples is not None and config.samples != ensemble.samples:
        raise FusionError(
            f"expected a cache of {config.samples} samples a teacher, found {ensemble.samples}"
        )


def _to(targets: Targets, device: torch.device) -> Targets:
    return Targets(
        targets.mean.to(device),
        targets.variance.to(device),
        {slot: x.to(device) for slot, x in targets.features.items()},
        {slot: x.to(device) for slot, x in targets.feature_variances.items()},
    )
