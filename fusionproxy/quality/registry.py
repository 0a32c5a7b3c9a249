"""Names of the classical metrics, their variants, and the conventions of known tool boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from numpy.typing import NDArray

from fusionproxy.errors import FusionError
from fusionproxy.quality import edges, intensity, structure
from fusionproxy.quality.planes import Trio, trio

Metric = Callable[[Trio], float]
THREADS = 2

METRICS: Mapping[str, Mapping[str, Metric]] = {
    "EN": {"rounded": intensity.entropy_rounded, "floored": intensity.entropy_floored},
    "MI": {
        "nats": intensity.mutual_information_nats,
        "bits": intensity.mutual_information_bits,
        "nats-stretched": intensity.mutual_information_stretched,
    },
    "SF": {"differences": edges.spatial_frequency, "pixels": edges.spatial_frequency_pixels},
    "AG": {"pixels": edges.average_gradient, "inner": edges.average_gradient_inner},
    "SD": {"population": intensity.deviation},
    "SCD": {"sum": intensity.correlations_of_differences},
    "VIF": {"vifp-sum": structure.vif_sum, "vifp-mean": structure.vif_mean},
    "Qabf": {"ties-strength": edges.edge_transfer, "ties-one": edges.edge_transfer_ties},
    "SSIM": {
        "uniform7-sum": structure.ssim_uniform_sum,
        "uniform7-mean": structure.ssim_uniform_mean,
        "uniform7-range2": structure.ssim_uniform_range_2,
        "gaussian11-sum": structure.ssim_gaussian_sum,
        "gaussian11-mean": structure.ssim_gaussian_mean,
    },
    "PSNR": {
        "peak255": intensity.psnr_peak_255,
        "peak-fused": intensity.psnr_peak_fused,
        "unit-error": intensity.psnr_unit_error,
        "root-error": intensity.psnr_root_error,
    },
    "MS-SSIM": {
        "gaussian11-sum": structure.ms_ssim_sum,
        "gaussian11-mean": structure.ms_ssim_mean,
    },
}

_CDDFUSE = {
    "EN": "rounded",
    "MI": "nats",
    "SF": "differences",
    "AG": "pixels",
    "SD": "population",
    "SCD": "sum",
    "VIF": "vifp-sum",
    "Qabf": "ties-strength",
    "SSIM": "uniform7-sum",
    "PSNR": "peak-fused",
    "MS-SSIM": "gaussian11-mean",  # not in that tool box
}
_LINFENG_TANG = {
    "MI": "bits",
    "AG": "inner",
    "SSIM": "gaussian11-mean",
    "PSNR": "unit-error",
}
_VIFB = {
    "EN": "floored",
    "MI": "nats-stretched",
    "SF": "pixels",
    "AG": "inner",
    "SSIM": "gaussian11-sum",
    "PSNR": "root-error",
}
# Variant by metric; what a tool box does not have is as in `cddfuse`.
CONVENTIONS: Mapping[str, Mapping[str, str]] = {
    "cddfuse": _CDDFUSE,
    "linfeng-tang": _CDDFUSE | _LINFENG_TANG,
    "vifb": _CDDFUSE | _VIFB,
}


class Chosen(NamedTuple):
    """One metric in one variant."""

    metric: str
    variant: str

    @property
    def title(self) -> str:
        """Column title such as `MI:nats`."""
        return f"{self.metric}:{self.variant}"

    def measure(self, images: Trio) -> float:
        """Measure one fused image; the value is a float, NaN where it is not defined."""
        return METRICS[self.metric][self.variant](images)


def choose(names: Iterable[str] = (), convention: str = "cddfuse") -> tuple[Chosen, ...]:
    """Choose metrics by names such as `MI` (the convention's variant) or `MI:bits`.

    Without names all metrics are chosen.

    Raises:
        FusionError: the convention, a metric or a variant is unknown.
    """
    if convention not in CONVENTIONS:
        known = ", ".join(CONVENTIONS)
        raise FusionError(f"unknown convention '{convention}'; known: {known}")
    variants = CONVENTIONS[convention]
    return tuple(_chosen(name, variants) for name in (tuple(names) or tuple(METRICS)))


def _chosen(name: str, variants: Mapping[str, str]) -> Chosen:
    metric, _, variant = name.partition(":")
    if metric == "VIFF":
        raise FusionError(
            "'VIFF' names two things: the function of that name in the CDDFuse evaluator is "
            "'VIF:vifp-sum' here; the metric of Han et al. 2013 is another one and is not included"
        )
    if metric not in METRICS:
        raise FusionError(f"unknown metric '{metric}'; known: {', '.join(METRICS)}")
    variant = variant or variants[metric]
    if variant not in METRICS[metric]:
        known = ", ".join(METRICS[metric])
        raise FusionError(f"unknown variant '{variant}' of {metric}; known: {known}")
    return Chosen(metric, variant)


def measure(
    fused: NDArray[Any],
    infrared: NDArray[Any],
    visible: NDArray[Any],
    metrics: Sequence[Chosen] | None = None,
) -> dict[str, float]:
    """Measure one fused image; the values are by column title.

    Args:
        fused: (H, W) or (H, W, 3) RGB, uint8 or float in 0..255.
        infrared: as `fused`, of the same size.
        visible: as `fused`, of the same size.
        metrics: result of `choose`; by default all metrics in the convention `cddfuse`.

    Raises:
        FusionError: the images are not of this kind, or too small for a metric.
    """
    images = trio(fused, infrared, visible)
    chosen = choose() if metrics is None else metrics
    with ThreadPoolExecutor(THREADS) as pool:  # numpy, OpenCV and the kernels release the lock
        values = pool.map(lambda item: item.measure(images), chosen)
        return dict(zip((item.title for item in chosen), values, strict=True))
