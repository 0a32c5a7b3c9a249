"""The direct student: what it sees and what it never sees, its twin, its card, refusals."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fusionproxy.data import Shard, read_index, write_shard
from fusionproxy.direct import CHECKED_AT, KINDS, DirectConfig, DirectTask, filled
from fusionproxy.errors import FusionError
from fusionproxy.export import export
from fusionproxy.fuse import write_image
from fusionproxy.train import config_of, main, parser
from fusionproxy.trainer import TrainConfig, Trainer, train

pytestmark = pytest.mark.heavy


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    folder = tmp_path / "pairs"
    for n in range(3):
        blocks = rng.integers(0, 256, (2, 8, 8, 3), np.uint8)
        clear = np.kron(blocks, np.ones((1, 8, 8, 1), np.uint8))
        parts = {"clear": clear, "degraded": clear // 4 + 96, "thermal": clear[..., 1]}
        write_shard(folder, Shard(f"drive{n}", f"route{n}", "fog", 2), parts, {"look": 7})
    return folder


def settings(folder: Path, steps: int, **direct: object) -> TrainConfig:
    found = dataclasses.replace(DirectConfig((str(folder),), crop=64), **direct)  # type: ignore[arg-type]
    return TrainConfig("", "direct", steps=steps, batch=2, warmup_steps=2, direct=found)


def test_its_loss_falls_and_its_card_says_what_it_saw(pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    trainer = Trainer(settings(pairs, 16), run)
    losses = [trainer.train_step()["total"] for _ in range(16)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    train(settings(pairs, 2), tmp_path / "short", resume=False)
    card = export(tmp_path / "short", tmp_path / "direct.onnx")
    assert (card["label"], card["looks"], card["thermal_looks"]) == ("direct", [7], [])
    assert set(card["validation_by_weather"]) == set(KINDS)
    assert "--clear pairs --out RUN" in card["command"]
    assert str(tmp_path) not in json.dumps(card)


def test_neither_rendered_weather_nor_thermal_images_reach_it(pairs: Path, tmp_path: Path) -> None:
    def batches() -> list[dict[str, torch.Tensor]]:
        task = DirectTask(settings(pairs, 1).direct, 2)
        rng = np.random.default_rng(4)
        return [task.draw(rng) for _ in range(3)]

    before = batches()
    for shard in read_index(pairs):
        for part in ("degraded", "thermal"):
            path = pairs / f"{shard.name}.{part}.npy"
            np.save(path, 255 - np.load(path))
    assert all(
        torch.equal(old[key], new[key])
        for old, new in zip(before, batches(), strict=True)
        for key in old
    )
    for shard in read_index(pairs):
        path = pairs / f"{shard.name}.clear.npy"
        np.save(path, 255 - np.load(path))
    assert not torch.equal(before[0]["clear"], batches()[0]["clear"])


def test_its_twin_learns_without_the_made_up_infrared(pairs: Path, tmp_path: Path) -> None:
    twin = dataclasses.replace(settings(pairs, 2), blank_infrared=True)
    still = dataclasses.replace(
        settings(pairs, 2, misalignment=None), blank_infrared=True
    )  # displacing a grey plane changes nothing but the draws that come after
    card = export(train(twin, tmp_path / "twin", resume=False).parent, tmp_path / "twin.onnx")
    assert (card["label"], "--blank-infrared" in card["command"]) == ("direct_rgb", True)
    export(train(still, tmp_path / "still", resume=False).parent, tmp_path / "still.onnx")
    assert "--no-misalignment" in (tmp_path / "still.md").read_text()


def test_a_resumed_run_equals_an_unbroken_one(pairs: Path, tmp_path: Path) -> None:
    whole = train(settings(pairs, 4), tmp_path / "whole", resume=False)
    half = Trainer(settings(pairs, 4), tmp_path / "half")
    (tmp_path / "half").mkdir()
    for _ in range(2):
        half.train_step()
    half.save_state()
    resumed = train(settings(pairs, 4), tmp_path / "half", resume=True)
    one, other = load_file(whole), load_file(resumed)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_held_out_pictures_are_the_same_at_every_look(pairs: Path) -> None:
    held = DirectTask(settings(pairs, 1).direct, 2).validation
    again = DirectTask(settings(pairs, 1).direct, 2).validation
    width, height = CHECKED_AT
    for index in range(len(held)):
        low, heat, high = held.sample(index)
        assert low.shape == high.shape == (height, width, 3)
        assert heat.shape == (height, width)
        assert np.abs(low.astype(int) - high).mean() > 5.0  # there is weather in it
        assert all(map(np.array_equal, (low, heat, high), again.sample(index)))


@pytest.mark.parametrize("shape", [(30, 90), (600, 200), (300, 400)])
def test_a_picture_of_any_shape_fills_the_size_undistorted(shape: tuple[int, int]) -> None:
    rows, columns = np.indices(shape)
    disc = np.hypot(rows - shape[0] / 2, columns - shape[1] / 2) < min(shape) / 4
    found = filled(np.repeat((255 * disc)[..., None], 3, 2).astype(np.uint8), 400, 300)
    assert found.shape == (300, 400, 3)
    ys, xs = np.nonzero(found[..., 0] > 127)
    assert np.ptp(ys) == pytest.approx(np.ptp(xs), rel=0.1)


def test_real_pairs_give_their_visible_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for part, shape in (("ir", (64, 80)), ("vi", (64, 80, 3))):
        (tmp_path / "real" / part).mkdir(parents=True)
        for n in range(4):
            picture = rng.integers(0, 256, shape, np.uint8)
            write_image(tmp_path / "real" / part / f"{'abcd'[n]}1.png", picture)
    found = parser().parse_args(
        ["--clear", str(tmp_path / "real"), "--out", "unused", "--no-misalignment"]
    )
    task = DirectTask(config_of(found).direct, 2)
    assert task.config.misalignment is None
    assert task.facts()["looks"] == "[]"
    assert task.draw(rng)["clear"].shape == (2, 3, 160, 160)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clear", "A", "--data", "B"], "expected one of"),
        ([], "expected one of"),
        (["--data", "A", "--split", "train"], "--layout and --split are of --clear"),
        (["--clear", "A", "--weight", "pixel=1"], "--weight is of distillation"),
        (["--clear", "A", "--ablation", "4e"], "--ablation is of distillation"),
        (["--data", "A", "--feature-every", "2"], "--feature-every is of distillation"),
    ],
)
def test_flags_that_mean_nothing_are_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_a_mix_of_other_sets_is_refused(pairs: Path) -> None:
    with pytest.raises(FusionError, match="expected a weight for each of the sets pairs"):
        DirectTask(settings(pairs, 1, mix={"other": 1.0}).direct, 2)


def test_one_sequence_alone_cannot_be_divided(tmp_path: Path) -> None:
    clear = np.zeros((2, 64, 64, 3), np.uint8)
    parts = {"clear": clear, "degraded": clear, "thermal": clear[..., 0]}
    write_shard(tmp_path, Shard("only", "route", "fog", 2), parts)
    with pytest.raises(FusionError, match="one sequence only"):
        DirectTask(settings(tmp_path, 1).direct, 2)
