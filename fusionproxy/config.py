"""Settings of students and their training; saved with every checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from fusionproxy.errors import FusionError


@dataclass(frozen=True)
class StudentConfig:
    """One student network.

    `output` is `luma` (mask and residual on luma, colour passed through) or `rgb` (colour is
    predicted as well: in fog and at night the visible image has lost it).
    """

    preset: str = "cpu"
    widths: tuple[int, ...] = (48, 64, 128)  # at 1/stem, 1/(2 stem), 1/(4 stem)
    depths: tuple[int, ...] = (1, 1, 2)
    stem: int = 8  # space-to-depth factor
    kernel: int = 7  # depthwise
    expansion: int = 4
    output: str = "rgb"
    residual_scale: float = 1.0  # of the luma residual; the luma preset of the method uses 0.1
    backbone: str = "convnextv2_atto"  # timm name, for the preset `paper`

    @property
    def multiple(self) -> int:
        """Image sides are padded to multiples of this."""
        return 32 if self.preset == "paper" else self.stem * 4


PRESETS: dict[str, StudentConfig] = {
    "cpu": StudentConfig(),
    "cpu_luma": StudentConfig(output="luma", residual_scale=0.1),
    "paper": StudentConfig(preset="paper"),
}


def preset(name: str) -> StudentConfig:
    """Look a preset up by name."""
    if name not in PRESETS:
        known = ", ".join(sorted(PRESETS))
        raise FusionError(f"unknown student preset '{name}'; known: {known}")
    return PRESETS[name]
