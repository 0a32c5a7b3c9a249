"""DDFM (arXiv 2303.06840) as a `diffusers` pipeline: an unconditional prior, rectified by EM."""

from __future__ import annotations

from typing import Any

from fusionproxy.errors import missing_extra
from fusionproxy.teachers.diffusion import Schedule, check_inputs, draw_like, padded, spaced
from fusionproxy.teachers.prior import predict, sides_of
from fusionproxy.teachers.rectify import EmConfig, Rectifier

try:
    import torch
    from diffusers import DDIMScheduler, DiffusionPipeline, UNet2DModel
    from torch import Tensor
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

# BT.601; full range, and the studio range that the repository takes from scikit-image
_FULL = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_STUDIO = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
_OFFSET = (16.0, 128.0, 128.0)


class DdfmPipeline(DiffusionPipeline):  # type: ignore[misc]
    """EM-rectified sampling.

    With `compat` off, colour is that of the visible image in every step, so the prior sees the
    scene in colour, and the output is RGB in the range of the sources. With `compat` on, everything
    is as in the published repository (see `Rectifier`): luma in the studio range, an output of grey
    stretched from minimum to maximum, to which the colour of the visible image is added.
    """

    model_cpu_offload_seq = "unet"

    def __init__(self, unet: UNet2DModel, scheduler: DDIMScheduler) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @torch.no_grad()
    def __call__(
        self,
        infrared: Tensor,
        visible: Tensor,
        generator: torch.Generator | None = None,
        steps: int = 100,
        config: EmConfig | None = None,
    ) -> Tensor:
        """One sample a pair.

        Args:
            infrared: (B, 1, H, W) in [0, 1].
            visible: RGB (B, 3, H, W) in [0, 1].
            generator: of the starting noise; another one gives another sample.
            steps: DDIM steps, eta 0.
            config: constants of the EM step.

        Returns:
            RGB (B, 3, H, W) in [0, 1].
        """
        check_inputs(infrared, visible)
        config = config or EmConfig()
        height, width = infrared.shape[-2:]
        multiple = sides_of(self.unet)
        heat = padded(infrared, multiple) * 2 - 1
        scene = _Colour(padded(visible, multiple) * 2 - 1, compat=config.compat)
        rectifier = Rectifier(heat, scene.luma, config)
        clean = self._sample(rectifier, scene, generator, steps)
        return scene.finish(clean[..., :height, :width], visible)

    def _sample(
        self,
        rectifier: Rectifier,
        scene: _Colour,
        generator: torch.Generator | None,
        steps: int,
    ) -> Tensor:
        schedule = Schedule(self.scheduler)
        times = spaced(schedule.alphas.shape[0] - 1, steps)
        x = draw_like(scene.rgb, generator)
        for t, before in zip(times, [*times[1:], -1], strict=True):
            batch = torch.full((len(x),), t, dtype=torch.long, device=x.device)
            output = predict(self.unet, x, batch)
            clean = schedule.clean_of(x, output, batch).clamp(-1, 1)
            planes = scene.split(clean)
            luma = rectifier.step(planes[:, :1])
            clean = scene.join(torch.cat([luma, planes[:, 1:]], 1))
            x = schedule.step(x, clean, t, before, 0.0, None)
        return x


class _Colour:
    """Luma and chroma of RGB in [-1, 1], and how chroma is treated."""

    def __init__(self, rgb: Tensor, *, compat: bool) -> None:
        self.rgb, self.compat = rgb, compat
        rows = torch.tensor(_STUDIO, dtype=torch.float64) / 255 if compat else torch.tensor(_FULL)
        offset = torch.tensor(_OFFSET, dtype=torch.float64) / 255 if compat else torch.zeros(3)
        self._matrix = rows.to(rgb)
        self._inverse = torch.linalg.inv(rows.double()).to(rgb)
        self._offset = offset.to(rgb).reshape(1, 3, 1, 1)
        self._chroma = self.split(rgb)[:, 1:]

    @property
    def luma(self) -> Tensor:
        """Of the scene, (B, 1, H, W) in [-1, 1]: the repository's is a plain grey of full range."""
        weights = torch.tensor(_FULL[0]).to(self.rgb).reshape(1, 3, 1, 1)
        return (self.rgb * weights).sum(1, keepdim=True)

    def split(self, rgb: Tensor) -> Tensor:
        """RGB to luma and chroma."""
        return torch.einsum("oc,bchw->bohw", self._matrix, rgb) + self._offset

    def join(self, planes: Tensor) -> Tensor:
        """Luma and chroma to RGB; the chroma is the scene's unless `compat` keeps the prior's."""
        if not self.compat:
            planes = torch.cat([planes[:, :1], self._chroma], 1)
        return torch.einsum("oc,bchw->bohw", self._inverse, planes - self._offset)

    def finish(self, clean: Tensor, visible: Tensor) -> Tensor:
        """RGB in [0, 1]."""
        if not self.compat:
            return ((clean + 1) / 2).clamp(0, 1)
        weights = torch.tensor(_FULL[0]).to(clean).reshape(1, 3, 1, 1)
        grey = (clean * weights).sum(1, keepdim=True)
        low, high = grey.amin((1, 2, 3), keepdim=True), grey.amax((1, 2, 3), keepdim=True)
        grey = (grey - low) / (high - low).clamp_min(1e-12)
        colour = visible - (visible * weights).sum(1, keepdim=True)
        return (grey + colour).clamp(0, 1)


def pipeline_of(unet: Any, scheduler: Any) -> DdfmPipeline:
    """A pipeline without progress bars."""
    pipeline = DdfmPipeline(unet, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
