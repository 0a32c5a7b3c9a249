"""DDFM: the EM step by hand, the checkpoint's loader against its own architecture, sampling."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from torch import Tensor

from fusionproxy.errors import FusionError
from fusionproxy.teachers.ddfm import DdfmPipeline, pipeline_of
from fusionproxy.teachers.diffusion import Schedule, make_scheduler, spaced
from fusionproxy.teachers.prior import PRIORS, load_guided_diffusion, unet_config
from fusionproxy.teachers.rectify import EmConfig, Rectifier


def planes(seed: int = 0, size: tuple[int, int] = (6, 8)) -> list[Tensor]:
    make = torch.Generator().manual_seed(seed)
    draw = [torch.rand(1, 1, *size, generator=make, dtype=torch.float64) * 2 - 1 for _ in range(3)]
    return draw


def em_by_loops(i: Tensor, v: Tensor, estimates: list[Tensor]) -> list[Tensor]:
    """The repository's step with numpy and an explicit linear system in place of transforms."""
    i, v = v[0, 0], i[0, 0]  # its loader swaps them
    rows, columns = i.shape
    count = rows * columns
    kx, ky = np.zeros((count, count)), np.zeros((count, count))
    for r in range(rows):
        for c in range(columns):
            here = r * columns + c
            kx[here, r * columns + (c + 1) % columns] += 1
            ky[here, (r + 1) % rows * columns + c] += 1
            kx[here, here] -= 1
            ky[here, here] -= 1
    system = np.eye(count) + kx.T @ kx + ky.T @ ky
    u, w, ta, tb = np.zeros(count), np.zeros(count), 1.0, 1.0
    found = []
    for f in estimates:
        y, x = (i - v).numpy(), (f[0, 0] - v).numpy()
        m = np.sqrt(2 / tb / (x**2 + 1e-6))
        n = np.sqrt(2 / ta / (y - x + 1e-6) ** 2)
        m = np.minimum(m, 2 * n)
        tb, ta = (1 / (m + 1e-10) + tb / 2).mean(), (1 / (n + 1e-10) + ta / 2).mean()
        h = np.linalg.solve(system, (y - x).ravel() + kx.T @ u + ky.T @ w).reshape(rows, columns)
        right, down = h.copy(), h.copy()
        right[:, :-1] -= h[:, 1:]
        down[:-1] -= h[1:]
        keep = 0.001 / 1.001
        u, w = keep * right.ravel(), keep * down.ravel()
        x = (2 * n * y + 0.001 * (y - h)) / (2 * n + 2 * m + 0.001)
        found.append(i - torch.from_numpy(x))
    return found


def test_three_carried_steps_equal_a_linear_system() -> None:
    infrared, visible, first = planes()
    rectifier = Rectifier(infrared, visible, EmConfig(compat=True))
    estimates = [first, first * 0.5, first * -0.2]
    for f, expected in zip(estimates, em_by_loops(infrared, visible, estimates), strict=True):
        assert torch.allclose(rectifier.step(f)[0, 0], expected, atol=1e-12)


def test_rectified_luma_lies_between_the_sources() -> None:
    infrared, visible, f = planes()
    rectifier = Rectifier(infrared, visible, EmConfig())
    for _ in range(3):
        f = rectifier.step(f)
        slack = 2e-3 * (infrared - visible).abs() + 2e-3
        assert bool((f >= torch.minimum(infrared, visible) - slack).all())
        assert bool((f <= torch.maximum(infrared, visible) + slack).all())


def test_an_estimate_near_the_infrared_is_drawn_to_it() -> None:
    infrared, visible = torch.full((1, 1, 4, 4), 0.8), torch.full((1, 1, 4, 4), -0.6)
    f = Rectifier(infrared, visible, EmConfig()).step(torch.full_like(infrared, 0.75))
    assert float((f - infrared).abs().max()) < 0.1


def test_steps_are_those_of_the_repository() -> None:
    times = spaced(999, 100)
    assert len(times) == 100
    assert times[:3] == [999, 989, 979]
    assert times[-3:] == [20, 10, 0]
    assert spaced(800, 5) == [800, 600, 400, 200, 0]


def test_clean_estimate_survives_a_whole_trajectory() -> None:
    # where the network knows the clean image, DDIM ends exactly there
    schedule, clean = Schedule(make_scheduler()), torch.rand(1, 3, 4, 4) * 2 - 1
    x = torch.randn(1, 3, 4, 4)
    times = spaced(999, 10)
    for t, before in zip(times, [*times[1:], -1], strict=True):
        x = schedule.step(x, clean, t, before, 0.0, None)
    assert torch.allclose(x, clean, atol=1e-5)


def tiny_pipeline(widths: tuple[int, ...] = (8, 16), patch: int = 1) -> DdfmPipeline:
    torch.manual_seed(0)
    planes = 3 * patch**2
    config = unet_config(widths, 1, layers=1, head=8, groups=4)
    config |= {"in_channels": planes, "out_channels": planes}
    return pipeline_of(UNet2DModel(**config).eval(), make_scheduler())


@pytest.mark.parametrize(("compat", "patch"), [(False, 1), (True, 1), (False, 4)])
def test_samples_fit_any_size_and_follow_their_noise(compat: bool, patch: int) -> None:
    pipeline, config = tiny_pipeline(patch=patch), EmConfig(compat=compat)
    infrared, visible = torch.rand(1, 1, 17, 23), torch.rand(1, 3, 17, 23)

    def sample(seed: int) -> Tensor:
        make = torch.Generator().manual_seed(seed)
        return pipeline(infrared, visible, make, steps=4, config=config)

    assert sample(0).shape == (1, 3, 17, 23)
    assert torch.equal(sample(0), sample(0))
    assert not torch.equal(sample(0), sample(1))
    assert 0 <= float(sample(0).min()) <= float(sample(0).max()) <= 1


def test_colour_is_that_of_the_visible_image() -> None:
    infrared = torch.rand(1, 1, 16, 16) * 0.2 + 0.4
    visible = torch.full((1, 3, 16, 16), 0.5)
    visible[:, 0] = 0.6  # reddish
    fused = tiny_pipeline()(infrared, visible, torch.Generator().manual_seed(0), steps=4)
    assert torch.allclose(fused[:, 0] - fused[:, 2], torch.full((1, 16, 16), 0.1), atol=1e-4)


def test_saved_pipeline_comes_back(tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    pipeline.save_pretrained(tmp_path)
    again = DdfmPipeline.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    pair = torch.rand(1, 1, 16, 16), torch.rand(1, 3, 16, 16)
    first, second = (p(*pair, torch.Generator().manual_seed(1), 2) for p in (pipeline, again))
    assert torch.allclose(first, second, atol=1e-4)
    assert list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob("*.bin"))


# guided-diffusion's UNet, straight from its state dict


def their_resblock(s: dict[str, Tensor], p: str, x: Tensor, emb: Tensor, resize: str) -> Tensor:
    def size(x: Tensor) -> Tensor:
        if resize == "down":
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2.0) if resize == "up" else x

    h = F.silu(F.group_norm(x, 32, s[f"{p}.in_layers.0.weight"], s[f"{p}.in_layers.0.bias"]))
    weight, bias = s[f"{p}.in_layers.2.weight"], s[f"{p}.in_layers.2.bias"]
    h = F.conv2d(size(h), weight, bias, padding=1)
    x = size(x)
    both = F.linear(F.silu(emb), s[f"{p}.emb_layers.1.weight"], s[f"{p}.emb_layers.1.bias"])
    scale, shift = both[..., None, None].chunk(2, 1)
    h = F.group_norm(h, 32, s[f"{p}.out_layers.0.weight"], s[f"{p}.out_layers.0.bias"])
    h = F.silu(h * (1 + scale) + shift)
    h = F.conv2d(h, s[f"{p}.out_layers.3.weight"], s[f"{p}.out_layers.3.bias"], padding=1)
    if f"{p}.skip_connection.weight" in s:
        x = F.conv2d(x, s[f"{p}.skip_connection.weight"], s[f"{p}.skip_connection.bias"])
    return x + h


def their_attention(s: dict[str, Tensor], p: str, x: Tensor, head: int) -> Tensor:
    b, c, *space = x.shape
    flat = x.reshape(b, c, -1)
    h = F.group_norm(flat, 32, s[f"{p}.norm.weight"], s[f"{p}.norm.bias"])
    qkv = F.conv1d(h, s[f"{p}.qkv.weight"], s[f"{p}.qkv.bias"])
    q, k, v = qkv.reshape(b * c // head, 3 * head, -1).split(head, 1)
    weight = torch.softmax(torch.einsum("bct,bcs->bts", q, k) / math.sqrt(head), -1)
    h = torch.einsum("bts,bcs->bct", weight, v).reshape(b, c, -1)
    h = F.conv1d(h, s[f"{p}.proj_out.weight"], s[f"{p}.proj_out.bias"])
    return (flat + h).reshape(b, c, *space)


class TheirShapes:
    """Makes a random state dict of theirs and runs it: two levels, attention on the second."""

    def __init__(self) -> None:
        self.s: dict[str, Tensor] = {}
        self.make = torch.Generator().manual_seed(0)
        self.linear("time_embed.0", 128, 32)
        self.linear("time_embed.2", 128, 128)
        self.conv("input_blocks.0.0", 32, 3)
        self.plan: list[tuple[str, list[tuple[str, str]]]] = []
        self.block("input_blocks.1", 32, 32, [])
        self.block("input_blocks.2", 32, 32, ["down"])
        self.block("input_blocks.3", 64, 32, ["attention"])
        self.block("middle_block", 64, 64, ["attention", "middle"])
        self.block("output_blocks.0", 64, 128, ["attention"])
        self.block("output_blocks.1", 64, 96, ["attention", "up"])
        self.block("output_blocks.2", 32, 96, [])
        self.block("output_blocks.3", 32, 64, [])
        self.norm("out.0", 32)
        self.conv("out.2", 6, 32)

    def draw(self, name: str, *shape: int) -> None:
        self.s[f"{name}.weight"] = torch.randn(*shape, generator=self.make) * 0.1
        self.s[f"{name}.bias"] = torch.randn(shape[0], generator=self.make) * 0.1

    def linear(self, name: str, out: int, inp: int) -> None:
        self.draw(name, out, inp)

    def conv(self, name: str, out: int, inp: int, kernel: int = 3) -> None:
        self.draw(name, out, inp, kernel, kernel)

    def norm(self, name: str, channels: int) -> None:
        self.draw(name, channels)

    def resblock(self, name: str, out: int, inp: int) -> None:
        self.norm(f"{name}.in_layers.0", inp)
        self.conv(f"{name}.in_layers.2", out, inp)
        self.linear(f"{name}.emb_layers.1", 2 * out, 128)
        self.norm(f"{name}.out_layers.0", out)
        self.conv(f"{name}.out_layers.3", out, out)
        if inp != out:
            self.conv(f"{name}.skip_connection", out, inp, 1)

    def block(self, name: str, out: int, inp: int, extra: list[str]) -> None:
        parts = []
        if "down" in extra:
            self.resblock(f"{name}.0", out, inp)
            parts.append((f"{name}.0", "down"))
        else:
            self.resblock(f"{name}.0", out, inp)
            parts.append((f"{name}.0", "none"))
        if "attention" in extra:
            self.norm(f"{name}.1.norm", out)
            self.draw(f"{name}.1.qkv", 3 * out, out, 1)
            self.draw(f"{name}.1.proj_out", out, out, 1)
            parts.append((f"{name}.1", "attention"))
        if "middle" in extra:
            self.resblock(f"{name}.2", out, out)
            parts.append((f"{name}.2", "none"))
        if "up" in extra:
            self.resblock(f"{name}.2", out, out)
            parts.append((f"{name}.2", "up"))
        self.plan.append((name, parts))

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        s, half = self.s, 16
        rates = torch.exp(-math.log(10000) * torch.arange(half) / half)
        angle = t[:, None].float() * rates[None]
        emb = torch.cat([torch.cos(angle), torch.sin(angle)], -1)
        emb = F.silu(F.linear(emb, s["time_embed.0.weight"], s["time_embed.0.bias"]))
        emb = F.linear(emb, s["time_embed.2.weight"], s["time_embed.2.bias"])
        first = s["input_blocks.0.0.weight"], s["input_blocks.0.0.bias"]
        h = F.conv2d(x, *first, padding=1)
        skips = [h]
        for name, parts in self.plan:
            if name.startswith("output"):
                h = torch.cat([h, skips.pop()], 1)
            for part, kind in parts:
                if kind == "attention":
                    h = their_attention(s, part, h, 32)
                else:
                    h = their_resblock(s, part, h, emb, kind)
            if name.startswith("input"):
                skips.append(h)
        h = F.silu(F.group_norm(h, 32, s["out.0.weight"], s["out.0.bias"]))
        return F.conv2d(h, s["out.2.weight"], s["out.2.bias"], padding=1)


def test_loaded_checkpoint_computes_what_their_network_computes(tmp_path: Path) -> None:
    theirs = TheirShapes()
    path = tmp_path / "their.pt"
    torch.save(theirs.s, path)
    ours = load_guided_diffusion(path, unet_config((32, 64), 1, layers=1, head=32))
    x, t = torch.randn(2, 3, 16, 24), torch.tensor([5, 700])
    with torch.no_grad():
        assert torch.allclose(ours(x, t).sample, theirs(x, t), atol=1e-5)


def test_openai_prior_has_the_known_size() -> None:
    with torch.device("meta"):
        unet = UNet2DModel(**PRIORS["openai256"])
    assert sum(p.numel() for p in unet.parameters()) == 552_814_086


def test_missing_and_foreign_checkpoints_say_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="256x256_diffusion_uncond"):
        load_guided_diffusion(tmp_path / "none.pt")
    torch.save({"a": torch.zeros(1)}, tmp_path / "foreign.pt")
    with pytest.raises(FusionError, match="not a guided-diffusion checkpoint"):
        load_guided_diffusion(tmp_path / "foreign.pt")
    torch.save(TheirShapes().s, tmp_path / "other.pt")
    with pytest.raises(FusionError, match="another model"):
        load_guided_diffusion(tmp_path / "other.pt", unet_config((32, 64), 1, head=32))
