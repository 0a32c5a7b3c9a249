"""Optional terms that hold a distilled student to its two sources; not of the paper (needs torch).

Small teachers are softer than their inputs. These terms, of the kind that networks without teachers
are trained with (SeAFusion, Tang et al. 2022), ask for the stronger edge and the brighter pixel of
the two. Both are off unless a run gives them a weight.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusionproxy.errors import FusionError, missing_extra

try:
    import torch
    from torch import Tensor
except ModuleNotFoundError as err:
    raise missing_extra(err) from err


@dataclass(frozen=True)
class FidelityConfig:
    """Weights beside those of Eq. 12."""

    gradient_weight: float = 0.0
    intensity_weight: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings."""
        for term, weight in self.weights().items():
            if not weight >= 0:
                raise FusionError(f"{term}_weight: expected 0 or more, found {weight}")

    def weights(self) -> dict[str, float]:
        """Weight of each term of `TERMS`."""
        return {term: getattr(self, f"{term}_weight") for term in TERMS}


def gradient_loss(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """Distance of each difference between neighbours to the larger one of the sources; a scalar.

    The sign is kept, so that an edge does not come out the wrong way round.

    Args:
        fused: luma (B, 1, H, W), as the others.
        infrared: aligned.
        visible: luma.
    """
    loss = fused.new_zeros(())
    for axis in (2, 3):
        ours, heat, light = (plane.diff(dim=axis) for plane in (fused, infrared, visible))
        wanted = torch.where(heat.abs() > light.abs(), heat, light)
        loss = loss + (ours - wanted).abs().mean()
    return loss


def intensity_loss(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """Distance to the brighter one of the sources; planes as in `gradient_loss`, a scalar."""
    return (fused - torch.maximum(infrared, visible)).abs().mean()


TERMS = {"gradient": gradient_loss, "intensity": intensity_loss}
