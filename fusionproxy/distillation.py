"""The training task of a distilled student: the cached ensemble of teachers, Eqs. 7 to 14.

Images are used whole, since the features of a crop are not a crop of the features.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusionproxy.data import hold_out
from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.fidelity import TERMS as FIDELITY_TERMS
from fusionproxy.fidelity import FidelityConfig
from fusionproxy.misalignment import Misalignment, displace
from fusionproxy.mixing import chances

try:
    import torch
    from torch import Tensor, nn

    from fusionproxy.ensemble.cache import CachedEnsemble, Member
    from fusionproxy.losses import DistillationLoss, LossConfig, Targets
    from fusionproxy.student import luma_of
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

U8 = NDArray[np.uint8]
TERMS = ("pixel", "feature", "structure")  # of Eq. 12


@dataclass(frozen=True)
class DistillationConfig:
    """Settings of distillation; teachers and samples are checked against the cache."""

    loss: LossConfig = field(default_factory=LossConfig)
    misalignment: Misalignment | None = field(default_factory=Misalignment)  # Eq. 14
    teachers: tuple[str, ...] | None = None  # None takes what the cache has
    samples: int | None = None  # of each teacher
    fidelity: FidelityConfig = field(default_factory=FidelityConfig)
    mix: Mapping[str, float] = field(default_factory=dict)  # how often each set is drawn
    feature_every: int = 1  # compute the feature term in one of N steps, weighed N times

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.feature_every < 1:
            raise FusionError(f"--feature-every: expected 1 or more, found {self.feature_every}")

    def weighted(self, weights: Mapping[str, float]) -> DistillationConfig:
        """Copy these settings with other weights for the named terms.

        Raises:
            FusionError: a term is unknown.
        """
        loss, fidelity = self.loss, self.fidelity
        for term, weight in weights.items():
            change: dict[str, Any] = {f"{term}_weight": weight}
            if term in TERMS:
                loss = replace(loss, **change)
            elif term in FIDELITY_TERMS:
                fidelity = replace(fidelity, **change)
            else:
                known = ", ".join((*TERMS, *FIDELITY_TERMS))
                raise FusionError(f"--weight: unknown term '{term}'; known: {known}")
        return replace(self, loss=loss, fidelity=fidelity)


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
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place, i in enumerate(self.training):
            by_size[ensemble.sizes[i]].append(place)
        sets = [ensemble.names[i].partition("/")[0] for i in self.training]
        self._chances = chances(sets, config.mix)
        self._groups = [np.array(places) for places in by_size.values()]  # of one size each
        likely = np.ones(len(sets)) if self._chances is None else self._chances
        shares = np.array([likely[group].sum() for group in self._groups])
        self._shares = shares / shares.sum()

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """Draw a batch of pairs of one size, with the infrared displaced.

        A size is as likely as its pairs together.

        Without a feature term half of the batches are mirrored: the features of a mirrored image
        are not mirrored features.
        """
        chosen = self._chosen(rng)
        batch = self.collate([self.ensemble[i] for i in chosen])
        every = self.config.feature_every
        with_features = every == 1 or int(rng.integers(every)) == 0
        if not with_features and rng.random() < 0.5:
            batch = _mirrored(batch)
        batch["feature_factor"] = float(every if with_features else 0)
        if self.config.misalignment is not None:
            shift, angle = self.config.misalignment.draw(rng, self.batch)
            batch["infrared"] = displace(batch["infrared"], shift, angle)
        return batch

    def _chosen(self, rng: np.random.Generator) -> list[int]:
        group = self._groups[int(rng.choice(len(self._groups), p=self._shares))]
        weights = None if self._chances is None else self._chances[group]
        count = len(group) if weights is None else int(np.count_nonzero(weights))
        p = None if weights is None else weights / weights.sum()
        places = rng.choice(group, self.batch, replace=count < self.batch, p=p)
        return [self.training[place] for place in places]

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
        infrared = stack("infrared")
        return {
            "infrared": infrared,
            "aligned": infrared,  # stays where the other is displaced
            "feature_factor": 1.0,
            "visible": stack("visible"),
            "mean": targets.mean,
            "targets": targets,
        }

    def loss(self, fused: Tensor, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute Eq. 12 with its three terms, and the weighted terms of `fidelity`."""
        targets = _to(batch["targets"], fused.device)
        features: Mapping[str, Tensor] = {}
        factor = batch["feature_factor"]
        if self.config.loss.feature_weight > 0 and factor > 0:
            self.panel.to(fused.device)
            features = self.panel(fused, self.criterion.backbones)
        self.criterion.to(fused.device)
        found: dict[str, Tensor] = self.criterion(fused, features, targets, factor)._asdict()
        return self._with_fidelity(found, fused, batch)

    def _with_fidelity(
        self, found: dict[str, Tensor], fused: Tensor, batch: dict[str, Any]
    ) -> dict[str, Tensor]:
        weights = {t: w for t, w in self.config.fidelity.weights().items() if w > 0}
        if not weights:
            return found
        planes = (
            luma_of(fused),
            batch["aligned"].to(fused.device),
            luma_of(batch["visible"].to(fused.device)),
        )
        for term, weight in weights.items():
            found[term] = FIDELITY_TERMS[term](*planes)
            found["total"] = found["total"] + weight * found[term]
        return found

    @torch.no_grad()
    def validate(self, student: nn.Module, most: int) -> dict[str, dict[str, float]]:
        """Mean losses of the student and of `average` fusion on held-out sequences.

        The infrared images are not displaced here.
        """
        device = next(student.parameters()).device
        sums: dict[str, list[float]] = defaultdict(list)
        for index in self.validation[:: max(1, len(self.validation) // most)]:
            batch = self.collate([self.ensemble[index]])
            infrared, visible = batch["infrared"].to(device), batch["visible"].to(device)
            images = {
                "student": student(infrared, visible),
                "average": (visible + 0.5 * (infrared - luma_of(visible))).clamp(0, 1),
            }
            for name, image in images.items():
                for part, value in self.loss(image, batch).items():
                    sums[f"{name}_{part}"].append(float(value))
        count = float(len(sums["student_total"]))
        means = {key: round(float(np.mean(values)), 5) for key, values in sums.items()}
        return {"held-out": {"n": count, **means}}

    @torch.no_grad()
    def samples(self, student: nn.Module, rows: int = 4) -> U8:
        """RGB picture with a row for each pair: infrared, visible, ensemble's mean, fused."""
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
        """Facts about the data that the weights record: hash, looks and ensemble."""
        return {
            "data_hash": self.ensemble.data_hash,
            "looks": json.dumps(self.ensemble.looks),
            "thermal_looks": json.dumps(self.ensemble.thermal_looks),
            "ensemble": json.dumps(self.ensemble.card()),
        }


def _check(ensemble: CachedEnsemble, config: DistillationConfig) -> None:
    """Refuse a cache whose teachers or samples are not those of the settings."""
    if config.teachers is not None and sorted(config.teachers) != sorted(ensemble.teachers):
        raise FusionError(
            f"expected a cache of the teachers {', '.join(config.teachers)}, found "
            f"{', '.join(ensemble.teachers)}; make one with `python -m fusionproxy.ensemble`"
        )
    if config.samples is not None and config.samples != ensemble.samples:
        raise FusionError(
            f"expected a cache of {config.samples} samples a teacher, found {ensemble.samples}"
        )


def _mirrored(batch: dict[str, Any]) -> dict[str, Any]:
    """Exchange left and right in a batch and leave its features out."""
    old = batch["targets"]
    targets = Targets(old.mean.flip(-1), old.variance.flip(-1), {}, {})
    planes = {name: batch[name].flip(-1) for name in ("infrared", "aligned", "visible", "mean")}
    return {**batch, **planes, "targets": targets}


def _to(targets: Targets, device: torch.device) -> Targets:
    return Targets(
        targets.mean.to(device),
        targets.variance.to(device),
        {slot: x.to(device) for slot, x in targets.features.items()},
        {slot: x.to(device) for slot, x in targets.feature_variances.items()},
    )
