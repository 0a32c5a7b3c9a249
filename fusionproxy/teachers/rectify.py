"""The EM step of DDFM (arXiv 2303.06840, Sec. 3.3): a luma plane drawn towards both sources."""

from __future__ import annotations

from dataclasses import dataclass

from fusionproxy.errors import missing_extra

try:
    import torch
    from torch import Tensor
except ModuleNotFoundError as err:
    raise missing_extra(err) from err


@dataclass(frozen=True)
class EmConfig:
    """Constants of one EM step."""

    psi: float = 0.5  # weight of total variation; `lamb` in the repository
    eta: float = 1e-3  # penalty of the split; `rho` in the repository
    compat: bool = False  # as the repository computes, see `Rectifier`


class Rectifier:
    """EM steps on one batch of pairs; its state goes from step to step.

    With f between infrared i and visible v, the likelihood is that of abs(f - i) and abs(f - v)
    with Laplacians, of which m and n are the expected precisions, and total variation on i - f.

    `compat` follows the published repository to the bit where the text differs from it: the
    two sources are swapped by its loader; the result is i - X although X is f - v; u and v have the
    opposite sign to the convolution, and the last column and row keep H instead of wrapping round.
    """

    def __init__(self, infrared: Tensor, visible: Tensor, config: EmConfig) -> None:
        """Take planes (B, 1, H, W) in [-1, 1]."""
        self.config = config
        pair = (visible, infrared) if config.compat else (infrared, visible)
        self.target, self.base = pair
        self.u = torch.zeros_like(infrared)
        self.v = torch.zeros_like(infrared)
        self.scale_a = torch.ones_like(infrared[:, :1, :1, :1])
        self.scale_b = torch.ones_like(self.scale_a)
        self.kx = _transfer(infrared, 3)
        self.ky = _transfer(infrared, 2)
        self.power = 1 + self.kx.abs().square() + self.ky.abs().square()

    def step(self, fused: Tensor) -> Tensor:
        """Rectify the luma (B, 1, H, W) of an estimate."""
        y, x = self.target - self.base, fused - self.base
        m, n = self._precisions(x, y - x)
        self.scale_b = (1 / (m + 1e-10) + self.scale_b / 2).mean((1, 2, 3), keepdim=True)
        self.scale_a = (1 / (n + 1e-10) + self.scale_a / 2).mean((1, 2, 3), keepdim=True)
        smooth = self._smooth(y - x)
        self._split(smooth)
        eta = self.config.eta
        x = (2 * n * y + eta * (y - smooth)) / (2 * n + 2 * m + eta)
        found: Tensor = self.target - x if self.config.compat else self.base + x
        return found

    def _precisions(self, x: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        m = torch.sqrt(2 / self.scale_b / (x.square() + 1e-6))
        if self.config.compat:
            n = torch.sqrt(2 / self.scale_a / (rest + 1e-6).square())
        else:
            n = torch.sqrt(2 / self.scale_a / (rest.square() + 1e-6))
        return torch.minimum(m, 2 * n), n

    def _smooth(self, rest: Tensor) -> Tensor:
        spectrum = (
            torch.fft.fft2(rest)
            + self.kx.conj() * torch.fft.fft2(self.u)
            + self.ky.conj() * torch.fft.fft2(self.v)
        )
        smooth: Tensor = torch.fft.ifft2(spectrum / self.power).real
        return smooth

    def _split(self, smooth: Tensor) -> None:
        keep = self.config.eta / (2 * self.config.psi + self.config.eta)
        self.u = keep * self._difference(smooth, 3)
        self.v = keep * self._difference(smooth, 2)

    def _difference(self, x: Tensor, axis: int) -> Tensor:
        ahead: Tensor = x.roll(-1, axis)  # x_{j+1}, circular as the transforms
        if not self.config.compat:
            return ahead - x
        ahead.select(axis, -1).zero_()
        return x - ahead


def _transfer(plane: Tensor, axis: int) -> Tensor:
    """Spectrum of x_{j+1} - x_j along one axis, (1, 1, H, W): -1 at 0 and 1 at the last place."""
    kernel = torch.zeros(1, 1, *plane.shape[2:], dtype=plane.dtype, device=plane.device)
    kernel[0, 0, 0, 0] -= 1
    kernel.select(axis, -1)[0, 0, 0] += 1
    spectrum: Tensor = torch.fft.fft2(kernel)
    return spectrum
