"""The documented chain, from pairs to a picture, at tiny size."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fusionproxy import evaluate, evaluate_ablation, export
from fusionproxy.data import Shard, write_shard
from fusionproxy.ensemble import __main__ as ensemble
from fusionproxy.ensemble import pictures
from fusionproxy.model import FusionProxy
from fusionproxy.teachers import train as teachers
from fusionproxy.train import main as train_main

ROOT = Path(__file__).parents[2]
SIZE = (64, 96)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("chain") / "pairs"
    for side, channels in (("ir", 1), ("vi", 3)):
        (root / side).mkdir(parents=True)
        for n in range(10):
            small = rng.integers(0, 256, (6, 8, channels), np.uint8)
            image = cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(root / side / f"{n * 100}.png"), image)
    return root


@pytest.mark.slow
def test_from_pairs_to_a_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = folder.parent
    for name in ("ddfm", "mask_difuser"):
        line = ["--teacher", name, "--pairs", str(folder), "--out", str(work / name)]
        line += ["--size", "tiny", "--steps", "4", "--batch", "2", "--crop", "32"]
        assert teachers.main(line) == 0
    cache = work / "cache"
    line = ["--pairs", str(folder), "--out", str(cache), "--size", "96x64", "--samples", "2"]
    line += [f"--teacher=ddfm={work / 'ddfm'}", f"--teacher=mask_difuser={work / 'mask_difuser'}"]
    assert ensemble.main([*line, "--panel", "tiny", "--ddfm-steps", "3", "--workers", "2"]) == 0
    line = ["--ensemble", str(cache), "--out", str(work / "run"), "--student", "ultralight"]
    assert train_main([*line, "--steps", "4", "--batch", "2", "--device", "cpu"]) == 0
    weights = work / "student_distilled.onnx"
    assert export.main([str(work / "run"), "--out", str(weights)]) == 0
    capsys.readouterr()
    line = ["--pairs", str(folder), "--methods", f"onnx:{weights}", "average"]
    line += ["--metrics", "EN", "SF", "SSIM"]  # MS-SSIM needs larger images
    assert evaluate.main(line) == 0
    table = capsys.readouterr().out
    assert "student_distilled" in table
    assert "average" in table
    line = ["--table", "7", "--rows", "7-0.1", "7-inf", "--ensemble", str(cache)]
    line += ["--runs", str(work / "rows"), "--pairs", str(folder), "--metrics", "EN", "--"]
    line += ["--student", "ultralight", "--steps", "4", "--batch", "2", "--device", "cpu"]
    assert evaluate_ablation.main(line) == 0
    table = capsys.readouterr().out
    assert table.count("| tau = 0.1 |") == 2
    assert evaluate_ablation.main(line) == 0  # nothing is trained again
    assert "tau = inf" in capsys.readouterr().out
    line = ["--ensemble", str(cache), "--student", str(weights), "--rows", "2"]
    assert pictures.main([*line, "--out", str(work / "sheet.png")]) == 0
    sheet = cv2.imread(str(work / "sheet.png"))
    assert sheet is not None
    assert sheet.shape == (2 * (pictures.CAPTION + 160), 9 * pictures.WIDTH, 3)
    student = FusionProxy.from_pretrained(weights)
    fused = student.fuse(np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.uint8))
    assert fused.shape == (*SIZE, 3)


@pytest.mark.slow
def test_the_recipe_for_a_gpu_runs_at_tiny_size_and_keeps_what_is_there(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    for n in range(6):
        clear = rng.integers(0, 256, (2, *SIZE, 3), np.uint8)
        parts = {"clear": clear, "degraded": clear // 4 + 96, "thermal": clear[..., 1]}
        shard = Shard(f"drive{n}", f"route{n}", "fog", 2)
        write_shard(tmp_path / ("clear" if n < 3 else "sim"), shard, parts, {"look": 7})
    shutil.copytree(folder, tmp_path / "real" / "train")
    tiny = {
        "PYTHON": sys.executable, "TEACHER": "tiny", "PRIOR": "tiny", "DEVICE": "cpu",
        "CROP": "32", "BATCH": "2", "TEACHER_MINUTES": "0.02", "STUDENT_MINUTES": "0.02",
        "STUDENT": "ultralight", "STUDENT_BATCH": "2", "SAMPLES": "2", "DDFM_STEPS": "2",
        "IMAGES": "96x64", "PANEL": "tiny", "WORKERS": "1", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    call = [
        str(ROOT / "recipes" / "device.sh"),
        "WORK",
        str(tmp_path / "clear"),
        str(tmp_path / "sim"),
        str(tmp_path / "real"),
    ]

    def made() -> dict[str, tuple[str, int]]:
        """Label and time of each student."""
        ended = subprocess.run(
            call, cwd=tmp_path, env={**os.environ, **tiny}, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr[-2000:]
        return {
            file.stem: (
                json.loads(file.with_suffix(".json").read_text())["label"],
                file.stat().st_mtime_ns,
            )
            for file in sorted((tmp_path / "WORK").glob("*.onnx"))
        }

    first = made()
    assert {name: label for name, (label, _) in first.items()} == {
        "student_direct": "direct",
        "student_real": "distilled",
        "student_restored": "restored",
        "student_sim": "distilled",
    }
    assert made() == first
    card = json.loads((tmp_path / "WORK" / "mask_difuser" / "card.json").read_text())
    assert card["training"]["weather_share"] == 0.8
    assert card["data"][0]["places"] == ["route0", "route1", "route2"]
    cards = [
        json.loads((tmp_path / "WORK" / f"student_{n}.json").read_text()) for n in ("sim", "direct")
    ]
    assert [card["looks"] for card in cards] == [[7], [7]]
    line = ["--pairs", str(tmp_path / "clear"), "--out", str(tmp_path / "cache"), "--size", "96x64"]
    line += [f"--teacher=ddfm={tmp_path / 'WORK' / 'ddfm'}", "--panel", "tiny"]
    assert ensemble.main(line) == 2
    assert "was trained on clear pictures of route0, route1, route2" in capsys.readouterr().err
