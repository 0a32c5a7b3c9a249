"""Full-reference metrics on images in [0, 1] (needs torch)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian_window(size: int, sigma: float) -> Tensor:
    """Normalised 1-D Gaussian, (size,)."""
    x = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    window = torch.exp(-(x**2) / (2 * sigma**2))
    return window / window.sum()


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of Wang et al. 2004: Gaussian 11, sigma 1.5, range 1, valid area; (B,)."""
    channels = a.shape[1]
    window = gaussian_window(11, 1.5).to(a)

    def blur(x: Tensor) -> Tensor:
        x = F.conv2d(x, window.reshape(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
        return F.conv2d(x, window.reshape(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)

    mean_a, mean_b = blur(a), blur(b)
    var_a = blur(a * a) - mean_a**2
    var_b = blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean((1, 2, 3))


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, range 1; (B,)."""
    return -10.0 * torch.log10(((a - b) ** 2).mean((1, 2, 3)).clamp_min(1e-12))


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference; (B,)."""
    return (a - b).abs().mean((1, 2, 3))
