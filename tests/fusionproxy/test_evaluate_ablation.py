"""The command for Tables 4 and 7, without its trainings; test_chain trains two rows."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is in the extra `train`")

from fusionproxy import evaluate_ablation, student
from fusionproxy import published as paper
from fusionproxy.ablations import ABLATIONS
from fusionproxy.config import preset
from fusionproxy.errors import FusionError
from fusionproxy.evaluate_ablation import caches_of, main
from fusionproxy.trainer import TrainConfig


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[TrainConfig]:
    """Settings of each row that was asked for; its student is an untrained one."""
    asked: list[TrainConfig] = []

    def train(config: TrainConfig, run: Path, **_: Any) -> Path:
        asked.append(config)
        run.mkdir(parents=True)
        facts = {"train_config": json.dumps(asdict(config))}
        student.save(student.build(preset(config.student)), run / "student.safetensors", facts)
        return run / "student.safetensors"

    monkeypatch.setattr(evaluate_ablation, "train", train)
    return asked


@pytest.fixture
def line(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    for side in ("ir", "vi"):
        (tmp_path / "pairs" / side).mkdir(parents=True)
        for n in range(2):
            image = rng.integers(0, 256, (32, 48, 3 if side == "vi" else 1), np.uint8)
            cv2.imwrite(str(tmp_path / "pairs" / side / f"{n}.png"), image)
    words = ["--ensemble", "CACHE", "--runs", str(tmp_path / "runs")]
    words += ["--pairs", str(tmp_path / "pairs"), "--metrics", "EN", "--out", str(tmp_path / "out")]
    return [*words, "--", "--student", "ultralight", "--steps", "7"]


def cells(table: str, row: str, source: str) -> dict[str, str]:
    lines = [item.strip("| ").split(" | ") for item in table.splitlines() if item.startswith("|")]
    head = lines[0]
    found = [dict(zip(head, item, strict=True)) for item in lines[2:]]
    (one,) = [item for item in found if item["row"] == row and item["source"] == source]
    return one


def test_every_row_of_table_7_is_trained_and_stands_beside_the_papers(
    line: list[str], trained: list[TrainConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--table", "7", *line]) == 0
    temperatures = [config.distillation.loss.temperature for config in trained]
    assert temperatures == [0.1, 0.5, 1.0, 2.0, 10.0, float("inf")]
    assert {(config.student, config.steps) for config in trained} == {("ultralight", 7)}
    table = capsys.readouterr().out
    mine, theirs = cells(table, "tau = 2", "measured"), cells(table, "tau = 2", "published")
    assert (theirs["MUSIQ"], theirs["DeQA"], theirs["mIoU"]) == ("47.6", "2.34", "64.8")
    assert mine["MUSIQ"] == "–"
    assert mine["n"] == "2"
    assert 0.0 < float(mine["EN:rounded"].split()[0]) <= 8.0
    assert theirs["EN:rounded"] == "–"


def test_finished_rows_are_kept_and_other_settings_refused(
    line: list[str],
    trained: list[TrainConfig],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--table", "7", "--rows", "7-1", *line]) == 0
    assert main(["--table", "7", "--rows", "7-1", "7-2", *line]) == 0
    assert [config.distillation.loss.temperature for config in trained] == [1.0, 2.0]
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert about["train"] == ["--student", "ultralight", "--steps", "7"]
    assert set(about["students"]) == {"7-1", "7-2"}
    capsys.readouterr()
    assert main(["--table", "7", "--rows", "7-1", *line[:-1], "8"]) == 2
    assert "was trained with another steps; choose other --runs" in capsys.readouterr().err


def test_rows_of_the_other_table_are_named(
    line: list[str], trained: list[TrainConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--table", "4", "--rows", "7-1", *line]) == 2
    assert "--rows: 7-1 is none of 4a, 4b" in capsys.readouterr().err
    assert not trained


def test_the_rows_own_flags_are_not_to_be_given(
    line: list[str], trained: list[TrainConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--table", "7", *line, "--ablation", "7-2"]) == 2
    assert "error: after --: --ensemble, --out and --ablation" in capsys.readouterr().err
    assert not trained


def test_block_a_takes_caches_of_its_own() -> None:
    rows = ("4a", "4b", "4c")
    found = caches_of(["both", "4a=one", "4b=eight"], rows)
    assert found == {"4a": Path("one"), "4b": Path("eight"), "4c": Path("both")}
    with pytest.raises(FusionError, match="no cache for 4c"):
        caches_of(["4a=one", "4b=eight"], rows)
    with pytest.raises(FusionError, match="found 4x"):
        caches_of(["both", "4x=one"], rows)
    with pytest.raises(FusionError, match="found both again"):
        caches_of(["both", "again"], rows)


def test_every_ablation_has_the_papers_values() -> None:
    assert set(paper.TABLE_4) | set(paper.TABLE_7) == set(ABLATIONS)
    assert paper.ablated("4i")["FPS"] == 198
    assert paper.ablated("7-inf")["mIoU"] == paper.ablated("4e")["mIoU"] == 63.2
