"""Mask-DiFuser as a `diffusers` pipeline: a conditional network, five steps a sample."""

from __future__ import annotations

from typing import Any

from fusionproxy.errors import missing_extra
from fusionproxy.teachers.diffusion import Schedule, check_inputs, draw_like, padded, spaced
from fusionproxy.teachers.mask_difuser_net import MaskDiFuserNet

try:
    import torch
    from diffusers import DDIMScheduler, DiffusionPipeline
    from torch import Tensor
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

FIRST_STEP = 800


class MaskDiFuserPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Restores the image that both sources show: t = 800, 600, 400, 200, 0 with eta 1."""

    model_cpu_offload_seq = "network"

    def __init__(self, network: MaskDiFuserNet, scheduler: DDIMScheduler) -> None:
        super().__init__()
        self.register_modules(network=network, scheduler=scheduler)

    @torch.no_grad()
    def __call__(
        self,
        infrared: Tensor,
        visible: Tensor,
        generator: torch.Generator | None = None,
        steps: int = 5,
    ) -> Tensor:
        """One sample a pair.

        Args:
            infrared: (B, 1, H, W) in [0, 1].
            visible: RGB (B, 3, H, W) in [0, 1].
            generator: of all noise; another one gives another sample.
            steps: from t = 800 to 0.

        Returns:
            RGB (B, 3, H, W) in [0, 1].
        """
        check_inputs(infrared, visible)
        height, width = infrared.shape[-2:]
        multiple = self.network.multiple
        heat = padded(infrared, multiple).expand(-1, 3, -1, -1) * 2 - 1
        scene = padded(visible, multiple) * 2 - 1
        schedule = Schedule(self.scheduler)
        times = spaced(FIRST_STEP, steps)
        x = draw_like(scene, generator)
        for t, before in zip(times, [*times[1:], -1], strict=True):
            batch = torch.full((len(x),), t, dtype=torch.long, device=x.device)
            output = self.network(x, batch, heat, scene)
            clean = schedule.clean_of(x, output, batch).clamp(-1, 1)
            x = schedule.step(x, clean, t, before, 1.0, draw_like(x, generator))
        return ((x[..., :height, :width] + 1) / 2).clamp(0, 1)


def pipeline_of(network: Any, scheduler: Any) -> MaskDiFuserPipeline:
    """A pipeline without progress bars."""
    pipeline = MaskDiFuserPipeline(network, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
