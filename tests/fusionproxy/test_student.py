"""Students fuse any size, save and load without loss that matters, and export faithfully."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fusionproxy import student as students
from fusionproxy.config import PRESETS, preset
from fusionproxy.errors import FusionError
from fusionproxy.export import PARITY
from fusionproxy.inference import OnnxStudent, unit_planes
from fusionproxy.metrics import block_ssim
from fusionproxy.runtime import OnnxModel
from fusionproxy.writers import onnxruntime_runner, openvino_runner, parity, write_onnx

pytestmark = pytest.mark.heavy


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("student") / "s.onnx"
    write_onnx(students.build(preset("cpu")).eval(), path)
    return path


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("size", [(64, 96), (45, 61), (1, 1)])
def test_fuses_any_size_into_rgb_of_the_same_size(name: str, size: tuple[int, int]) -> None:
    model = students.build(preset(name)).eval()
    with torch.no_grad():
        fused = model(torch.rand(1, 1, *size), torch.rand(1, 3, *size))
    assert fused.shape == (1, 3, *size)
    assert float(fused.min()) >= 0.0
    assert float(fused.max()) <= 1.0


def test_ablation_students_are_of_the_size_that_their_names_say() -> None:
    millions = {
        name: sum(p.numel() for p in students.build(preset(name)).parameters()) / 1e6
        for name in ("ultralight", "cpu", "efficientformerv2_s1", "mobilenetv4_conv_m")
    }
    assert millions["ultralight"] < 0.02
    assert 0.5 < millions["cpu"] < 2
    assert 11 < millions["efficientformerv2_s1"] < 14  # two encoders of 5.7
    assert 14 < millions["mobilenetv4_conv_m"] < 35


def test_luma_preset_keeps_the_visible_colour() -> None:
    model = students.build(preset("cpu_luma")).eval()
    grey = torch.full((1, 3, 32, 32), 0.5)
    with torch.no_grad():
        fused = model(torch.rand(1, 1, 32, 32), grey)
    spread = fused.amax(1) - fused.amin(1)
    assert float(spread.max()) < 1e-4


def test_same_images_give_the_same_bytes(exported: Path) -> None:
    fuser = OnnxStudent(exported)
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (60, 80, 3), np.uint8)
    thermal = rng.integers(0, 256, (60, 80), np.uint8)
    first = fuser.fuse(rgb, thermal)
    assert first.shape == rgb.shape
    assert np.array_equal(first, fuser.fuse(rgb, thermal))


@pytest.mark.parametrize(
    ("name", "runtime"),
    [("cpu", "openvino"), ("cpu", "onnxruntime"), ("ultralight", "openvino")],
)
def test_export_equals_torch(tmp_path: Path, name: str, runtime: str) -> None:
    pytest.importorskip(runtime)
    model = students.build(preset(name)).eval()
    write_onnx(model, tmp_path / "s.onnx")
    runner = {"openvino": openvino_runner, "onnxruntime": onnxruntime_runner}[runtime]
    assert max(parity(model, runner(tmp_path / "s.onnx")).values()) < PARITY


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
    exported: Path, rgb: np.ndarray, thermal: np.ndarray, message: str
) -> None:
    with pytest.raises(FusionError, match=message):
        OnnxStudent(exported).fuse(rgb, thermal)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("size", [(64, 96), (60, 80), (97, 131)])
def test_border_and_order_of_channels_change_no_byte(
    exported: Path, runtime: str, size: tuple[int, int]
) -> None:
    pytest.importorskip(runtime)
    rng = np.random.default_rng(2)
    rgb, thermal = rng.integers(0, 256, (*size, 3), np.uint8), rng.integers(0, 256, size, np.uint8)
    planes = OnnxModel(exported, runtime=runtime)(*unit_planes(rgb, thermal))[0][0]  # (3, H, W)
    expected = np.rint(planes * np.float32(255.0)).astype(np.uint8).transpose(1, 2, 0)
    assert np.array_equal(OnnxStudent(exported, runtime=runtime).fuse(rgb, thermal), expected)


def test_earlier_results_survive_later_calls_and_sizes(exported: Path) -> None:
    rng = np.random.default_rng(1)
    fuser = OnnxStudent(exported)
    images = [rng.integers(0, 256, (*s, 3), np.uint8) for s in ((40, 64), (40, 64), (33, 50))]
    kept = [fuser.fuse(image, image[..., 0]) for image in images]
    for image, first in zip(images, kept, strict=True):
        assert np.array_equal(OnnxStudent(exported).fuse(image, image[..., 0]), first)


def test_network_inputs_of_other_sizes_are_refused(tmp_path: Path) -> None:
    model = students.build(preset("cpu")).eval()
    with pytest.raises(FusionError, match="of one size"):
        model(torch.rand(1, 1, 32, 32), torch.rand(1, 3, 32, 64))


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_runtime_says_and_checks_its_shapes(exported: Path, runtime: str) -> None:
    pytest.importorskip(runtime)
    model = OnnxModel(exported, runtime=runtime)
    assert model.input_shapes == ((1, 1, None, None), (1, 3, None, None))
    with pytest.raises(FusionError, match="takes inputs of shapes"):
        model(np.zeros((1, 3, 8, 8)))


def test_file_that_is_no_network_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(FusionError, match="is not a network"):
        OnnxStudent(path)
    with pytest.raises(FusionError, match="no ONNX file"):
        OnnxStudent(tmp_path / "missing.onnx")


def test_inference_needs_no_torch() -> None:
    code = "import sys, fusionproxy.inference; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_training_without_torch_names_the_extra() -> None:
    code = "import sys; sys.modules['torch'] = None; import fusionproxy.train"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'fusiondrive[train]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_block_ssim_is_one_for_equal_images_and_falls_with_noise() -> None:
    image = torch.rand(1, 1, 32, 32)
    noisy = (image + 0.2 * torch.rand(1, 1, 32, 32)).clamp(0, 1)
    assert float(block_ssim(image, image)) == pytest.approx(1.0, abs=1e-4)
    assert float(block_ssim(image, noisy)) < 0.99


def test_unknown_preset_names_the_known() -> None:
    with pytest.raises(FusionError, match=r"known: cpu, cpu_contrast, cpu_luma, .*paper"):
        preset("big")
