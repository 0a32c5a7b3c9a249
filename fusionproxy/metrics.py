"""Full-reference metrics on images in [0, 1] (needs torch)."""

from __future__ import annotations

from collections.abc import Callable

from fusionproxy.errors import missing_extra

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

_C1, _C2 = 0.01**2, 0.03**2  # Wang et al. 2004, for images in [0, 1]


def gaussian_window(size: int, sigma: float) -> Tensor:
    """Make a normalised 1-D Gaussian, (size,)."""
    x = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    window = torch.exp(-(x**2) / (2 * sigma**2))
    return window / window.sum()


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of Wang et al. 2004, (B,), with an 11 x 11 Gaussian of sigma 1.5 over the valid area.

    The images are (B, C, H, W) in [0, 1].
    """
    channels = a.shape[1]
    window = gaussian_window(11, 1.5).to(a)

    def blur(x: Tensor) -> Tensor:
        x = F.conv2d(x, window.reshape(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
        return F.conv2d(x, window.reshape(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)

    return _similarity(a, b, blur)


def block_ssim(a: Tensor, b: Tensor) -> Tensor:
    """SSIM over 8x8 blocks that lie 4 pixels apart, as x264 computes it, (B,).

    It is meant for losses, since on CPUs the Gaussian variant costs nearly as much as the student.
    """
    return _similarity(a, b, lambda x: F.avg_pool2d(x, 8, 4))


def _similarity(a: Tensor, b: Tensor, blur: Callable[[Tensor], Tensor]) -> Tensor:
    mean_a, mean_b = blur(a), blur(b)
    var_a = blur(a * a) - mean_a**2
    var_b = blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return (top / ((mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2))).mean((1, 2, 3))


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of images in [0, 1], (B,)."""
    return -10.0 * torch.log10(((a - b) ** 2).mean((1, 2, 3)).clamp_min(1e-12))


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of images, (B,)."""
    return (a - b).abs().mean((1, 2, 3))
