"""The fusion student: a ConvNeXt V2 dual-encoder U-Net with residual fusion heads (needs torch)."""

from __future__ import annotations

import dataclasses
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from fusiondrive.files import whole_file
from fusionproxy.config import BLANK, StudentConfig
from fusionproxy.errors import FusionError, first_line, missing_extra

try:
    import torch
    import torch.nn.functional as F
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file
    from torch import Tensor, nn
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

FORMAT = "fusionproxy-student"
# BT.601 full range, the matrix of JPEG
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


class GlobalResponseNorm(nn.Module):
    """GRN of ConvNeXt V2 (arXiv 2301.00808, section 3.2), channels first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        energy = (x * x).mean((2, 3), keepdim=True).add(1e-12).sqrt()
        relative = energy / (energy.mean(1, keepdim=True) + 1e-6)
        return x + self.gamma * (x * relative) + self.beta


class Block(nn.Module):
    """ConvNeXt V2 block with BatchNorm and ReLU in place of LayerNorm and GELU."""

    def __init__(self, channels: int, kernel: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False
        )
        self.norm = nn.BatchNorm2d(channels)
        self.expand = nn.Conv2d(channels, hidden, 1)
        self.response = GlobalResponseNorm(hidden)
        self.project = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        hidden = F.relu(self.expand(self.norm(self.depthwise(x))))
        out: Tensor = x + self.project(self.response(hidden))
        return out


class FusionHead(nn.Module):
    """Residual fusion head, Eq. 13: F = F_I + F_V + A * phi([F_I; F_V])."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        self.phi = nn.Conv2d(2 * channels, channels, 1)
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse two (B, C, H, W)."""
        joint: Tensor = self.phi(torch.cat([infrared, visible], 1))
        fused: Tensor = infrared + visible + self.attention(joint) * joint
        return fused


def space_to_depth(stem: nn.Conv2d, x: Tensor) -> Tensor:
    """What `PixelUnshuffle` and then the 1x1 convolution `stem` give, (B, C0, H/s, W/s).

    As one strided convolution: the transposed copy of the image costs as much as the sums.
    """
    channels = x.shape[1]
    size = int(math.sqrt(stem.in_channels // channels))
    weight = stem.weight.reshape(stem.out_channels, channels, size, size)
    return F.conv2d(x, weight, stem.bias, stride=size)


def luma_of(visible: Tensor) -> Tensor:
    """BT.601 luma (B, 1, H, W) of RGB; a sum of planes keeps runtimes from reordering them."""
    red, green, blue = (w * visible[:, i : i + 1] for i, w in enumerate(_TO_YCC[0]))
    return red + green + blue


class Encoder(nn.Module):
    """Space-to-depth stem and three stages."""

    def __init__(self, channels: int, config: StudentConfig) -> None:
        super().__init__()
        widths = config.widths
        self.stem = nn.Conv2d(channels * config.stem**2, widths[0], 1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in pairwise(widths))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(w, config.kernel, config.expansion) for _ in range(depth)))
            for w, depth in zip(widths, config.depths, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of (B, channels, H, W), finest first."""
        x = space_to_depth(self.stem, x)  # (B, C0, H/s, W/s)
        features = []
        for level, stage in enumerate(self.stages):
            if level:
                x = self.down[level - 1](x)
            x = stage(x)
            features.append(x)
        return features


class CpuStudent(nn.Module):
    """The `cpu` preset: a coarse trunk, full-resolution detail through a predicted mask."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        widths = config.widths
        self.config = config
        self.infrared = Encoder(1, config)
        self.visible = Encoder(1 if config.output == "luma" else 3, config)
        self.heads = nn.ModuleList(FusionHead(w) for w in widths)
        self.lateral = nn.ModuleList(
            nn.Conv2d(b, a, 1) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.decode = nn.ModuleList(
            Block(w, config.kernel, config.expansion) for w in widths[-2::-1]
        )
        self.out = nn.Conv2d(widths[0], 2 * config.stem**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(config.stem)
        if config.output == "rgb":  # colour at half resolution, as video codecs store it
            self.color = nn.Conv2d(widths[0], 3 * (config.stem // 2) ** 2, 3, padding=1)
            self.color_shuffle = nn.PixelShuffle(config.stem // 2)
        self.to_chroma: Tensor
        self.to_rgb: Tensor
        chroma = torch.tensor(_TO_YCC[1:]).reshape(2, 3, 1, 1)
        self.register_buffer("to_chroma", chroma, persistent=False)
        inverse = torch.linalg.inv(torch.tensor(_TO_YCC)).reshape(3, 3, 1, 1)
        self.register_buffer("to_rgb", inverse, persistent=False)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse (B, 1, H, W) and RGB (B, 3, H, W) in [0, 1]; sides are multiples of 4 stem."""
        luma = luma_of(visible)
        seen = luma if self.config.output == "luma" else visible
        pairs = zip(self.heads, self.infrared(infrared), self.visible(seen), strict=True)
        fused = [head(a, b) for head, a, b in pairs]
        x = fused[-1]
        for lateral, block, skip in zip(self.lateral, self.decode, fused[-2::-1], strict=True):
            x = block(F.interpolate(lateral(x), scale_factor=2.0, mode="nearest") + skip)
        # Weights are split rather than planes: copies at full size cost more than a convolution.
        size = self.config.stem**2
        weight, bias = self.out.weight, self.out.bias
        assert bias is not None  # the layer is made with one
        mask = torch.sigmoid(self.shuffle(F.conv2d(x, weight[:size], bias[:size], padding=1)))
        residual = torch.tanh(self.shuffle(F.conv2d(x, weight[size:], bias[size:], padding=1)))
        change = mask * (infrared - luma) + self.config.residual_scale * residual  # of the luma
        if self.config.output == "luma":
            return (visible + change).clamp(0.0, 1.0)
        return (luma + change + self._color(visible, x)).clamp(0.0, 1.0)

    def _color(self, visible: Tensor, x: Tensor) -> Tensor:
        """What chroma adds to the luma in R, G and B; made at half size, (B, 3, H, W)."""
        planes = self.color_shuffle(self.color(x))  # (B, 3, H/2, W/2)
        keep = torch.sigmoid(planes[:, :1])
        mean = self.to_chroma.expand(2, 3, 2, 2) / 4.0  # chroma of the mean of 2x2 pixels
        seen = F.conv2d(visible, mean, stride=2)
        mixed = keep * seen + (1.0 - keep) * 0.5 * torch.tanh(planes[:, 1:])
        return F.interpolate(F.conv2d(mixed, self.to_rgb[:, 1:]), scale_factor=2.0, mode="nearest")


class UltralightStudent(nn.Module):
    """The `ultralight` preset: one small CNN on both images, a mask and a residual of the luma."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        width, square = config.widths[0], config.stem**2
        self.stem = nn.Conv2d(2 * square, width, 1)
        self.blocks = nn.Sequential(
            *(Block(width, config.kernel, config.expansion) for _ in range(config.depths[0]))
        )
        self.out = nn.Conv2d(width, 2 * square, 3, padding=1)
        self.shuffle = nn.PixelShuffle(config.stem)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse (B, 1, H, W) and RGB (B, 3, H, W) in [0, 1]; sides are multiples of the stem."""
        luma = luma_of(visible)
        x = self.blocks(space_to_depth(self.stem, torch.cat([infrared, luma], 1)))
        planes = self.shuffle(self.out(x))  # (B, 2, H, W)
        mask, residual = torch.sigmoid(planes[:, :1]), torch.tanh(planes[:, 1:])
        change = mask * (infrared - luma) + self.config.residual_scale * residual
        return (visible + change).clamp(0.0, 1.0)


class PaperStudent(nn.Module):
    """The `paper` preset: two timm encoders, ConvNeXt V2 by default, full-resolution RGB decoder.

    A backbone whose attention is bound to one image size (`encoder_size`) sees resampled images;
    what the decoder makes of them is brought back to the image's size before its last layers.
    """

    def __init__(self, config: StudentConfig) -> None:
        import timm

        super().__init__()
        self.config = config
        options: dict[str, Any] = {"pretrained": False, "features_only": True}
        if config.encoder_size is not None:
            options["img_size"] = config.encoder_size
        try:
            self.infrared = timm.create_model(config.backbone, in_chans=1, **options)
            self.visible = timm.create_model(config.backbone, in_chans=3, **options)
        except (RuntimeError, TypeError) as err:  # an unknown name, or one that takes no size
            raise FusionError(f"timm has no backbone '{config.backbone}' to use: {err}") from err
        widths = self.visible.feature_info.channels()
        self.doublings = int(math.log2(self.visible.feature_info.reduction()[0]))
        self.heads = nn.ModuleList(FusionHead(w) for w in widths)
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a + b, a, 3, padding=1), nn.GELU())
            for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.refine = nn.Sequential(nn.Conv2d(widths[0], 32, 3, padding=1), nn.GELU())
        self.full = nn.Sequential(
            nn.Conv2d(32, 16, 3, padding=1), nn.GELU(), nn.Conv2d(16, 3, 3, padding=1)
        )

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse (B, 1, H, W) and RGB (B, 3, H, W) in [0, 1]; sides are multiples of 32."""
        encoded = [self._seen(x) for x in (infrared, visible)]
        features = zip(self.infrared(encoded[0]), self.visible(encoded[1]), strict=True)
        fused = [head(a, b) for head, (a, b) in zip(self.heads, features, strict=True)]
        x = fused[-1]
        for up, skip in zip(self.up, fused[-2::-1], strict=True):
            x = up(torch.cat([_twice(x), skip], 1))
        for _ in range(self.doublings - 1):
            x = _twice(x)
        x = self.refine(x)
        if self.config.encoder_size is None:
            return torch.sigmoid(self.full(_twice(x)))
        x = F.interpolate(x, infrared.shape[2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(self.full(x))

    def _seen(self, image: Tensor) -> Tensor:
        if self.config.encoder_size is None:
            return image
        size = list(self.config.encoder_size)
        return F.interpolate(image, size, mode="bilinear", align_corners=False)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class Padded(nn.Module):
    """Any image size: reflects the borders up to the student's multiple and crops back."""

    def __init__(self, student: CpuStudent | PaperStudent | UltralightStudent) -> None:
        super().__init__()
        self.student = student
        self.config = student.config

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse (B, 1, H, W) and RGB (B, 3, H, W) in [0, 1] into (B, 3, H, W)."""
        height, width = infrared.shape[-2:]
        if infrared.shape[1] != 1 or visible.shape[1:] != (3, height, width):
            raise FusionError(
                "expected infrared (B, 1, H, W) and visible RGB (B, 3, H, W) of one size, found "
                f"{tuple(infrared.shape)} and {tuple(visible.shape)}"
            )
        right, below = -width % self.config.multiple, -height % self.config.multiple
        mode = "reflect" if right < width and below < height else "replicate"
        padding = (0, right, 0, below)
        fused = self.student(
            F.pad(infrared, padding, mode=mode), F.pad(visible, padding, mode=mode)
        )
        cropped: Tensor = fused[..., :height, :width]
        return cropped


def build(config: StudentConfig) -> Padded:
    """Make an untrained student."""
    networks: dict[str, type[CpuStudent] | type[PaperStudent] | type[UltralightStudent]]
    networks = {"cpu": CpuStudent, "paper": PaperStudent, "ultralight": UltralightStudent}
    return Padded(networks[config.preset](config))


class Blanked(nn.Module):
    """A student that is fed a grey plane in place of the infrared image: its twin without infrared.

    Wherever it is used it has to be fed one: what it would make of an infrared image is anything.
    """

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse as the student does; of `infrared`, (B, 1, H, W), the size alone is used."""
        fused: Tensor = self.student(torch.full_like(infrared, BLANK / 255), visible)
        return fused


def save(student: Padded, path: Path, metadata: dict[str, str]) -> None:
    """Write a student as safetensors at half precision, with its config and `metadata`.

    Raises:
        FusionError: the disk is full or cannot be written.
    """
    config = json.dumps(dataclasses.asdict(student.config))
    tensors = {
        key: item.half() if item.is_floating_point() else item
        for key, item in student.student.state_dict().items()
    }
    with whole_file(path, SafetensorError) as partial:
        save_file(tensors, str(partial), {"format": FORMAT, "config": config, **metadata})


def load(path: Path) -> Padded:
    """Read a student that `save` has written; weights come back at single precision.

    Raises:
        FusionError: the file is missing, or not a student of this package.
    """
    facts = facts_of(path)
    try:
        raw = json.loads(facts["config"])
        raw = {key: tuple(item) if isinstance(item, list) else item for key, item in raw.items()}
        student = build(StudentConfig(**raw))
    except FusionError as err:
        raise FusionError(f"{path}: {err}") from err
    except Exception as err:  # JSON, dataclass, torch and timm each have their own
        raise FusionError(f"{path}: its config makes no student ({first_line(err)})") from err
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        state = {key: t.float() if t.is_floating_point() else t for key, t in tensors.items()}
        student.student.load_state_dict(state, strict=True)
    except (SafetensorError, OSError, RuntimeError) as err:
        raise FusionError(
            f"{path}: its tensors are not those of its config ({first_line(err)})"
        ) from err
    wrong = [key for key, t in state.items() if t.is_floating_point() and not t.isfinite().all()]
    if wrong:
        raise FusionError(f"{path}: {len(wrong)} tensors have NaN or inf, such as {wrong[0]}")
    return student.eval()


def facts_of(path: Path) -> dict[str, str]:
    """What a student's file says of itself: `config` and the metadata of `save`.

    Raises:
        FusionError: the file is missing, a pickle, or not a student of this package.
    """
    if not path.is_file():
        raise FusionError(f"no student at {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            facts = dict(file.metadata() or {})
    except (SafetensorError, OSError) as err:
        raise FusionError(
            f"{path} is not a safetensors file ({err}); pickled checkpoints are refused"
        ) from err
    if facts.get("format") != FORMAT:
        raise FusionError(f"{path}: expected format '{FORMAT}', found {facts.get('format')!r}")
    return facts
