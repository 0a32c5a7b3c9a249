"""The noise schedule that both teachers share, and its steps (needs torch)."""

from __future__ import annotations

from typing import Any

from fusionproxy.errors import FusionError, missing_extra

try:
    import torch
    import torch.nn.functional as F
    from diffusers import DDIMScheduler
    from torch import Tensor
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

STEPS = 1000  # T; linear betas 1e-4 to 0.02 (Ho et al. 2020), as both teachers use
PREDICTIONS = ("epsilon", "sample")


def make_scheduler(prediction: str = "epsilon") -> Any:
    """The schedule as `diffusers` stores it; its own step is not used, see `Schedule`."""
    if prediction not in PREDICTIONS:
        raise FusionError(f"unknown prediction '{prediction}'; known: {', '.join(PREDICTIONS)}")
    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule="linear",
        clip_sample=False,
        prediction_type=prediction,
    )


class Schedule:
    """What a step needs of a scheduler: cumulated alphas and the kind of prediction."""

    def __init__(self, scheduler: Any) -> None:
        self.alphas: Tensor = scheduler.alphas_cumprod.double()  # (T,), abar
        self.prediction = str(scheduler.config.prediction_type)
        if self.prediction not in PREDICTIONS:
            known = ", ".join(PREDICTIONS)
            raise FusionError(f"unknown prediction '{self.prediction}'; known: {known}")

    def alpha(self, t: int) -> float:
        """Cumulated alpha; 1 before the first step."""
        return float(self.alphas[t]) if t >= 0 else 1.0

    def add_noise(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t of (B, C, H, W) for steps (B,)."""
        alpha = self.alphas[t.cpu()].to(clean).reshape(-1, 1, 1, 1)
        noisy: Tensor = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
        return noisy

    def clean_of(self, x: Tensor, output: Tensor, t: Tensor) -> Tensor:
        """The clean image that a prediction stands for, not clamped."""
        if self.prediction == "sample":
            return output
        alpha = self.alphas[t.cpu()].to(x).reshape(-1, 1, 1, 1)
        clean: Tensor = (x - (1 - alpha).sqrt() * output) / alpha.sqrt()
        return clean

    def step(
        self, x: Tensor, clean: Tensor, t: int, before: int, eta: float, noise: Tensor | None
    ) -> Tensor:
        """DDIM (Song et al. 2021, Eq. 12) from step `t` to `before`, given the clean image.

        Args:
            x: x_t.
            clean: estimate of x_0, clamped or rectified.
            t: this step.
            before: the step in the list that is next; -1 is the clean image.
            eta: 0 deterministic, 1 as DDPM.
            noise: fresh, where `eta` is above 0.
        """
        now, then = self.alpha(t), self.alpha(before)
        error = (x / now**0.5 - clean) / (1.0 / now - 1.0) ** 0.5
        sigma = eta * ((1 - then) / (1 - now)) ** 0.5 * max(1 - now / then, 0.0) ** 0.5
        found: Tensor = then**0.5 * clean + max(1 - then - sigma**2, 0.0) ** 0.5 * error
        return found if sigma == 0 or noise is None else found + sigma * noise


def spaced(first: int, count: int) -> list[int]:
    """`count` steps from `first` down to 0, evenly spaced and rounded.

    t_i = round(i * first / (count - 1)): the list of DDFM's repository for 999 and 100. Times are
    paired from this list: `diffusers` assumes equal distances and is off by one on some.
    """
    if count < 1 or first >= STEPS:
        raise FusionError(f"expected 1 to {STEPS} steps, found {count}")
    if count == 1:
        return [first]
    return sorted({round(i * first / (count - 1)) for i in range(count)}, reverse=True)


def draw_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Gaussian noise of the shape of `x`; drawn on the CPU, so that devices agree."""
    return torch.randn(x.shape, generator=generator, dtype=torch.float32).to(x)


def padded(image: Tensor, multiple: int) -> Tensor:
    """Reflected right and below up to a multiple; repeated where there is too little to reflect."""
    height, width = image.shape[-2:]
    right, below = -width % multiple, -height % multiple
    mode = "reflect" if right < width and below < height else "replicate"
    return F.pad(image, (0, right, 0, below), mode=mode)


def check_inputs(infrared: Tensor, visible: Tensor) -> None:
    """Raise FusionError where a pair is not (B, 1, H, W) and RGB (B, 3, H, W) of one size."""
    batch, _, height, width = visible.shape if visible.ndim == 4 else (0, 0, 0, 0)
    good = visible.shape == (batch, 3, height, width)
    if visible.ndim != 4 or not good or infrared.shape != (batch, 1, height, width):
        raise FusionError(
            "expected infrared (B, 1, H, W) and visible RGB (B, 3, H, W) of one size, found "
            f"{tuple(infrared.shape)} and {tuple(visible.shape)}"
        )
