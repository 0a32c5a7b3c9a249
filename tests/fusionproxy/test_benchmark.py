"""Table 3: every runtime runs, sums are those of a hand count, and the choice is the caller's."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fusionproxy import benchmark
from fusionproxy.benchmark_students import RUNTIMES
from fusionproxy.roofline import Layer, layers_of, least_ms
from fusionproxy.speed import time_calls

pytestmark = pytest.mark.heavy


def run(out: Path, *options: str) -> tuple[str, dict]:  # type: ignore[type-arg]
    line = ["--out", str(out), "--rounds", "2", "--threads", "1", "--sizes", "64x64", *options]
    assert benchmark.main(line) == 0
    return (out / "speed.md").read_text(), json.loads((out / "speed.json").read_text())


def test_every_runtime_has_a_row(tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    page, facts = run(tmp_path, "--students", "ultralight", "--only", "students")
    assert [row["runtime"] for row in facts["students"]] == list(RUNTIMES)
    assert "Random weights" in page
    assert facts["weights"] == "random"
    torch_row = facts["students"][0]
    assert torch_row["gflop"] == pytest.approx(1.9003 * 64 * 64 / (640 * 480), rel=1e-3)
    assert torch_row["millions"] == pytest.approx(0.01304)
    assert "metrics" not in facts


def test_the_bars_are_judged_for_the_cpu_student(tmp_path: Path) -> None:
    options = ["--students", "cpu", "--runtimes", "openvino", "--only", "students"]
    page, _ = run(tmp_path, *options)
    assert "| cpu as the harness calls it, 400x300 | 8 ms |" in page
    assert "openvino, 640x480" not in page  # that size was not timed


def test_metrics_alone_need_no_student(tmp_path: Path) -> None:
    page, facts = run(tmp_path, "--only", "metrics")
    assert "all, 2 threads" in page
    assert "students" not in facts


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--students", "big"], "unknown student preset 'big'"),
        (["--runtimes", "tensorrt"], "unknown runtime 'tensorrt'; known: torch, torchscript"),
        (["--sizes", "640"], "--sizes: expected WIDTHxHEIGHT such as 640x480, found '640'"),
        (["--rounds", "0"], "--rounds: expected at least 1, found 0"),
    ],
)
def test_mistakes_are_named(
    capsys: pytest.CaptureFixture[str], options: list[str], text: str
) -> None:
    assert benchmark.main(options) == 2
    assert text in capsys.readouterr().err


def test_calls_are_timed_in_turn() -> None:
    order: list[str] = []
    found = time_calls({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 4
    assert found["a"].best <= found["a"].median


def test_the_roofline_takes_the_longer_of_sums_and_bytes() -> None:
    layers = [Layer("Convolution", 2.0, 1.0), Layer("Reorder", 0.0, 50.0)]
    assert least_ms(layers, gflops=200.0, gbytes=10.0) == pytest.approx(10.0 + 5.0)


def test_layers_of_a_convolution_by_hand(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    path = tmp_path / "c.onnx"
    layer = torch.nn.Conv2d(16, 32, 3, padding=1, groups=2)
    torch.onnx.export(layer, (torch.rand(1, 16, 8, 8),), str(path), dynamo=False)
    core = openvino.Core()
    compiled = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    layers = layers_of(compiled)
    expected = 2 * 32 * 8 * 8 * 8 * 9 / 1e9  # outputs, inputs of a group, taps
    assert sum(item.gflop for item in layers) == pytest.approx(expected)
    weights = 4 * (32 * 8 * 9 + 32)
    least = (4 * (16 + 32) * 64 + weights) / 1e6
    assert sum(item.megabytes for item in layers) >= np.float64(least) * 0.99
