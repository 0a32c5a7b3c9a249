"""Checkpoints synthesised in each published layout, and their forwards written down by hand.

Names and shapes are listed, not taken from our networks; the references use nothing but torch's
functions, so that wiring, preprocessing and post-processing are each stated twice.
"""

import math
from typing import Any

import numpy as np
import pytest

from fusiondrive.types import Command, Observation

torch = pytest.importorskip("torch", reason="torch is in the extra `train`")
pytest.importorskip("torchvision", reason="torchvision is in the extra `train`")
from PIL import Image as PilImage  # noqa: E402
from torch.nn import functional as F  # noqa: E402

Weights = dict[str, Any]
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
SPEED_MPS = 4.5
MAPS: dict[tuple[int, float], Any] = {}
ROAD_OPTION = {Command.LEFT: 1, Command.RIGHT: 2, Command.STRAIGHT: 3, Command.FOLLOW: 4}


def add_linear(w: Weights, name: str, before: int, after: int, gain: float = 1.0) -> None:
    w[f"{name}.weight"] = torch.randn(after, before) * gain / math.sqrt(before)
    w[f"{name}.bias"] = torch.randn(after) * 0.1


def add_layers(w: Weights, name: str, *sizes: int) -> None:
    for i in range(len(sizes) - 1):
        add_linear(w, f"{name}.layers.{i}.0", sizes[i], sizes[i + 1])


def add_norm(w: Weights, name: str, width: int) -> None:
    w[f"{name}.weight"] = 1.0 + 0.1 * torch.randn(width)
    w[f"{name}.bias"] = 0.1 * torch.randn(width)
    w[f"{name}.running_mean"] = 0.1 * torch.randn(width)
    w[f"{name}.running_var"] = 1.0 + torch.rand(width)
    w[f"{name}.num_batches_tracked"] = torch.tensor(7)


def add_conv(w: Weights, name: str, before: int, after: int, size: int) -> None:
    spread = math.sqrt(2.0 / (before * size * size))
    w[f"{name}.weight"] = torch.randn(after, before, size, size) * spread


def add_resnet(w: Weights, name: str, depth: int, fc: tuple[int, int] | None) -> None:
    add_conv(w, f"{name}.conv1", 3, 64, 7)
    add_norm(w, f"{name}.bn1", 64)
    before = 64
    for stage, count in enumerate(BLOCKS[depth]):
        width = 64 * 2**stage
        for block in range(count):
            here = f"{name}.layer{stage + 1}.{block}"
            add_conv(w, f"{here}.conv1", before, width, 3)
            add_norm(w, f"{here}.bn1", width)
            add_conv(w, f"{here}.conv2", width, width, 3)
            add_norm(w, f"{here}.bn2", width)
            if before != width:
                add_conv(w, f"{here}.downsample.0", before, width, 1)
                add_norm(w, f"{here}.downsample.1", width)
            before = width
    if fc is not None:
        add_linear(w, f"{name}.fc", *fc)


def norm(w: Weights, name: str, x: Any) -> Any:
    mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"])


def resnet(w: Weights, name: str, x: Any, depth: int) -> Any:
    """(1, 3, H, W) to the last stage's maps; kept, for all commands see the same image."""
    key = (id(w), float(x.double().sum()))
    if key not in MAPS:
        MAPS.clear()
        MAPS[key] = stages(w, name, x, depth)
    return MAPS[key]


def stages(w: Weights, name: str, x: Any, depth: int) -> Any:
    x = F.conv2d(x, w[f"{name}.conv1.weight"], stride=2, padding=3)
    x = F.max_pool2d(F.relu(norm(w, f"{name}.bn1", x)), 3, 2, 1)
    for stage, count in enumerate(BLOCKS[depth]):
        for block in range(count):
            here = f"{name}.layer{stage + 1}.{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            y = F.conv2d(x, w[f"{here}.conv1.weight"], stride=stride, padding=1)
            y = F.conv2d(F.relu(norm(w, f"{here}.bn1", y)), w[f"{here}.conv2.weight"], padding=1)
            y = norm(w, f"{here}.bn2", y)
            if f"{here}.downsample.0.weight" in w:
                x = F.conv2d(x, w[f"{here}.downsample.0.weight"], stride=stride)
                x = norm(w, f"{here}.downsample.1", x)
            x = F.relu(x + y)
    return x


def linear(w: Weights, name: str, x: Any) -> Any:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layers(w: Weights, name: str, x: Any, count: int, *, relu_last: bool = False) -> Any:
    for i in range(count):
        x = linear(w, f"{name}.layers.{i}.0", x)
        x = F.relu(x) if i < count - 1 or relu_last else x
    return x


def coil_weights() -> Weights:
    w: Weights = {}
    add_resnet(w, "perception", 34, (1536, 512))
    add_layers(w, "measurements", 1, 128, 128)
    add_layers(w, "join.after_process", 640, 512)
    add_layers(w, "speed_branch", 512, 256, 256, 1)
    for branch in range(4):
        add_layers(w, f"branches.branched_modules.{branch}", 512, 256, 256, 3)
    return w


def coil_reference(w: Weights, view: Observation) -> tuple[float, ...]:
    """Steer, throttle, brake: rows 90-485, 88x200, / 255; 2x2 pooling; branch = code - 2."""
    code = {Command.FOLLOW: 2, Command.LEFT: 3, Command.RIGHT: 4, Command.STRAIGHT: 5}
    small = PilImage.fromarray(view.image).crop((0, 90, 800, 485)).resize((200, 88), 2)
    x = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None] / 255.0
    maps = F.avg_pool2d(resnet(w, "perception", x, 34), 2, 2)
    assert maps.shape == (1, 512, 1, 3)
    seen = linear(w, "perception.fc", maps.flatten(1))
    speed = torch.tensor([[view.speed_mps / 12.0]])
    measured = layers(w, "measurements", speed, 2, relu_last=True)
    joined = torch.cat((seen, measured), 1)
    joined = layers(w, "join.after_process", joined, 1, relu_last=True)
    branch = f"branches.branched_modules.{code[view.command] - 2}"
    return tuple(layers(w, branch, joined, 3)[0].tolist())


ROACH_KWARGS: dict[str, Any] = {
    "im_shape": (3, 1, 256, 900),
    "input_states": ["speed"],
    "acc_as_action": True,
    "value_as_supervision": False,
    "action_distribution": None,
    "dim_features_supervision": 0,
    "rl_ckpt": None,
    "freeze_value_head": False,
    "freeze_action_head": False,
    "resnet_pretrain": True,
    "perception_output_neurons": 1000,
    "measurements_neurons": [128, 128],
    "measurements_dropouts": [0.0, 0.0],
    "join_neurons": [512, 512, 256],
    "join_dropouts": [0.0, 0.0, 0.0],
    "speed_branch_neurons": [256, 256],
    "speed_branch_dropouts": [0.0, 0.5],
    "value_branch_neurons": [256, 256],
    "value_branch_dropouts": [0.0, 0.5],
    "number_of_branches": 6,
    "branches_neurons": [256, 256],
    "branches_dropouts": [0.0, 0.5],
    "squash_outputs": False,
    "perception_net": "resnet34",
}


def roach_weights(kwargs: dict[str, Any]) -> Weights:
    w: Weights = {}
    depth = int(kwargs["perception_net"].removeprefix("resnet"))
    add_resnet(w, "perception", depth, (512, 1000))
    w["perception.fc.weight"] *= 0.02  # so that no control is at its limit
    size = sum({"speed": 1, "vec": 2, "cmd": 6}[name] for name in kwargs["input_states"])
    add_layers(w, "measurements", size, 128, 128)
    add_layers(w, "join.after_process", 1128, 512, 512, 256)
    add_layers(w, "speed_branch", 1000, 256, 256, 1)
    if kwargs["value_as_supervision"]:
        add_layers(w, "value_branch", 256, 256, 256, 1)
    for branch in range(kwargs["number_of_branches"]):
        if kwargs["action_distribution"] == "beta_shared":
            trunk: Weights = {}
            add_layers(trunk, "0", 256, 256, 256)
            for name in ("mu", "sigma"):
                here = f"{name}_branches.branched_modules.{branch}"
                w.update({f"{here}.{key}": value for key, value in trunk.items()})
                add_linear(w, f"{here}.1.0", 256, 2, gain=3.0)
        elif kwargs["action_distribution"] == "beta":
            add_layers(w, f"mu_branches.branched_modules.{branch}", 256, 256, 256, 2)
            add_layers(w, f"sigma_branches.branched_modules.{branch}", 256, 256, 256, 2)
        else:
            add_layers(w, f"branches.branched_modules.{branch}", 256, 256, 256, 2)
    return w


def roach_reference(
    w: Weights, view: Observation, kwargs: dict[str, Any], vec: tuple[float, float]
) -> tuple[float, ...]:
    """Steer, throttle, brake: ImageNet normalisation, option - 1, sign of the acceleration."""
    x = torch.from_numpy(view.image).permute(2, 0, 1)[None] / 255.0
    x = (x - torch.tensor((0.485, 0.456, 0.406))[:, None, None]) / torch.tensor(
        (0.229, 0.224, 0.225)
    )[:, None, None]
    depth = int(kwargs["perception_net"].removeprefix("resnet"))
    seen = linear(w, "perception.fc", resnet(w, "perception", x, depth).mean((2, 3)))
    index = ROAD_OPTION[view.command] - 1
    parts = {
        "speed": [view.speed_mps / 12.0],
        "vec": list(vec),
        "cmd": [1.0 if i == index else 0.0 for i in range(6)],
    }
    state = torch.tensor([[value for name in kwargs["input_states"] for value in parts[name]]])
    joined = torch.cat((seen, layers(w, "measurements", state, 2, relu_last=True)), 1)
    joined = layers(w, "join.after_process", joined, 3, relu_last=True)
    index = min(index, kwargs["number_of_branches"] - 1)
    if kwargs["action_distribution"] is None:
        acc, steer = layers(w, f"branches.branched_modules.{index}", joined, 3)[0].tolist()
    else:
        heads = []
        for name in ("mu", "sigma"):
            here = f"{name}_branches.branched_modules.{index}"
            if kwargs["action_distribution"] == "beta":
                raw = layers(w, here, joined, 3)
            else:
                raw = linear(w, f"{here}.1.0", layers(w, f"{here}.0", joined, 2, relu_last=True))
            heads.append(F.softplus(raw)[0].tolist())
        acc, steer = (2.0 * mode(a, b) - 1.0 for a, b in zip(*heads, strict=True))
    return steer, max(acc, 0.0), max(-acc, 0.0)


def mode(a: float, b: float) -> float:
    if a > 1 and b > 1:
        return (a - 1) / (a + b - 2)
    if a <= 1 and b <= 1:
        return a / (a + b)
    return 0.0 if a <= 1 else 1.0


def transfuser_weights() -> Weights:
    w: Weights = {}
    add_resnet(w, "encoder.features", 18, None)
    w["encoder.features.bn1.running_var"] *= 1e6  # its pixels are not divided by 255
    for name, sizes in (("vel_in", (1, 256, 512)), ("vel_out", (512, 256, 256, 1))):
        for i in range(len(sizes) - 1):
            add_linear(w, f"controller.{name}.{2 * i}", sizes[i], sizes[i + 1])
    for branch in range(6):
        for i, (before, after) in enumerate(((512, 256), (256, 256), (256, 3))):
            add_linear(w, f"controller.branches.{branch}.{2 * i}", before, after)
    return w


def transfuser_reference(w: Weights, view: Observation) -> tuple[float, ...]:
    """Steer, throttle, brake: centre 256x256, (0..255 - mean) / std, raw m/s added, sigmoids."""
    x = torch.from_numpy(view.image[22:278, 72:328].copy()).permute(2, 0, 1)[None].float()
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    x = (x - mean[:, None, None]) / std[:, None, None]
    code = resnet(w, "encoder.features", x, 18).mean((2, 3))
    speed = torch.tensor([[view.speed_mps]])
    code = code + linear(w, "controller.vel_in.2", F.relu(linear(w, "controller.vel_in.0", speed)))
    here = f"controller.branches.{ROAD_OPTION[view.command] - 1}"
    code = F.relu(linear(w, f"{here}.0", code))
    out = torch.sigmoid(linear(w, f"{here}.4", F.relu(linear(w, f"{here}.2", code))))[0].tolist()
    return out[0] * 2.0 - 1.0, out[1] * 0.75, out[2]
