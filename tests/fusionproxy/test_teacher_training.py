"""Training of small teachers: it learns, resumes exactly, and gives usable pipelines."""

import dataclasses
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from fusionproxy.data import Shard, write_shard
from fusionproxy.errors import FusionError
from fusionproxy.pair_source import open_pairs
from fusionproxy.teachers import trainer as training
from fusionproxy.teachers.images import Sides, open_sides
from fusionproxy.teachers.objectives import objective
from fusionproxy.teachers.registry import Sampling, open_teacher, read_network, weights_of
from fusionproxy.teachers.train import main
from fusionproxy.teachers.trainer import TeacherConfig, TeacherTrainer, train

pytestmark = pytest.mark.heavy

TEACHERS = ("ddfm", "mask_difuser")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SHOWN_WIDTH", 48)  # contact sheets cost more than the training
    monkeypatch.setattr(training, "SHOWN_STEPS", {"ddfm": 2, "mask_difuser": 2})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "pairs"
    for side in ("ir", "vi"):
        (root / side).mkdir(parents=True)
    for n in range(4):
        colour = cv2.resize(rng.integers(0, 256, (5, 7, 3), np.uint8), (56, 40))
        cv2.imwrite(str(root / "vi" / f"{n * 100}.png"), colour)
        cv2.imwrite(str(root / "ir" / f"{n * 100}.png"), colour[..., 0])
    return root


def sides(folder: Path) -> Sides:
    return open_sides([open_pairs(folder)], [folder], shown=1)


def config(teacher: str, steps: int) -> TeacherConfig:
    return TeacherConfig(
        teacher, "tiny", crop=32, batch=4, steps=steps, warmup_steps=2, learning_rate=2e-3
    )


@pytest.mark.parametrize("teacher", TEACHERS)
def test_loss_falls(teacher: str, folder: Path, tmp_path: Path) -> None:
    trainer = TeacherTrainer(dataclasses.replace(config(teacher, 60), late_share=0.0), tmp_path)
    images = sides(folder).training
    before = trainer.validate(images)
    for _ in range(60):
        trainer.train_step(images)
    assert trainer.validate(images) < before


@pytest.mark.parametrize("teacher", TEACHERS)
def test_resumed_run_equals_an_unbroken_one(teacher: str, folder: Path, tmp_path: Path) -> None:
    images = sides(folder).training
    whole = TeacherTrainer(config(teacher, 4), tmp_path)
    for _ in range(2):
        whole.train_step(images)
    whole.save_state()
    losses = [whole.train_step(images) for _ in range(2)]
    resumed = TeacherTrainer(config(teacher, 4), tmp_path)
    resumed.load_state()
    assert [resumed.train_step(images) for _ in range(2)] == losses


@pytest.mark.parametrize("teacher", TEACHERS)
def test_command_gives_a_teacher_that_opens(
    teacher: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    call = ["--teacher", teacher, "--pairs", str(folder), "--out", str(run), "--size", "tiny"]
    call += ["--crop", "32", "--batch", "2", "--steps", "2"]
    assert main(call) == 0
    found = open_teacher(f"{teacher}={run}", {teacher: Sampling(3)})
    pair = torch.rand(1, 1, 20, 30), torch.rand(1, 3, 20, 30)
    assert found.sample(*pair, torch.Generator().manual_seed(0)).shape == (1, 3, 20, 30)
    card = json.loads((run / "card.json").read_text())
    assert card["step"] == 2
    assert str(tmp_path) not in json.dumps(card)
    assert (run / "samples.png").is_file()
    assert not list(run.rglob("*.bin"))
    assert main(call) == 2  # a finished run is not overwritten
    assert "another --out" in capsys.readouterr().err


@pytest.mark.parametrize("teacher", TEACHERS)
def test_a_training_goes_on_from_a_teacher_in_half_precision(
    teacher: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first"
    call = ["--teacher", teacher, "--pairs", str(folder), "--crop", "32", "--batch", "2"]
    assert main([*call, "--out", str(first), "--size", "tiny", "--steps", "2"]) == 0
    begun = TeacherTrainer(config(teacher, 1), tmp_path / "begun", init=first)
    kept = read_network(teacher, first).state_dict()
    assert all(torch.equal(item, kept[name]) for name, item in begun.network.state_dict().items())
    again = ["--out", str(tmp_path / "second"), "--init", str(first), "--steps", "1"]
    assert main([*call, *again, "--size", "tiny"]) == 0
    card = json.loads((tmp_path / "second" / "card.json").read_text())
    assert card["training"]["begun_with"] == weights_of(first)
    capsys.readouterr()
    assert main([*call, *again[:-2], "--size", "cpu", "--out", str(tmp_path / "third")]) == 2
    assert "of another size than 'cpu'" in capsys.readouterr().err
    other = next(name for name in TEACHERS if name != teacher)
    call[1] = other
    assert main([*call, *again, "--size", "tiny", "--out", str(tmp_path / "third")]) == 2
    assert f"in {first}" in capsys.readouterr().err


@pytest.mark.parametrize("teacher", TEACHERS)
def test_draws_do_not_depend_on_the_number_of_threads(teacher: str, folder: Path) -> None:
    images = sides(folder).training

    def batch() -> list[Tensor]:
        crops = dataclasses.replace(config(teacher, 1), batch=8).crops
        found = objective(teacher).draw(images, np.random.default_rng(3), crops)
        return [item for item in found if item is not None]

    alone = batch()
    torch.set_num_threads(3)
    assert all(map(torch.equal, alone, batch()))
    assert not torch.equal(alone[0][0], alone[0][1])  # each has a generator of its own


def test_held_out_sequences_are_not_trained_on(folder: Path) -> None:
    found = sides(folder)
    assert (len(found.training), len(found.validation)) == (6, 2)  # visible and infrared


def test_sets_of_clean_images_are_drawn_by_weight(folder: Path, tmp_path: Path) -> None:
    dark = tmp_path / "dark"
    for side in ("ir", "vi"):
        (dark / side).mkdir(parents=True)
        for n in range(4):
            cv2.imwrite(str(dark / side / f"{n * 100}.png"), np.zeros((40, 56, 3), np.uint8))
    sources = [open_pairs(folder), open_pairs(dark)]
    images = open_sides(sources, [folder, dark], {"pairs": 3.0, "dark": 1.0}, shown=1).training
    rng = np.random.default_rng(0)
    black = [images.crop(rng, 32, 0.5).max() == 0.0 for _ in range(400)]
    assert np.mean(black) == pytest.approx(0.25, abs=0.065)  # three standard errors
    with pytest.raises(FusionError, match="sets dark, pairs; found pairs"):
        open_sides(sources, [folder, dark], {"pairs": 3.0}, shown=1)


def test_captured_sets_give_their_clear_pictures_alone(folder: Path, tmp_path: Path) -> None:
    clear = np.full((2, 40, 56, 3), 200, np.uint8)
    parts = {"clear": clear, "degraded": clear // 2, "thermal": clear[..., 1]}
    for name in ("a", "b"):
        write_shard(tmp_path / "sim", Shard(name, name, "fog", 2), parts)
    found = open_sides([open_pairs(tmp_path / "sim")], [tmp_path / "sim"], shown=1)
    assert (len(found.training), found.training.infrared) == (2, [])
    assert (found.training.crop(np.random.default_rng(0), 32, 0.0) == np.float32(200 / 255)).all()
    with pytest.raises(FusionError, match="the sets give no infrared images"):
        training.train(config("mask_difuser", 1), found, tmp_path / "run", resume=False)


def test_other_settings_do_not_resume(folder: Path, tmp_path: Path) -> None:
    TeacherTrainer(config("ddfm", 4), tmp_path).save_state()
    with pytest.raises(FusionError, match="other settings"):
        TeacherTrainer(dataclasses.replace(config("ddfm", 4), batch=3), tmp_path).load_state()


def test_an_ended_run_can_be_made_longer(folder: Path, tmp_path: Path) -> None:
    short, images = TeacherTrainer(config("ddfm", 1), tmp_path), sides(folder).training
    short.train_step(images)
    short.save_state()
    longer = TeacherTrainer(config("ddfm", 4), tmp_path)
    longer.load_state()
    assert (longer.step, longer.done) == (1, 0.25)


def invert(infrared: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
    return 1 - visible


def grey(infrared: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
    return infrared


def test_any_callable_is_a_teacher() -> None:
    teacher = open_teacher(f"mine={__name__}:invert")
    visible = torch.rand(1, 3, 8, 8)
    found = teacher.sample(torch.rand(1, 1, 8, 8), visible, torch.Generator())
    assert torch.allclose(found, 1 - visible)
    assert teacher.facts["plugin"] == f"{__name__}:invert"
    assert (
        teacher.facts["source_sha256_12"]
        == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ddfm=", "expected NAME=PATH"),
        ("ddmf=runs/x", "unknown teacher 'ddmf'; known: ddfm, mask_difuser"),
        ("ddfm=nowhere.pt", "256x256_diffusion_uncond"),
        ("mask_difuser=nowhere", "fusionproxy.teachers.train"),
        ("mine=nowhere:f", "cannot be imported"),
    ],
)
def test_wrong_teachers_are_clear_errors(text: str, message: str) -> None:
    with pytest.raises(FusionError, match=message):
        open_teacher(text)


def test_a_teacher_of_the_wrong_shape_is_named() -> None:
    teacher = open_teacher(f"mine={__name__}:grey")
    with pytest.raises(FusionError, match=r"teacher 'mine': expected a sample \(1, 3, 8, 8\)"):
        teacher.sample(torch.rand(1, 1, 8, 8), torch.rand(1, 3, 8, 8), torch.Generator())


def test_crop_that_does_not_fit_is_a_clear_error() -> None:
    with pytest.raises(FusionError, match="--crop: expected a multiple of 16"):
        TeacherConfig("mask_difuser", crop=40)


def test_one_sequence_cannot_be_split(folder: Path) -> None:
    for path in folder.rglob("*00.png"):
        path.rename(path.with_stem(f"{int(path.stem) // 100}"))
    with pytest.raises(FusionError, match="one sequence"):
        train(config("ddfm", 1), sides(folder), folder / "run", resume=False)
