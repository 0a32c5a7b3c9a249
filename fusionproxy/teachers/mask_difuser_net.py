"""The network of Mask-DiFuser: a conditional U-Net with content and semantic encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fusionproxy.errors import FusionError, missing_extra

try:
    import torch
    import torch.nn.functional as F
    from diffusers import ConfigMixin, ModelMixin
    from diffusers.configuration_utils import register_to_config
    from diffusers.models.embeddings import get_timestep_embedding
    from torch import Tensor, nn
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

SEMANTIC_STRIDE = 16


class CrossAttention(nn.Module):
    """Places of a feature map ask the tokens of one source; the full matrix is never stored."""

    def __init__(self, channels: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(_groups(channels), channels)
        self.query = nn.Conv2d(channels, channels, 1)
        self.key_value = nn.Linear(tokens, 2 * channels)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """(B, C, H, W) and (B, N, d) to (B, C, H, W)."""
        query = _heads(self.query(self.norm(x)).flatten(2).transpose(1, 2), self.heads)
        key, value = (_heads(t, self.heads) for t in self.key_value(tokens).chunk(2, -1))
        found = F.scaled_dot_product_attention(query, key, value)
        flat = found.transpose(1, 2).flatten(2).transpose(1, 2)  # (B, C, H*W)
        out: Tensor = x + self.out(flat.reshape(x.shape))
        return out


class SelfAttention(nn.Module):
    """Every place asks every place."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(_groups(channels), channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        flat = self.qkv(self.norm(x)).flatten(2).transpose(1, 2)
        query, key, value = (_heads(t, self.heads) for t in flat.chunk(3, -1))
        found = F.scaled_dot_product_attention(query, key, value)
        flat = found.transpose(1, 2).flatten(2).transpose(1, 2)
        out: Tensor = x + self.out(flat.reshape(x.shape))
        return out


def _heads(x: Tensor, heads: int) -> Tensor:
    split = x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads)
    return split.transpose(1, 2)  # (B, heads, N, C / heads)


def _groups(channels: int) -> int:
    return next(n for n in (32, 16, 8, 4, 2, 1) if channels % n == 0 and channels // n >= 2)


class ResBlock(nn.Module):
    """A residual block that also looks at the tokens of both sources, in both orders."""

    def __init__(self, inputs: int, channels: int, time: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.GroupNorm(_groups(inputs), inputs), nn.SiLU(), nn.Conv2d(inputs, channels, 3, 1, 1)
        )
        self.time = nn.Linear(time, channels)
        self.second = nn.Sequential(
            nn.GroupNorm(_groups(channels), channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, 1, 1),
        )
        self.skip = nn.Conv2d(inputs, channels, 1) if inputs != channels else nn.Identity()
        self.attention = CrossAttention(channels, tokens, heads) if heads else None
        self.mix = nn.Conv2d(3 * channels, channels, 1) if heads else None

    def forward(self, x: Tensor, time: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """(B, C, H, W), time (B, T), tokens (B, N, d) of both sources."""
        h = self.first(x) + self.time(F.silu(time))[..., None, None]
        out: Tensor = self.skip(x) + self.second(h)
        if self.attention is None or self.mix is None:
            return out
        z1 = self.attention(self.attention(out, a), b)
        z2 = self.attention(self.attention(out, b), a)
        mixed: Tensor = out + self.mix(torch.cat([z1, z2, z1 + z2], 1))
        return mixed


class ContentEncoder(nn.Module):
    """Shared convolutions at full size and a gate between the two sources."""

    def __init__(self, planes: int, widths: tuple[int, ...], out: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((planes, *widths[:-1]), widths, strict=True):
            layers += [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.SiLU()]
        self.shared = nn.Sequential(*layers)
        last = widths[-1]
        self.pooled = nn.Sequential(
            nn.Conv2d(last, last // 4, 1), nn.SiLU(), nn.Conv2d(last // 4, last, 1)
        )
        self.local = nn.Conv2d(last, last, 1)
        self.out = nn.Conv2d(last, out, 3, 1, 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two sources (B, planes, H, W) in [-1, 1] to (B, out, H, W)."""
        a, b = self.shared(first), self.shared(second)
        both = a + b
        mean, peak = both.mean((2, 3), keepdim=True), both.amax((2, 3), keepdim=True)
        gate = torch.sigmoid(self.pooled(mean) + self.pooled(peak) + self.local(both))
        out: Tensor = self.out(gate * a + (1 - gate) * b)
        return out


class SemanticEncoder(nn.Module):
    """Stride-16 convolutions and a transformer: tokens of one source."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        inputs = 3
        for outputs in (width // 4, width // 2, width, width):
            steps += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.SiLU()]
            inputs = outputs
        self.stem = nn.Sequential(*steps[:-1])
        self.position = nn.Conv2d(width, width, 3, 1, 1, groups=width)  # any image size
        block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.blocks = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, N, d)."""
        x = self.stem(image)
        tokens: Tensor = self.blocks((x + self.position(x)).flatten(2).transpose(1, 2))
        return tokens


class MaskDiFuserNet(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Predicts noise (or the clean image) from x_t and two sources.

    `cross_levels` are the levels whose blocks ask the semantic tokens; the paper's has all four.
    `patch` is the side of the squares of pixels that become the channels of one place: 1 as in the
    paper; 4 costs a fraction of it, so that a CPU can learn from crops that hold a street. Then
    `refine` channels at full size bring back detail from the sources. Sides are multiples of
    `multiple`.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        width: int = 128,
        multipliers: tuple[int, ...] = (1, 2, 3, 4),
        blocks: int = 2,
        content_widths: tuple[int, ...] = (32, 64, 128),
        semantic_width: int = 128,
        semantic_layers: int = 4,
        heads: int = 8,
        cross_levels: tuple[int, ...] = (0, 1, 2, 3),
        attention_level: int = 2,
        patch: int = 1,
        refine: int = 0,
    ) -> None:
        super().__init__()
        self.multiple = max(SEMANTIC_STRIDE, patch * 2 ** (len(multipliers) - 1))
        planes = 3 * patch**2
        widths = [width * m for m in multipliers]
        time = 4 * width
        self.time = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        self.content = ContentEncoder(planes, tuple(content_widths), width // 2)
        self.semantic = SemanticEncoder(semantic_width, semantic_layers, heads)
        self.noisy = nn.Conv2d(planes, width - width // 2, 3, 1, 1)

        def block(inputs: int, level: int) -> ResBlock:
            asks = heads if level in cross_levels else 0
            return ResBlock(inputs, widths[level], time, semantic_width, asks)

        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        now, skips = width, [width]
        for level, channels in enumerate(widths):
            stage = nn.ModuleList()
            for _ in range(blocks):
                stage.append(block(now, level))
                now = channels
                skips.append(now)
            self.down.append(stage)
            if level < len(widths) - 1:
                self.shrink.append(nn.Conv2d(now, now, 3, 2, 1))
                skips.append(now)
        self.middle = nn.ModuleList([block(now, len(widths) - 1) for _ in range(2)])
        self.middle_attention = SelfAttention(now, heads)
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(widths))):
            stage = nn.ModuleList()
            for _ in range(blocks + 1):
                stage.append(block(now + skips.pop(), level))
                now = widths[level]
            self.up.append(stage)
            if level:
                self.grow.append(nn.Conv2d(now, now, 3, 1, 1))
        self.level_attention = SelfAttention(widths[attention_level], heads)
        self.level_attention_up = SelfAttention(widths[attention_level], heads)
        self.out = nn.Sequential(nn.GroupNorm(_groups(now), now), nn.SiLU())
        self.last = nn.Conv2d(now, planes, 3, 1, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]
        self.refinement = _refinement(refine) if refine else None

    def tokens(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Semantic tokens of both sources; the same in every step."""
        return self.semantic(first), self.semantic(second)

    def forward(self, x: Tensor, t: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Predict from x_t (B, 3, H, W), steps (B,) and sources (B, 3, H, W) in [-1, 1]."""
        if x.shape[2] % self.multiple or x.shape[3] % self.multiple:
            raise FusionError(f"expected sides in multiples of {self.multiple}, found {x.shape}")
        time = self.time(get_timestep_embedding(t, self.config.width).to(x))
        a, b = self.tokens(first, second)
        seen = (x, first, second)
        x, first, second = (F.pixel_unshuffle(image, self.config.patch) for image in seen)
        h = torch.cat([self.content(first, second), self.noisy(x)], 1)
        skips = [h]
        for level, stage in enumerate(self.down):
            for block in stage:  # type: ignore[attr-defined]
                h = block(h, time, a, b)
                skips.append(h)
            if level == self.config.attention_level:
                h = self.level_attention(h)
            if level < len(self.shrink):
                h = self.shrink[level](h)
                skips.append(h)
        h = self.middle_attention(self.middle[0](h, time, a, b))
        h = self.middle[1](h, time, a, b)
        out = self._decode(h, skips, time, a, b)
        return out if self.refinement is None else out + self.refinement(torch.cat([out, *seen], 1))

    def _decode(self, h: Tensor, skips: list[Tensor], time: Tensor, a: Tensor, b: Tensor) -> Tensor:
        levels = len(self.up)
        for i, stage in enumerate(self.up):
            for block in stage:  # type: ignore[attr-defined]
                h = block(torch.cat([h, skips.pop()], 1), time, a, b)
            if levels - 1 - i == self.config.attention_level:
                h = self.level_attention_up(h)
            if i < levels - 1:
                h = self.grow[i](F.interpolate(h, scale_factor=2.0, mode="nearest"))
        return F.pixel_shuffle(self.last(self.out(h)), self.config.patch)


def _refinement(channels: int) -> nn.Sequential:
    """Convolutions over an image, x_t and both sources; nothing at first."""
    last = nn.Conv2d(channels, 3, 3, 1, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(nn.Conv2d(12, channels, 3, 1, 1), nn.SiLU(), last)


_SMALL: Mapping[str, Any] = {
    "width": 32,
    "content_widths": (16, 32, 32),
    "semantic_width": 64,
    "semantic_layers": 2,
    "heads": 4,
    "blocks": 1,
    "cross_levels": (2, 3),
}
NETWORKS: Mapping[str, dict[str, Any]] = {
    "paper": {},
    "small": {**_SMALL},
    "cpu": {**_SMALL, "width": 16, "content_widths": (16, 16, 16)},
    "street": {
        **_SMALL,
        "patch": 4,
        "refine": 16,
        "width": 40,
        "multipliers": (1, 2, 2, 3),
        "content_widths": (40, 40),
        "cross_levels": (3,),
    },
    "tiny": {
        "width": 8,
        "content_widths": (8, 8, 8),
        "semantic_width": 16,
        "semantic_layers": 1,
        "heads": 2,
        "blocks": 1,
        "cross_levels": (3,),
    },
}


def network_config(name: str) -> dict[str, Any]:
    """Settings of a network by name."""
    if name not in NETWORKS:
        raise FusionError(f"unknown network '{name}'; known: {', '.join(NETWORKS)}")
    return dict(NETWORKS[name])
