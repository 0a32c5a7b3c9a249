"""Bad input ends every command with one line that names it and exit code 2; nothing is written."""

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from fusiondrive.errors import OutputError
from fusionproxy import FusionError, FusionProxy, evaluate, evaluate_misalignment, export, fuse
from fusionproxy import pairs as pairs_command
from fusionproxy import student as students
from fusionproxy.config import StudentConfig, preset
from fusionproxy.data import Shard, write_shard
from fusionproxy.ensemble import __main__ as ensemble
from fusionproxy.inference import OnnxStudent
from fusionproxy.methods import make_method
from fusionproxy.teachers import train as teachers
from fusionproxy.train import main as train_main

SIZE = (72, 96)
rng = np.random.default_rng(0)
RGB = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), SIZE[::-1])
GREY = np.ascontiguousarray(RGB[..., 0])


def average(infrared: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
    return (infrared + visible) / 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for side, image in (("ir", GREY), ("vi", RGB)):
        (tmp_path / "pairs" / side).mkdir(parents=True)
        for n in (0, 100):
            cv2.imwrite(str(tmp_path / "pairs" / side / f"{n}.png"), image)
    return tmp_path / "pairs"


def put(path: Path, image: np.ndarray) -> None:
    assert cv2.imwrite(str(path), image)


def nan(root: Path) -> None:
    (root / "ir/0.png").unlink()
    bad = GREY.astype(np.float32)
    bad[3, 4] = np.nan
    put(root / "ir/0.tiff", bad)


def empty(root: Path) -> None:
    for path in root.rglob("*.png"):
        path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


PAIRS: dict[str, tuple[Callable[[Path], object], str]] = {
    "unequal": (lambda r: put(r / "ir/0.png", GREY[:40]), "infrared is 40 x 96 but visible is 72"),
    "nan": (nan, "1 values are NaN or inf"),
    "one pixel": (lambda r: put(r / "vi/0.png", RGB[:1, :1]), "1 x 1 pixels; expected 2 x 2"),
    "grey": (lambda r: put(r / "vi/0.png", GREY), "expected RGB, found a grey image"),
    "16 bits": (lambda r: put(r / "ir/0.png", GREY.astype(np.uint16) + 7000), "no declared range"),
    "empty": (empty, "no pairs in"),
    "unmatched": (lambda r: put(r / "ir/7.png", GREY), "1 images of"),
    "truncated": (lambda r: truncate(r / "ir/0.png"), "cannot be read as an image"),
    "colour": (lambda r: put(r / "ir/0.png", RGB), "expected a grey infrared image"),
}
TEACHER = f"--teacher=mine={__name__}:average"
COMMANDS: dict[str, tuple[Callable[[list[str]], int], list[str]]] = {
    "evaluate": (evaluate.main, ["--methods", "average", "--metrics", "EN"]),
    "misalignment": (evaluate_misalignment.main, ["--methods", "average"]),
    "fuse": (fuse.main, []),
    "ensemble": (ensemble.main, [TEACHER, "--panel", "tiny", "--size", "96x72", "--samples", "1"]),
    "teachers": (
        teachers.main,
        ["--teacher", "ddfm", "--size", "tiny", "--steps", "1", "--crop", "32", "--batch", "1"],
    ),
}


def said_once(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """The last line is the error; before it stands progress at most."""
    lines = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(lines) == 1, lines
    assert text in lines[0]


@pytest.mark.parametrize("bad", list(PAIRS))
@pytest.mark.parametrize("command", list(COMMANDS))
def test_bad_pairs_are_named_by_every_command(
    folder: Path, command: str, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, text = PAIRS[bad]
    change(folder)
    main, options = COMMANDS[command]
    out = folder.parent / "out"
    line = ["--pairs", str(folder), "--out", str(out), *options]
    assert main([*line, "--rgb"] if bad == "grey" else line) == 2
    said_once(capsys, text)
    written = [path.name for path in out.rglob("*")] if out.exists() else []
    assert not [name for name in written if name.endswith((".png", ".md", ".csv", ".partial"))]


@pytest.mark.parametrize("bad", list(PAIRS))
def test_the_card_of_bad_pairs_is_not_written(
    folder: Path, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, text = PAIRS[bad]
    change(folder)
    card = folder.parent / "card.json"
    line = [str(folder), "--card", str(card), *(["--rgb"] if bad == "grey" else [])]
    assert pairs_command.main(line) == 2
    said_once(capsys, text)
    assert not card.exists()


# --- files of students ---


class Trap:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.trace,)


def saved(
    path: Path, config: str | None = None, changes: Mapping[str, Tensor] | None = None
) -> None:
    """A student's file with something changed."""
    student = students.build(preset("ultralight"))
    tensors = {**student.student.state_dict(), **(changes or {})}
    kept = {key: value for key, value in tensors.items() if value.numel()}
    given = json.dumps(vars(student.config)) if config is None else config
    save_file(kept, str(path), {"format": students.FORMAT, "config": given})


def trapped(path: Path) -> None:
    path.write_bytes(pickle.dumps(Trap(path.with_name("trace"))))


def zipped(path: Path) -> None:
    torch.save({"state_dict": Trap(path.with_name("trace"))}, path)


FOREIGN: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "pickle": ("s.pkl", trapped, "pickled checkpoints are refused"),
    "torch": ("s.pth", zipped, "pickled checkpoints are refused"),
    "lightning": ("s.ckpt", zipped, "pickled checkpoints are refused"),
    "pickle as tensors": ("s.safetensors", trapped, "pickled checkpoints are refused"),
    "torch as tensors": ("s.safetensors", zipped, "pickled checkpoints are refused"),
    "pickle as onnx": ("s.onnx", trapped, "is not a network that"),
    "torch as script": ("s.torchscript", zipped, "pickled checkpoints are refused"),
    "pickle as script": ("s.torchscript", trapped, "pickled checkpoints are refused"),
    "xml alone": ("s.xml", lambda p: p.write_text("<net/>"), "has no weights beside it"),
    "foreign tensors": (
        "s.safetensors",
        lambda p: save_file({"a": torch.zeros(1)}, str(p)),
        "expected format 'fusionproxy-student', found None",
    ),
    "config no JSON": ("s.safetensors", lambda p: saved(p, "{"), "its config makes no student"),
    "config no dict": ("s.safetensors", lambda p: saved(p, "[1]"), "its config makes no student"),
    "unknown network": (
        "s.safetensors",
        lambda p: saved(p, '{"preset": "big"}'),
        "unknown network 'big' of a student; known: ('cpu', 'paper', 'ultralight')",
    ),
    "unknown field": ("s.safetensors", lambda p: saved(p, '{"depth": 3}'), "unexpected keyword"),
    "unknown backbone": (
        "s.safetensors",
        lambda p: saved(p, '{"preset": "paper", "backbone": "none"}'),
        "timm has no backbone 'none'",
    ),
    "missing tensor": (
        "s.safetensors",
        lambda p: saved(p, None, {"stem.bias": torch.zeros(0)}),
        "its tensors are not those of its config",
    ),
    "other shape": (
        "s.safetensors",
        lambda p: saved(p, None, {"stem.bias": torch.zeros(3)}),
        "its tensors are not those of its config",
    ),
    "nan": (
        "s.safetensors",
        lambda p: saved(p, None, {"stem.bias": torch.full((24,), torch.nan)}),
        "1 tensors have NaN or inf, such as stem.bias",
    ),
    "empty": ("s.safetensors", lambda p: p.write_bytes(b""), "is not a safetensors file"),
    "text": ("s.txt", lambda p: p.write_text("x"), "expected a file of .onnx"),
}


@pytest.mark.parametrize("bad", list(FOREIGN))
def test_foreign_files_are_named_and_not_run(
    folder: Path, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, make, text = FOREIGN[bad]
    path = folder.parent / name
    make(path)
    out = folder.parent / "out"
    line = ["--pairs", str(folder), "--student", str(path), "--out", str(out)]
    assert fuse.main(line) == 2
    said_once(capsys, text)
    with pytest.raises(FusionError):
        make_method(f"student:{path}")
    if path.suffix == ".safetensors":
        path.rename(folder.parent / "student.safetensors")
        assert export.main([str(folder.parent), "--out", str(out / "s.onnx")]) == 2
        said_once(capsys, text)
    assert not (folder.parent / "trace").exists()
    assert not out.exists()


def test_a_network_that_is_no_student_is_named(tmp_path: Path) -> None:
    class Other(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2

    torch.onnx.export(Other(), (torch.rand(1, 3, 8, 8),), str(tmp_path / "o.onnx"), dynamo=False)
    with pytest.raises(FusionError, match="the network takes inputs of shapes"):
        FusionProxy.from_pretrained(tmp_path / "o.onnx").fuse(RGB, GREY)
    with pytest.raises(FusionError, match="the network takes inputs of shapes"):
        OnnxStudent(tmp_path / "o.onnx").fuse(RGB, GREY)
    torch.jit.script(Other()).save(str(tmp_path / "o.torchscript"))
    with pytest.raises(FusionError, match=r"cannot be called as module\(infrared, visible\)"):
        FusionProxy.from_pretrained(tmp_path / "o.torchscript").fuse(RGB, GREY)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"preset": "big"}, "unknown network 'big'"),
        ({"output": "grey"}, "unknown output 'grey'"),
        ({"widths": (8, 16)}, "expected as many widths as depths"),
        ({"stem": 0}, "all sizes above 0"),
    ],
)
def test_settings_of_a_student_are_checked(settings: dict[str, object], text: str) -> None:
    with pytest.raises(FusionError, match=text):
        students.build(StudentConfig(**settings))  # type: ignore[arg-type]


# --- captured pairs, caches, disks ---


def trap_array(trace: Path) -> np.ndarray:
    return np.array([Trap(trace)], object)


def captured(root: Path) -> Path:
    parts = {"degraded": RGB[None], "thermal": GREY[None], "clear": RGB[None]}
    for route in ("a", "b"):
        write_shard(root, Shard(route, route, "fog", 1), parts)
    return root


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda r: truncate(r / "a.thermal.npy"), "a.thermal.npy cannot be read"),
        (lambda r: (r / "a.clear.npy").unlink(), "a.clear.npy cannot be read"),
        (lambda r: np.save(r / "a.thermal.npy", GREY[None, :40]), "expected uint8 (1, 40, 96, 3)"),
        (lambda r: np.save(r / "a.clear.npy", RGB[None] / 255), "expected uint8"),
        (lambda r: np.save(r / "a.clear.npy", trap_array(r / "trace")), "cannot be read"),
        (lambda r: (r / "index.json").write_text("{"), "index.json is broken"),
    ],
)
def test_broken_captures_are_named(
    tmp_path: Path, change: Callable[[Path], object], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = captured(tmp_path / "captured")
    change(root)
    line = ["--pairs", str(root), "--methods", "average", "--metrics", "EN"]
    assert evaluate.main(line) == 2
    said_once(capsys, text)
    assert train_main(["--data", str(root), "--out", str(tmp_path / "run"), "--steps", "1"]) == 2
    said_once(capsys, text)
    assert not (root / "trace").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "expected one or more different teachers, found none"),
        ([TEACHER, TEACHER], "expected one or more different teachers, found mine, mine"),
        (["--teacher=other"], "expected NAME=PATH or NAME=module:function, found 'other'"),
        (["--teacher=mine=nowhere"], "unknown teacher 'mine'; known: ddfm, mask_difuser"),
        (["--teacher=ddfm=nowhere"], "nowhere"),
        (["--teacher=mask_difuser=nowhere"], "no Mask-DiFuser at nowhere"),
    ],
)
def test_wrong_teachers_are_named(
    folder: Path, options: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--pairs", str(folder), "--out", str(folder.parent / "out"), "--panel", "tiny"]
    assert ensemble.main([*line, *options]) == 2
    said_once(capsys, text)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_an_output_that_cannot_be_a_folder_is_named(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = folder.parent / "file"
    blocked.write_bytes(b"mine")
    main, options = COMMANDS[command]
    assert main(["--pairs", str(folder), "--out", str(blocked / "out"), *options]) == 2
    said_once(capsys, "file")
    assert blocked.read_bytes() == b"mine"


def test_a_full_disk_of_a_capture_leaves_the_earlier_shards(tmp_path: Path) -> None:
    """A folder in the place of a file stands for the disk that takes no more."""
    root = captured(tmp_path / "captured")
    before = (root / "index.json").read_bytes()
    (root / "c.clear.npy").mkdir()
    parts = {"degraded": RGB[None], "thermal": GREY[None], "clear": RGB[None]}
    with pytest.raises(OutputError, match="is a folder"):
        write_shard(root, Shard("c", "c", "fog", 1), parts)
    assert (root / "index.json").read_bytes() == before
    assert not list(root.glob("*partial*"))
