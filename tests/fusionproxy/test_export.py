"""Every format of a student equals torch, opens everywhere, and int8 says what it loses."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from fusiondrive.errors import WeightsError
from fusionproxy import FusionError, FusionProxy, evaluate, export
from fusionproxy import student as students
from fusionproxy.config import PRESETS, preset
from fusionproxy.formats import EXPORTS, INT8, beside, stem_of, weights_hash
from fusionproxy.model import SHIPPED
from fusionproxy.trainer import TrainConfig
from fusionproxy.writers import parity, torchscript_runner, write_torchscript
from sensors.fusion import make_fuser

pytestmark = pytest.mark.heavy

SIZE = (192, 256)
TRAINED = {
    "label": "distilled",
    "train_config": json.dumps(
        asdict(TrainConfig(data="cache", target="ensemble", student="cpu", steps=3, batch=2))
    ),
    "data_hash": "0" * 12,
    "seconds": "1",
    "validation": json.dumps({"all": {"n": 2.0, "student_loss": 0.5}}),
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("pairs")
    for side, channels in (("ir", 1), ("vi", 3)):
        (root / side).mkdir()
        for n in range(5):
            small = rng.integers(0, 256, (12, 16, channels), np.uint8)
            image = cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(root / side / f"{n * 100}.png"), image)
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose student has the shipped weights: int8 of random ones means nothing."""
    folder = tmp_path_factory.mktemp("run")
    student = students.load(SHIPPED / "student_oracle.safetensors")
    students.save(student, folder / "student.safetensors", TRAINED)
    return folder


@pytest.fixture(scope="module")
def exported(run: Path, pairs: Path) -> Path:
    pytest.importorskip("nncf")
    line = [str(run), "--out", str(run / "out" / "s.onnx"), *calibrate(pairs)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fusionproxy.quantize.LEAST_DB", 25.0)  # four pictures of noise calibrate
        assert export.main([*line, "--formats", *EXPORTS]) == 0
    return run / "out"


def calibrate(pairs: Path) -> list[str]:
    return ["--calibrate", str(pairs), "--calibrate-size", "256x192"]


def test_all_files_stand_side_by_side(exported: Path) -> None:
    names = {path.name for path in exported.iterdir()}
    formats = {"s.onnx", "s.xml", "s.bin", "s.int8.xml", "s.int8.bin", "s.torchscript"}
    assert names == formats | {"s.safetensors", "s.json", "s.md"}


def test_the_card_has_parity_at_several_sizes_and_the_loss_of_int8(exported: Path) -> None:
    card = json.loads((exported / "s.json").read_text())
    runs = ["onnx openvino", "onnx onnxruntime", "openvino openvino", "torchscript torchscript"]
    assert list(card["parity_with_torch"]) == runs
    for by_size in card["parity_with_torch"].values():
        assert {"400x300", "397x301"} <= set(by_size)
        assert max(by_size.values()) <= export.PARITY
    assert card["int8"]["psnr_db"]["mean"] > 25
    assert card["int8"]["held_out"]
    assert set(card["int8"]["metrics"]["EN:rounded"]) == {"fp32", "int8"}
    for name, file in card["files"].items():
        assert file["sha256_12"] == weights_hash(exported / f"s{EXPORTS[name]}")
    page = (exported / "s.md").read_text()
    assert "| EN:rounded |" in page
    assert "| s.torchscript |" in page


def test_every_file_opens_and_fuses_alike(exported: Path) -> None:
    rng = np.random.default_rng(3)
    rgb = cv2.resize(rng.integers(0, 256, (9, 11, 3), np.uint8), (101, 67))
    thermal = np.ascontiguousarray(rgb[::-1, :, 0])
    expected = FusionProxy.from_pretrained(exported / "s.safetensors").fuse(rgb, thermal)
    for suffix in EXPORTS.values():
        student = FusionProxy.from_pretrained(exported / f"s{suffix}")
        difference = np.abs(student.fuse(rgb, thermal).astype(int) - expected)
        assert difference.max() <= 1 or (suffix == INT8 and difference.mean() < 3)
        assert student.fuse(rgb[:5, :7], thermal[:5, :7]).shape == (5, 7, 3)


def test_every_file_is_a_method_of_the_tables(
    exported: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = [
        f"onnx:{exported}/s.onnx",
        f"openvino:a={exported}/s.xml",
        f"openvino:{exported}/s.int8.xml",
        f"torchscript:b={exported}/s.torchscript",
        f"student:c={exported}/s.safetensors",
    ]
    line = ["--pairs", str(pairs), "--metrics", "EN", "--limit", "1", "--methods", *methods]
    assert evaluate.main(line) == 0
    table = capsys.readouterr().out
    for row in ("| s | measured", "| s.int8 | measured", "| a | ", "| b | ", "| c | "):
        assert row in table


def test_the_harness_drives_with_onnx_and_openvino(exported: Path) -> None:
    rgb = np.full((60, 80, 3), 90, np.uint8)
    for name in ("s.onnx", "s.xml", "s.int8.xml"):
        fuser = make_fuser("student", exported / name)
        assert fuser.fuse(rgb, rgb[..., 0]).shape == rgb.shape
        assert fuser.weights_hash() == weights_hash(exported / name)
    for name in ("s.torchscript", "s.safetensors"):
        with pytest.raises(WeightsError, match=r"the harness drives with \.onnx or \.xml"):
            make_fuser("student", exported / name)


def test_a_saved_student_takes_all_its_files_along(exported: Path, tmp_path: Path) -> None:
    folder = FusionProxy.from_pretrained(exported / "s.int8.xml").save_pretrained(tmp_path / "x")
    assert {p.name for p in folder.iterdir()} == {p.name for p in exported.iterdir()}
    assert FusionProxy.from_pretrained(folder).path.name == "s.onnx"
    (folder / "s.onnx").unlink()
    assert FusionProxy.from_pretrained(folder).path.name == "s.xml"
    (folder / "s.bin").unlink()
    with pytest.raises(FusionError, match=r"has no weights beside it; expected s\.bin"):
        FusionProxy.from_pretrained(folder)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_torchscript_of_every_student_equals_torch(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = students.build(preset(name)).eval()
    write_torchscript(model, tmp_path / "s.torchscript")
    found = parity(model, torchscript_runner(tmp_path / "s.torchscript"))
    assert max(found.values()) <= export.PARITY


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--formats", "tflite"], "unknown format 'tflite'; known: onnx, openvino, int8"),
        (["--formats", "int8"], "int8 needs --calibrate PAIRS"),
        (["--calibrate", "PAIRS"], "int8 needs --calibrate PAIRS, and --calibrate is of int8"),
        (["--formats", "int8", "--calibrate", "none"], "no folder of pairs at none"),
        (["--out", "x.xml"], "expected a name that ends in .onnx, found x.xml"),
        (["--unseen", "none"], "--unseen measures an oracle"),
    ],
)
def test_mistakes_are_named(
    run: Path, pairs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    line = [str(pairs) if item == "PAIRS" else item for item in arguments]
    assert export.main([str(run), "--out", str(run / "no" / "s.onnx"), *line]) == 2
    assert text in capsys.readouterr().err
    assert not (run / "no").exists()


def test_int8_below_its_bar_writes_nothing(
    run: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nncf")
    monkeypatch.setattr("fusionproxy.quantize.LEAST_DB", 98.0)
    line = [str(run), "--formats", "int8", *calibrate(pairs)]
    assert export.main([*line, "--out", str(run / "low" / "s.onnx")]) == 2
    assert "expected above 98; calibrate with more pairs" in capsys.readouterr().err
    assert not (run / "low").exists()


def test_int8_without_nncf_names_the_extra(
    run: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    assert export.main([str(run), "--formats", "int8", "--calibrate", str(pairs)]) == 2
    assert "pip install 'fusiondrive[int8]'" in capsys.readouterr().err


def test_stems_tell_students_apart_and_formats_not() -> None:
    assert [stem_of(Path(f"d/a.b{s}")) for s in EXPORTS.values()] == ["a.b"] * 4
    assert beside(Path("d/a.int8.xml"), ".json") == Path("d/a.json")
