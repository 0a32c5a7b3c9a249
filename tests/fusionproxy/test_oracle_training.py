"""The oracle's training loop: learns, resumes exactly, refuses broken data."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file

from fusionproxy.data import PARTS, Shard, open_split, read_index, split, write_shard
from fusionproxy.errors import FusionError
from fusionproxy.export import export
from fusionproxy.oracle import OracleConfig
from fusionproxy.train import main
from fusionproxy.trainer import TrainConfig, Trainer, train
from fusionproxy.training import rate_factor

pytestmark = pytest.mark.heavy


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    folder = tmp_path / "pairs"
    for n in range(3):
        clear = rng.integers(0, 256, (2, 64, 64, 3), np.uint8)
        parts = {"clear": clear, "degraded": clear // 4 + 96, "thermal": clear[..., 1]}
        write_shard(folder, Shard(f"drive{n}", f"route{n}", "fog", 2), parts)
    return folder


def config(folder: Path, steps: int) -> TrainConfig:
    crops = OracleConfig(crop_height=64, crop_width=64)
    return TrainConfig(str(folder), steps=steps, batch=2, warmup_steps=2, oracle=crops)


def test_split_keeps_a_sequence_together(pairs: Path) -> None:
    training, validation = split(read_index(pairs))
    assert {s.sequence for s in training}.isdisjoint({s.sequence for s in validation})
    assert len(training) + len(validation) == 3


def test_loss_falls_and_the_run_exports(pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    trainer = Trainer(config(pairs, 12), run)
    losses = [trainer.train_step()["total"] for _ in range(12)]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    train(config(pairs, 2), tmp_path / "short", resume=False)
    card = export(tmp_path / "short", tmp_path / "weights" / "student.onnx")
    assert card["label"] == "oracle"
    assert set(card["validation_by_weather"]) == {"fog"}
    assert "| validation | fog | 2 | average |" in (tmp_path / "weights/student.md").read_text()


def test_a_twin_learns_without_the_infrared_image_and_its_card_says_so(
    pairs: Path, tmp_path: Path
) -> None:
    twin = dataclasses.replace(config(pairs, 3), blank_infrared=True)
    with_infrared = train(config(pairs, 3), tmp_path / "oracle", resume=False).read_bytes()
    before = train(twin, tmp_path / "run", resume=False).read_bytes()
    for shard in read_index(pairs):  # another infrared image changes the oracle, and not the twin
        path = pairs / f"{shard.name}.thermal.npy"
        np.save(path, 255 - np.load(path))
    as_before = load_file(train(twin, tmp_path / "again", resume=False))
    other = load_file(train(config(pairs, 3), tmp_path / "other", resume=False))
    first, oracle = safetensors.torch.load(before), safetensors.torch.load(with_infrared)
    assert all(torch.equal(as_before[key], first[key]) for key in first)
    assert not all(torch.equal(other[key], oracle[key]) for key in oracle)
    card = export(tmp_path / "run", tmp_path / "twin.onnx")
    assert (card["label"], "--blank-infrared" in card["command"]) == ("oracle_rgb", True)


def test_minutes_end_the_run_and_the_cosine(pairs: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(config(pairs, 10**9), minutes=1.0)
    trainer = Trainer(settings, tmp_path)
    trainer.step, trainer.seconds = 500, 60.0
    assert trainer.done == 1.0
    assert rate_factor(trainer.step, 100, trainer.done) == pytest.approx(0.01)


def test_card_names_the_commit_that_trained_not_the_one_that_exports(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fusionproxy.trainer.source_commit", lambda: "a" * 12)
    train(config(pairs, 1), tmp_path / "run", resume=False)
    monkeypatch.setattr("fusionproxy.trainer.source_commit", lambda: "b" * 12)
    assert export(tmp_path / "run", tmp_path / "s.onnx")["commit"] == "a" * 12


def test_other_settings_do_not_resume(pairs: Path, tmp_path: Path) -> None:
    Trainer(config(pairs, 4), tmp_path).save_state()
    with pytest.raises(FusionError, match="other settings"):
        Trainer(config(pairs, 5), tmp_path).load_state()


def test_crop_larger_than_the_images_is_a_clear_error(pairs: Path, tmp_path: Path) -> None:
    trainer = Trainer(TrainConfig(str(pairs)), tmp_path)
    with pytest.raises(FusionError, match="smaller than the crop"):
        trainer.train_step()


def test_resumed_run_equals_an_unbroken_one(pairs: Path, tmp_path: Path) -> None:
    whole = Trainer(config(pairs, 4), tmp_path)
    losses = [whole.train_step() for _ in range(2)]
    whole.save_state()
    losses = [whole.train_step() for _ in range(2)]
    resumed = Trainer(config(pairs, 4), tmp_path)
    resumed.load_state()
    assert [resumed.train_step() for _ in range(2)] == losses


def test_a_training_goes_on_from_a_student(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = train(config(pairs, 2), tmp_path / "first", resume=False)
    begun = Trainer(config(pairs, 1), tmp_path, init=first)
    kept = load_file(first)
    weights = begun.student.student.state_dict()
    assert all(torch.equal(weights[name], item.float()) for name, item in kept.items())
    call = ["--data", str(pairs), "--out", str(tmp_path / "again"), "--init"]
    assert main([*call, str(first), "--student", "ultralight"]) == 2
    assert "of another network than --student ultralight" in capsys.readouterr().err
    assert main([*call, str(tmp_path / "none.safetensors")]) == 2
    assert "no student at" in capsys.readouterr().err
    with_init = dataclasses.replace(config(pairs, 1), begun_with="abc")
    train(with_init, tmp_path / "second", resume=False, init=first)
    card = export(tmp_path / "second", tmp_path / "second.onnx")
    assert "--init FILE" in card["command"]
    assert "begun with weights abc" in (tmp_path / "second.md").read_text()


def test_broken_shard_is_a_clear_error(pairs: Path) -> None:
    name = f"{read_index(pairs)[0].name}.{PARTS[0]}.npy"
    (pairs / name).write_bytes(b"cut")
    with pytest.raises(FusionError, match="capture the data again"):
        open_split(pairs)


def test_no_data_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match=r"harness\.capture"):
        open_split(tmp_path)
