"""Settings of students and their training; saved with every checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from fusionproxy.errors import FusionError

NETWORKS = ("cpu", "paper", "ultralight")
OUTPUTS = ("luma", "rgb")
BLANK = 128  # grey level of the plane that stands in place of an infrared image


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
    backbone: str = "convnextv2_atto"  # timm name, for the preset `paper` and its ablations
    encoder_size: tuple[int, int] | None = None  # (H, W) of a backbone that takes one size only

    def __post_init__(self) -> None:
        """Check the settings."""
        for name, value, known in (
            ("network", self.preset, NETWORKS),
            ("output", self.output, OUTPUTS),
        ):
            if value not in known:
                raise FusionError(f"unknown {name} '{value}' of a student; known: {known}")
        sizes = (*self.widths, *self.depths, self.stem, self.kernel, self.expansion)
        if len(self.widths) != len(self.depths) or not self.widths or min(sizes) < 1:
            raise FusionError(
                f"expected as many widths as depths, all sizes above 0; found {self.widths} and "
                f"{self.depths}, stem {self.stem}, kernel {self.kernel}, expansion {self.expansion}"
            )

    @property
    def multiple(self) -> int:
        """Image sides are padded to multiples of this."""
        return {"paper": 32, "ultralight": self.stem}.get(self.preset, self.stem * 4)


PRESETS: dict[str, StudentConfig] = {
    "cpu": StudentConfig(),
    "cpu_luma": StudentConfig(output="luma", residual_scale=0.1),
    # colour passed through as well, and room for more contrast than either source has
    "cpu_contrast": StudentConfig(output="luma", residual_scale=0.3),
    "paper": StudentConfig(preset="paper"),
    # Table 4, block C: the same heads and decoder on other encoders, and a small CNN
    "ultralight": StudentConfig(
        preset="ultralight", widths=(24,), depths=(3,), stem=2, expansion=2, output="luma"
    ),
    "efficientformerv2_s1": StudentConfig(
        preset="paper", backbone="efficientformerv2_s1", encoder_size=(256, 320)
    ),
    "mobilenetv4_conv_m": StudentConfig(preset="paper", backbone="mobilenetv4_conv_medium"),
}


def preset(name: str) -> StudentConfig:
    """Look a preset up by name."""
    if name not in PRESETS:
        known = ", ".join(sorted(PRESETS))
        raise FusionError(f"unknown student preset '{name}'; known: {known}")
    return PRESETS[name]
