"""Unconditional priors of DDFM: sizes by name, and OpenAI's checkpoint in `UNet2DModel`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.foundations.standins import read_tensors

try:
    import torch.nn.functional as F
    from diffusers import UNet2DModel
    from torch import Tensor
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

State = Mapping[str, Tensor]
HOW_TO_GET = (
    "OpenAI's guided-diffusion repository links 256x256_diffusion_uncond.pt; download it and give "
    "its path, or train a small prior with `python -m fusionproxy.teachers.train --teacher ddfm`"
)


def unet_config(
    widths: tuple[int, ...],
    attention_levels: int,
    layers: int = 2,
    head: int = 64,
    groups: int = 32,
) -> dict[str, Any]:
    """Settings of a `UNet2DModel` in the shape of guided-diffusion's.

    Args:
        widths: channels of each level.
        attention_levels: how many of the coarsest levels attend.
        layers: residual blocks a level.
        head: channels of an attention head.
        groups: of all normalisations.
    """
    plain = len(widths) - attention_levels
    down = ["ResnetDownsampleBlock2D"] * plain + ["AttnDownBlock2D"] * attention_levels
    up = ["AttnUpBlock2D"] * attention_levels + ["ResnetUpsampleBlock2D"] * plain
    return {
        "in_channels": 3,
        "out_channels": 6,  # the last three are the learned range; only OpenAI's loss trains them
        "block_out_channels": widths,
        "layers_per_block": layers,
        "down_block_types": tuple(down),
        "up_block_types": tuple(up),
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "resnet_time_scale_shift": "scale_shift",
        "attention_head_dim": head,
        "norm_num_groups": groups,
        "attn_norm_num_groups": groups,  # without it the mid-block's attention loses its norm
        "norm_eps": 1e-5,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
    }


PRIORS: Mapping[str, dict[str, Any]] = {
    "openai256": unet_config((256, 256, 512, 512, 1024, 1024), 3),
    "small": unet_config((32, 64, 96, 128), 1, layers=1, head=32, groups=8) | {"out_channels": 3},
    "cpu": unet_config((16, 32, 64, 96, 128), 1, layers=1, head=32, groups=8) | {"out_channels": 3},
    # 16 pixels are one place, so that a CPU can learn from crops that hold a street
    "street": unet_config((64, 96, 112), 1, layers=1, head=16, groups=8)
    | {"in_channels": 48, "out_channels": 48},
    "tiny": unet_config((8, 16), 1, layers=1, head=8, groups=4) | {"out_channels": 3},
}


def prior_config(name: str) -> dict[str, Any]:
    """Settings of a prior by name."""
    if name not in PRIORS:
        raise FusionError(f"unknown prior '{name}'; known: {', '.join(PRIORS)}")
    return dict(PRIORS[name])


def predict(unet: Any, x: Tensor, t: Tensor) -> Tensor:
    """What a prior says of x_t (B, 3, H, W) at steps (B,), without the learned range."""
    patch = _patch(unet)
    if patch == 1:
        plain: Tensor = unet(x, t).sample[:, :3]
        return plain
    return F.pixel_shuffle(unet(F.pixel_unshuffle(x, patch), t).sample, patch)


def sides_of(unet: Any) -> int:
    """Sides of a prior's images are multiples of this."""
    return int(_patch(unet) * 2 ** (len(unet.config.block_out_channels) - 1))


def _patch(unet: Any) -> int:
    """Side of the square of pixels that is one place."""
    return math.isqrt(unet.config.in_channels // 3)


def load_guided_diffusion(path: Path, config: dict[str, Any] | None = None) -> Any:
    """OpenAI's unconditional model from its own checkpoint file.

    Raises:
        FusionError: the file is missing, holds more than tensors, or is another model.
    """
    if not path.is_file():
        raise FusionError(f"no checkpoint at {path}. {HOW_TO_GET}")
    given = read_tensors(path)
    if "input_blocks.0.0.weight" not in given:
        raise FusionError(f"{path} is not a guided-diffusion checkpoint. {HOW_TO_GET}")
    config = dict(config or PRIORS["openai256"])
    converted = convert_keys(given, config)
    unet = UNet2DModel(**config)
    ours = unet.state_dict()
    missing, unknown = (
        sorted(ours.keys() - converted.keys()),
        sorted(converted.keys() - ours.keys()),
    )
    wrong = [k for k in ours.keys() & converted.keys() if ours[k].shape != converted[k].shape]
    if missing or unknown or wrong:
        raise FusionError(
            f"{path} is another model than the 256x256 unconditional one: {len(missing)} tensors "
            f"missing, {len(unknown)} unknown, {len(wrong)} of another shape, such as "
            f"{(missing + unknown + wrong)[0]}"
        )
    unet.load_state_dict(converted)
    return unet.eval()


def convert_keys(given: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """State of guided-diffusion's UNet under the names of `UNet2DModel`."""
    places = _places(len(config["block_out_channels"]), int(config["layers_per_block"]), given)
    found: dict[str, Tensor] = {}
    for key, value in given.items():
        match = re.fullmatch(r"((?:input|output)_blocks\.\d+\.\d+|middle_block\.\d)\.(.+)", key)
        if key in _ENDS:
            found[_ENDS[key]] = value
        elif match and match[1] in places:
            place, rest = places[match[1]], match[2]
            if ".attentions." in f".{place}.":
                found |= _attention(place, rest, value, int(config["attention_head_dim"]))
            else:
                found[f"{place}.{_resnet(rest)}"] = value
        else:
            found[key] = value  # unknown: the caller reports it
    return found


_ENDS = {
    f"{theirs}.{kind}": f"{ours}.{kind}"
    for theirs, ours in {
        "time_embed.0": "time_embedding.linear_1",
        "time_embed.2": "time_embedding.linear_2",
        "input_blocks.0.0": "conv_in",
        "out.0": "conv_norm_out",
        "out.2": "conv_out",
    }.items()
    for kind in ("weight", "bias")
}
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}


def _resnet(rest: str) -> str:
    head, _, kind = rest.rpartition(".")
    return f"{_RESNET.get(head, head)}.{kind}"


def _places(levels: int, layers: int, given: State) -> dict[str, str]:
    """Where each block of theirs stands in ours."""
    places = {
        "middle_block.0": "mid_block.resnets.0",
        "middle_block.1": "mid_block.attentions.0",
        "middle_block.2": "mid_block.resnets.1",
    }
    number = 1
    for level in range(levels):
        for layer in range(layers):
            places[f"input_blocks.{number}.0"] = f"down_blocks.{level}.resnets.{layer}"
            places[f"input_blocks.{number}.1"] = f"down_blocks.{level}.attentions.{layer}"
            number += 1
        if level < levels - 1:
            places[f"input_blocks.{number}.0"] = f"down_blocks.{level}.downsamplers.0"
            number += 1
    number = 0
    for level in range(levels):
        for layer in range(layers + 1):
            block = f"output_blocks.{number}"
            places[f"{block}.0"] = f"up_blocks.{level}.resnets.{layer}"
            attends = f"{block}.1.qkv.weight" in given
            if attends:
                places[f"{block}.1"] = f"up_blocks.{level}.attentions.{layer}"
            if layer == layers and level < levels - 1:  # the last one of a level also upsamples
                places[f"{block}.{2 if attends else 1}"] = f"up_blocks.{level}.upsamplers.0"
            number += 1
    return places


def _attention(place: str, rest: str, value: Tensor, head: int) -> dict[str, Tensor]:
    name, _, kind = rest.rpartition(".")
    if name == "norm":
        return {f"{place}.group_norm.{kind}": value}
    flat = value.squeeze(-1) if kind == "weight" else value  # 1-D convolutions of one tap
    if name == "proj_out":
        return {f"{place}.to_out.0.{kind}": flat}
    channels = flat.shape[0] // 3
    parts = flat.reshape(channels // head, 3, head, *flat.shape[1:])
    return {
        f"{place}.{ours}.{kind}": parts[:, i].reshape(channels, *flat.shape[1:]).contiguous()
        for i, ours in enumerate(("to_q", "to_k", "to_v"))
    }
