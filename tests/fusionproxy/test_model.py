"""One call fuses any type and layout; wrong input and foreign files are named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fusionproxy import FusionError, FusionProxy, student, writers
from fusionproxy.config import preset
from fusionproxy.formats import EXPORTS
from fusionproxy.inference import OnnxStudent
from fusionproxy.model import SHIPPED, shipped_names

pytestmark = pytest.mark.heavy

RGB = np.random.default_rng(0).integers(0, 256, (45, 61, 3), np.uint8)
THERMAL = np.random.default_rng(1).integers(0, 256, (45, 61), np.uint8)


@pytest.fixture(scope="module")
def oracle() -> FusionProxy:
    return FusionProxy.from_pretrained("student_oracle")


def test_bytes_are_those_of_the_harness(oracle: FusionProxy) -> None:
    expected = OnnxStudent(SHIPPED / "student_oracle.onnx").fuse(RGB, THERMAL)
    assert np.array_equal(oracle.fuse(RGB, THERMAL), expected)


def test_type_layout_and_range_come_back(oracle: FusionProxy) -> None:
    expected = oracle.fuse(RGB, THERMAL).astype(np.float32) / 255
    rgb, thermal = RGB.astype(np.float32) / 255, THERMAL.astype(np.float32) / 255
    cases: list[tuple[Any, Any, dict[str, Any]]] = [
        (rgb, thermal[..., None], {}),
        (rgb.astype(np.float64), thermal, {}),
        (rgb[None], thermal[None], {}),
        (torch.from_numpy(rgb).permute(2, 0, 1), torch.from_numpy(thermal)[None], {}),
        (torch.from_numpy(RGB).permute(2, 0, 1)[None], torch.from_numpy(THERMAL)[None, None], {}),
        (
            RGB.astype(np.uint16) * 16,
            THERMAL.astype(np.uint16) + 7000,
            {"rgb_range": (0, 4080), "thermal_range": (7000, 7255)},
        ),
    ]
    for image, heat, ranges in cases:
        fused = oracle.fuse(image, heat, **ranges)
        assert type(fused) is type(image)
        assert fused.dtype == image.dtype
        assert fused.shape == image.shape
        values = np.asarray(fused, np.float32) / {"uint8": 255, "torch.uint8": 255}.get(
            str(fused.dtype), 4080 if "rgb_range" in ranges else 1
        )
        values = values[0] if values.ndim == 4 else values
        values = values.transpose(1, 2, 0) if isinstance(image, torch.Tensor) else values
        assert np.abs(values - expected).max() < 0.51 / 255 + 1e-5


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FusionProxy]:
    """One file of each format that `from_pretrained` opens."""
    folder = tmp_path_factory.mktemp("formats")
    writers.write_torchscript(
        student.load(SHIPPED / "student_distilled.safetensors"), folder / "s.torchscript"
    )
    writers.write_openvino(SHIPPED / "student_distilled.onnx", folder / "s.xml")
    files = {".torchscript": folder / "s.torchscript", ".xml": folder / "s.xml"}
    for suffix in (".onnx", ".int8.xml", ".safetensors"):
        files[suffix] = SHIPPED / f"student_distilled{suffix}"
    return {suffix: FusionProxy.from_pretrained(path) for suffix, path in files.items()}


@pytest.mark.parametrize("suffix", [*EXPORTS.values(), ".safetensors"])
def test_a_batch_is_what_its_images_are_one_by_one(
    formats: dict[str, FusionProxy], suffix: str
) -> None:
    model = formats[suffix]
    rgb = np.stack([RGB, RGB[::-1], 255 - RGB])
    thermal = np.stack([THERMAL, 255 - THERMAL, THERMAL[::-1]])
    alone = np.stack([model.fuse(a, b) for a, b in zip(rgb, thermal, strict=True)])
    assert np.array_equal(model.fuse(rgb, thermal), alone)
    assert np.array_equal(model.fuse(rgb, thermal[..., None]), alone)
    assert np.array_equal(model.fuse(rgb[:1], thermal[:1]), alone[:1])
    planes = torch.from_numpy(rgb).permute(0, 3, 1, 2), torch.from_numpy(thermal)[:, None]
    fused = model.fuse(*planes)
    assert isinstance(fused, torch.Tensor)
    assert np.array_equal(fused.permute(0, 2, 3, 1).numpy(), alone)
    mixed = model.fuse(rgb, thermal.astype(np.float32) / 255)  # a type each
    assert np.abs(mixed.astype(int) - alone).max() <= 1


def test_a_batch_of_tiny_images_keeps_its_shape(oracle: FusionProxy) -> None:
    """Three columns of a batch are not taken for three channels."""
    rgb, thermal = np.stack([RGB[:4, :3]] * 2), np.stack([THERMAL[:4, :3]] * 2)
    assert oracle.fuse(rgb, thermal).shape == (2, 4, 3, 3)


@pytest.mark.parametrize("size", [(2, 2), (3, 70), (16, 16), (17, 33)])
def test_tiny_images_are_fused_as_by_torch(oracle: FusionProxy, size: tuple[int, int]) -> None:
    """Their border cannot be reflected: a network file of its own refused 2 to 16 pixels."""
    rgb, thermal = np.resize(RGB, (*size, 3)), np.resize(THERMAL, size)
    fused = oracle.fuse(rgb, thermal)
    torch_one = FusionProxy.from_pretrained(SHIPPED / "student_oracle.safetensors")
    assert np.abs(fused.astype(int) - torch_one.fuse(rgb, thermal)).max() <= 1
    harness = OnnxStudent(SHIPPED / "student_oracle.onnx").fuse(rgb, thermal)
    assert np.array_equal(fused, harness)


def test_a_saved_student_comes_back(oracle: FusionProxy, tmp_path: Path) -> None:
    again = FusionProxy.from_pretrained(oracle.save_pretrained(tmp_path / "mine"))
    assert again.weights_hash() == oracle.weights_hash()
    assert (tmp_path / "mine/student_oracle.json").is_file()
    weights = FusionProxy.from_pretrained(tmp_path / "mine/student_oracle.safetensors")
    a, b = weights.fuse(RGB, THERMAL), oracle.fuse(RGB, THERMAL)
    assert np.abs(a.astype(int) - b.astype(int)).max() <= 1
    student.save(student.build(preset("ultralight")), tmp_path / "other.safetensors", {})
    other = FusionProxy.from_pretrained(tmp_path / "other.safetensors")
    with pytest.raises(FusionError, match="holds other weights"):
        other.save_pretrained(tmp_path / "mine")


@pytest.mark.parametrize(
    ("rgb", "thermal", "message"),
    [
        (RGB, THERMAL[:40], "align and resize"),
        (RGB[..., 0], THERMAL, "found a grey image"),
        (RGB, RGB, "thermal: expected one channel"),
        (RGB[:1, :1], THERMAL[:1, :1], "1 x 1 pixels"),
        (RGB.astype(np.uint16), THERMAL, "give rgb_range"),
        (RGB, THERMAL.astype(np.uint16), "give thermal_range"),
        (RGB / 1.0, THERMAL, "floats of 0 to 255"),
        (np.full((8, 8, 3), np.nan), THERMAL[:8, :8], "192 values are NaN"),
        (torch.zeros(3, 8, 8), THERMAL[:8, :8], "thermal is not; give two of a kind"),
        (RGB[:8, :8], torch.zeros(1, 8, 8), "rgb is not; give two of a kind"),
        (np.stack([RGB] * 3), np.stack([THERMAL] * 2), "3 x 45 x 61 but thermal is 2 x 45 x 61"),
        (RGB[None][:0], THERMAL[None][:0], "the batch is empty"),
        (torch.zeros(0, 3, 8, 8), torch.zeros(0, 1, 8, 8), "the batch is empty"),
        (np.stack([RGB] * 2), np.stack([RGB] * 2), "thermal: expected one channel"),
        (np.stack([RGB] * 2), THERMAL, "2 x 45 x 61 but thermal is 1 x 45 x 61"),
        (torch.zeros(8, 8, 3), torch.zeros(1, 8, 8), r"expected \(3, H, W\)"),
    ],
)
def test_wrong_images_are_clear_errors(
    oracle: FusionProxy, rgb: Any, thermal: Any, message: str
) -> None:
    with pytest.raises(FusionError, match=message):
        oracle.fuse(rgb, thermal)


def test_wrong_files_are_clear_errors(tmp_path: Path) -> None:
    assert "student_oracle" in shipped_names()
    torch.save({"a": torch.zeros(1)}, tmp_path / "net.pth")
    (tmp_path / "foreign.safetensors").write_bytes(b"no")
    (tmp_path / "net.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    for name, message in {
        "net.pth": "pickled checkpoints are refused",
        "foreign.safetensors": "is not a safetensors file",
        "net.txt": r"expected a file of \.onnx, \.xml",
        "empty": "no file of .onnx, .xml, .torchscript, .safetensors in",
        "nothing": "known names: student_distilled, student_oracle",
    }.items():
        with pytest.raises(FusionError, match=message):
            FusionProxy.from_pretrained(tmp_path / name)
