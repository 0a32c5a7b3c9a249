"""Students fuse any size, save and load without loss that matters, and export faithfully."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fusionproxy import student as students
from fusionproxy.config import PRESETS, preset
from fusionproxy.errors import FusionError
from fusionproxy.export import PARITY, parity, write_onnx
from fusionproxy.inference import OnnxStudent


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("size", [(64, 96), (45, 61), (1, 1)])
def test_fuses_any_size_into_rgb_of_the_same_size(name: str, size: tuple[int, int]) -> None:
    model = students.build(preset(name)).eval()
    with torch.no_grad():
        fused = model(torch.rand(1, 1, *size), torch.rand(1, 3, *size))
    assert fused.shape == (1, 3, *size)
    assert float(fused.min()) >= 0.0
    assert float(fused.max()) <= 1.0


def test_luma_preset_keeps_the_visible_colour() -> None:
    model = students.build(preset("cpu_luma")).eval()
    grey = torch.full((1, 3, 32, 32), 0.5)
    with torch.no_grad():
        fused = model(torch.rand(1, 1, 32, 32), grey)
    spread = fused.amax(1) - fused.amin(1)
    assert float(spread.max()) < 1e-4


def test_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    write_onnx(students.build(preset("cpu")).eval(), tmp_path / "s.onnx")
    fuser = OnnxStudent(tmp_path / "s.onnx")
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (60, 80, 3), np.uint8)
    thermal = rng.integers(0, 256, (60, 80), np.uint8)
    first = fuser.fuse(rgb, thermal)
    assert first.shape == rgb.shape
    assert np.array_equal(first, fuser.fuse(rgb, thermal))


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_export_equals_torch(tmp_path: Path, runtime: str) -> None:
    pytest.importorskip(runtime)
    model = students.build(preset("cpu")).eval()
    write_onnx(model, tmp_path / "s.onnx")
    assert parity(model, tmp_path / "s.onnx", runtime) < PARITY


def test_saved_student_loads_with_its_config(tmp_path: Path) -> None:
    model = students.build(preset("cpu_luma")).eval()
    students.save(model, tmp_path / "s.safetensors", {"label": "oracle"})
    loaded = students.load(tmp_path / "s.safetensors")
    images = (torch.rand(1, 1, 64, 64), torch.rand(1, 3, 64, 64))
    with torch.no_grad():
        difference = (model(*images) - loaded(*images)).abs().max()
    assert loaded.config == model.config
    assert float(difference) < 5e-3  # half precision on disk


def test_pickled_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    with pytest.raises(FusionError, match="pickled checkpoints are refused"):
        students.load(tmp_path / "foreign.pt")


@pytest.mark.parametrize(
    ("rgb", "thermal", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8), "resize"),
        (np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), "expected shape"),
        (np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), "expected uint8"),
        (np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), np.uint8), "3 channels"),
    ],
)
def test_wrong_pair_is_a_clear_error(
    tmp_path: Path, rgb: np.ndarray, thermal: np.ndarray, message: str
) -> None:
    write_onnx(students.build(preset("cpu")).eval(), tmp_path / "s.onnx")
    with pytest.raises(FusionError, match=message):
        OnnxStudent(tmp_path / "s.onnx").fuse(rgb, thermal)


def test_unknown_preset_names_the_known() -> None:
    with pytest.raises(FusionError, match="known: cpu, cpu_luma, paper"):
        preset("big")
