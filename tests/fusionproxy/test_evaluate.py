"""Tables from tiny folders of pairs: methods by name, intervals, frozen models, clear errors."""

import csv
import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fusionproxy import evaluate_misalignment, published
from fusionproxy.errors import FusionError
from fusionproxy.evaluate import main
from fusionproxy.evaluate_misalignment import Level, displace, misalign, parse_level
from fusionproxy.evaluate_tables import Measured, paired_table
from fusionproxy.methods import make_method, make_methods
from fusionproxy.pair_source import Pair
from fusionproxy.quality.detectors import decode_fastestdet, decode_yolov8
from fusionproxy.quality.downstream import Detection, Segmentation, mean_iou, read_boxes
from fusionproxy.quality.learned import make_scorer
from fusionproxy.quality.summary import summarise

NAMES = ("FLIR_00001", "FLIR_00002", "FLIR_00100")
SIZE = (48, 64)


def picture(seed: int, channels: int = 3) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, channels), np.uint8)
    image = cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    return image.reshape(*SIZE, channels) if channels == 3 else image.reshape(SIZE)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for side, channels in (("ir", 1), ("vi", 3)):
        (tmp_path / "pairs" / side).mkdir(parents=True)
        for i, name in enumerate(NAMES):
            image = picture(10 * i + channels, channels)
            cv2.imwrite(str(tmp_path / "pairs" / side / f"{name}.png"), image)
    return tmp_path / "pairs"


def outputs(folder: Path, names: tuple[str, ...] = NAMES, scale: int = 1) -> Path:
    folder.mkdir()
    for i, name in enumerate(names):
        image = cv2.resize(picture(i), None, fx=scale, fy=scale)
        cv2.imwrite(str(folder / f"{name}.png"), image)
    return folder


def run(pairs: Path, *arguments: str) -> int:
    return main(["--pairs", str(pairs), *arguments])


def test_a_folder_of_outputs_fills_the_row_of_its_method(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = outputs(tmp_path / "outputs")
    out = tmp_path / "results"
    methods = ["--methods", "average", f"folder:DDFM={folder}"]
    assert run(pairs, *methods, "--metrics", "EN", "Qabf", "--out", str(out)) == 0
    table = capsys.readouterr().out
    assert "| DDFM | measured | 3 |" in table
    assert "| DDFM | published | – | – | – | 38.16 | 0.32 | 2.07 | 6.38 | 0.13 |" in table
    assert "| U2Fusion | no outputs given | 0 |" in table
    rows = list(csv.DictReader((out / "pairs.csv").open()))
    assert [row["pair"] for row in rows if row["method"] == "DDFM"] == list(NAMES)
    assert (out / "tables.md").read_text().startswith("### Table 1")
    summary = list(csv.DictReader((out / "summary.csv").open()))
    mean = next(r for r in summary if r["method"] == "average" and r["metric"] == "EN:rounded")
    values = [float(row["EN:rounded"]) for row in rows if row["method"] == "average"]
    assert float(mean["mean"]) == pytest.approx(np.mean(values), abs=1e-5)


def test_every_method_of_the_paper_has_a_row() -> None:
    assert len(published.PAPER_METHODS) == 10
    assert all(len(row) == len(published.COLUMNS_1) for row in published.TABLE_1.values())


def test_outputs_of_the_native_size_are_resized_with_the_pair(pairs: Path, tmp_path: Path) -> None:
    method = make_method(f"folder:x={outputs(tmp_path / 'native')}")
    pair = Pair(NAMES[0], "", picture(0, 1), picture(1)).resized(32, 24)
    assert method.fuse(pair).shape == (24, 32, 3)
    wrong = make_method(f"folder:y={outputs(tmp_path / 'double', scale=2)}")
    with pytest.raises(FusionError, match="the output is 128 x 96, the pair 64 x 48"):
        wrong.fuse(pair)


def test_torchscript_file_is_a_method(pairs: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import torch

    class Mean(torch.nn.Module):
        def forward(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
            return (infrared + visible) / 2

    path = tmp_path / "mean.pt"
    torch.jit.script(Mean()).save(str(path))
    pair = Pair("a", "", picture(0, 1), picture(1))
    fused = make_method(f"torchscript:{path}").fuse(pair)
    mean = (pair.infrared[..., None].astype(float) + pair.visible) / 2
    assert np.abs(fused - mean).max() <= 0.5


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--methods", "mean"], "unknown method 'mean'; known: visible, infrared, average"),
        (["--methods", "onnx:none.onnx"], "no ONNX file at none.onnx"),
        (["--methods", "torchscript:none.pt"], "no TorchScript file at none.pt"),
        (["--methods", "folder:A=nowhere"], "method 'A': no folder of outputs at nowhere"),
        (["--methods", "average", "average"], "methods named twice: average"),
        (["--metrics", "VIFF"], "'VIFF' names two things"),
        (["--convention", "mine"], "unknown convention 'mine'; known: cddfuse"),
        (["--size", "640"], "expected WIDTHxHEIGHT such as 640x480, found '640'"),
        (["--against", "mine"], "--against mine: expected one of visible, average"),
        (["--limit", "0"], "expected at least 1, found 0"),
        (["--learned", "fid"], "unknown learned metric 'fid'; known: musiq, clipiqa, deqa"),
        (["--learned", "deqa"], "DeQA-Score is a large multimodal model in its own repository"),
        (["--detector", "x.onnx"], "mAP needs both --detector FILE and --labels DIR"),
    ],
)
def test_mistakes_are_named_before_anything_runs(
    pairs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert run(pairs, *arguments) == 2
    assert text in capsys.readouterr().err


def test_missing_outputs_are_named(pairs: Path, tmp_path: Path) -> None:
    (method,) = make_methods([f"folder:A={outputs(tmp_path / 'some', NAMES[:1])}"])
    with pytest.raises(FusionError, match=r"2 of 3 pairs have no output in .*: FLIR_00002"):
        method.check(NAMES)


def test_differences_are_taken_pair_by_pair() -> None:
    nan = float("nan")
    base = Measured("a", "", ["x", "y", "z"], {"EN": [1.0, 2.0, nan], "ms": [1.0, 1.0, 1.0]})
    other = Measured("b", "", ["x", "y", "z"], {"EN": [1.5, 1.5, 9.0], "ms": [2.0, 2.0, 2.0]})
    table = paired_table([base, other], "a")
    assert "on the same 3 pairs" in table
    assert "| b | 0.000 [-0.500, 0.500] (1 missing), 1 of 2 |" in table
    assert "| ms |" not in table


def test_missing_values_are_left_out_of_the_mean_and_counted() -> None:
    found = summarise([1.0, 3.0, math.nan, math.inf])
    assert (found.n, found.missing, found.mean) == (2, 2, 2.0)
    assert "(2 missing)" in found.text()
    assert summarise([5.0, 5.0]).low == 5.0
    wide = summarise(list(np.random.default_rng(1).normal(0, 1, 400)))
    assert wide.high - wide.low == pytest.approx(2 * 1.96 / 20, rel=0.1)  # 2 z s / sqrt(n)


# --- frozen models ---


def write_onnx(path: Path, output: np.ndarray) -> Path:
    """A network (1, 3, 32, 32) that always answers the same."""
    onnx = pytest.importorskip("onnx")
    h, t = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        h.make_node("ReduceMean", ["x"], ["m"], keepdims=0),
        h.make_node("Mul", ["m", "zero"], ["z"]),
        h.make_node("Add", ["z", "answer"], ["y"]),
    ]
    constants = [
        onnx.numpy_helper.from_array(np.float32(0), "zero"),
        onnx.numpy_helper.from_array(output.astype(np.float32), "answer"),
    ]
    graph = h.make_graph(
        nodes,
        "constant",
        [h.make_tensor_value_info("x", t, [1, 3, 32, 32])],
        [h.make_tensor_value_info("y", t, list(output.shape))],
        constants,
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def test_fastestdet_boxes_by_hand() -> None:
    output = np.zeros((1, 85, 4, 4), np.float32)
    output[0, 0, 2, 1] = 0.9  # row 2, column 1
    output[0, 1, 2, 1] = np.arctanh(0.5)
    output[0, 5 + 7, 2, 1] = 0.8
    found = decode_fastestdet(output)
    centre_x, centre_y, side = 1.5 / 4, 2 / 4, 0.5  # sigmoid(0)
    expected = [centre_x - side / 2, centre_y - side / 2, centre_x + side / 2, centre_y + side / 2]
    np.testing.assert_allclose(found.corners, [expected], atol=1e-6)
    assert (found.classes[0], found.scores[0]) == (7, pytest.approx(0.72))


def test_yolov8_boxes_by_hand() -> None:
    output = np.zeros((1, 84, 3), np.float32)
    output[0, :4, 1] = (320, 160, 64, 32)
    output[0, 4 + 2, 1] = 0.7
    found = decode_yolov8(output, 640, 320)
    np.testing.assert_allclose(found.corners, [[0.45, 0.45, 0.55, 0.55]], atol=1e-6)
    assert list(found.classes) == [2]


def test_a_perfect_detector_scores_100_and_the_wrong_class_0(tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    pytest.importorskip("pycocotools")
    answer = np.zeros((1, 84, 3))
    answer[0, :4, 0] = (16, 16, 16, 8)
    answer[0, 4 + 2, 0] = 0.9  # COCO's car
    network = write_onnx(tmp_path / "d.onnx", answer)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "00001.txt").write_text("1 0.5 0.5 0.5 0.25\n3 0.1 0.1 0.1 0.1\n")
    task = Detection(network, tmp_path / "labels")
    task.check(["DCEvo_00001", "x"])
    task.add("a", "DCEvo_00001", picture(0))
    task.add("a", "without_label", picture(0))
    assert task.summaries("a")["mAP50"].mean == pytest.approx(100)
    assert task.summaries("a")["mAP50"].n == 1
    people = Detection(network, tmp_path / "labels", {1: 0})
    people.add("a", "00001", picture(0))
    assert people.summaries("a")["mAP50"].mean == pytest.approx(0)
    with pytest.raises(FusionError, match="none of 1 pairs has a label"):
        task.check(["other"])


@pytest.mark.parametrize("line", ["1 0.5 0.5 0.5", "1 a b c d", "1 5 5 20 20"])
def test_broken_boxes_are_named_with_their_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "1.txt"
    path.write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(FusionError, match=r"1\.txt:2: expected"):
        read_boxes(path, 10, 10, {0: 0, 1: 1})


def test_iou_by_hand(tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    # class 0 has 3 labels of which 2 are found, and 1 false alarm: 2 / 4; class 1: 1 / 3
    assert mean_iou(np.array([[2, 1, 0], [1, 1, 0], [0, 0, 0]])) == pytest.approx(100 * 5 / 12)
    scores = np.zeros((1, 3, 4, 4))
    scores[0, 1, :, 2:] = 1  # right half is class 1, the rest class 0
    network = write_onnx(tmp_path / "s.onnx", scores)
    truth = np.zeros((32, 32), np.uint8)
    truth[:16, 16:] = 5  # label 5 is the network's class 1
    truth[0, :] = 99  # not mapped: left out
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "labels" / "a.png"), truth)
    task = Segmentation(network, tmp_path / "labels", {0: 0, 5: 1})
    task.add("m", "a", picture(0))
    right, left, lower = 15 * 16, 15 * 16, 16 * 16
    iou = [(left + lower) / (left + 2 * lower), right / (right + lower)]
    assert task.summaries("m")["mIoU"].mean == pytest.approx(100 * np.mean(iou))


# --- misalignment ---


def test_displacement_moves_what_it_says() -> None:
    image = np.zeros((40, 60), np.uint8)
    image[10, 20] = 255
    assert displace(image, (5, 3), 0.0)[13, 25] == 255
    turned = displace(image, (0, 0), 180.0)
    assert turned[29, 39] == 255


def test_a_level_scales_one_direction_of_each_pair() -> None:
    pair = Pair("a", "", picture(0, 1), picture(1))
    still = misalign(pair, Level(0, 0), seed=0, index=3)
    np.testing.assert_array_equal(still.infrared, pair.infrared)
    first, again = (misalign(pair, Level(5, 2), seed=0, index=3).infrared for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != pair.infrared).any()
    assert (misalign(pair, Level(5, 2), seed=0, index=4).infrared != first).any()
    with pytest.raises(FusionError, match="expected PIXELS/DEGREES such as 5/2, found '5px'"):
        parse_level("5px")


def test_table_6_begins_at_one_and_falls(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--pairs", str(pairs), "--methods", "average", "--levels", "0/0", "5/2"]
    assert evaluate_misalignment.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    rows = list(csv.DictReader((tmp_path / "out" / "table_6.csv").open()))
    assert float(rows[0]["mean"]) == pytest.approx(1.0)
    assert float(rows[1]["mean"]) < 0.99
    assert "| FusionProxy | ±30 px, ±10° | published | – | 0.54 |" in capsys.readouterr().out
    folder = f"folder:A={outputs(tmp_path / 'o')}"
    assert evaluate_misalignment.main(["--pairs", str(pairs), "--methods", folder]) == 2


def test_learned_metrics_say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="musiq: no weights at"):
        make_scorer(f"musiq={tmp_path / 'none.pth'}")
    try:
        import pyiqa  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(FusionError, match=r"pip install 'fusiondrive\[quality\]'"):
            make_scorer("musiq")


def test_classical_tables_need_no_torch() -> None:
    code = "import sys, fusionproxy.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
