"""A small run of training, its checkpoint, and the exported files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from fusiondrive.errors import ConfigError, FusionDriveError
from fusiondrive.provenance import file_hash
from fusiondrive.types import CameraSpec
from perceivers.detection import CAMERA, Sight
from perceivers.frames import FramesCard, FrameWriter
from perceivers.labelled_frame import LabelledFrame, RoadUser, encode_grey, encode_rgb
from perceivers.trained import Segmenter, TrainedDetector
from perceivers.training.batches import draw_batch
from perceivers.training.export import export
from perceivers.training.losses import box_loss, focal_loss
from perceivers.training.network import PerceiverNetwork
from perceivers.training.trainer import LAST, LOG, TrainConfig, begin_with, read_run, train

pytestmark = pytest.mark.heavy

SMALL = CameraSpec(width=160, height=128)


def frame(number: int, camera: CameraSpec = SMALL) -> LabelledFrame:
    rng = np.random.default_rng(number)
    rgb = rng.integers(80, 120, (camera.height, camera.width, 3), dtype=np.uint8)
    tags = np.ones((camera.height, camera.width), np.uint8)
    rgb[40:80, 60:76] = (250, 20, 20)
    tags[40:80, 60:76] = 12
    person = RoadUser("person", 60.0, 40.0, 76.0, 80.0, 10.0, 1.0)
    town = "random:501" if number % 4 == 0 else "random:7"
    return LabelledFrame(
        town, f"s{number:06d}", "clear", camera, encode_rgb(rgb), encode_grey(tags), (person,)
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    card = FramesCard(made_by="a test", commit="unknown", look=25, seed=1)
    with FrameWriter(tmp_path / "data", card) as writer:
        for number in range(8):
            writer.add(frame(number, SMALL if number % 2 else CAMERA))
    return tmp_path / "data"


def config(data: Path, steps: int) -> TrainConfig:
    return TrainConfig(data=(str(data),), steps=steps, batch=2, warmup_steps=1, judged=2)


@pytest.mark.slow
def test_a_run_is_resumed_and_exported(data: Path, tmp_path: Path) -> None:
    train(config(data, 2), tmp_path / "run")
    with pytest.raises(ConfigError, match="holds a run; go on with --resume"):
        train(config(data, 3), tmp_path / "run")
    with pytest.raises(FusionDriveError, match="made with other settings"):
        train(replace(config(data, 3), batch=3), tmp_path / "run", resume=True)
    numbers = train(config(data, 3), tmp_path / "run", resume=True)
    assert numbers["asked"]["person"] == 2
    lines = (tmp_path / "run" / LOG).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 3]

    out = tmp_path / "p.onnx"
    assert export(tmp_path / "run" / LAST, out, 0.4) < 5e-3
    assert out.stat().st_size < 8 * 2**20
    card = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["looks"] == [25]
    assert card["data"][0]["frames"] == 8
    assert str(tmp_path) not in out.with_suffix(".json").read_text(encoding="utf-8")
    assert "random:501" in out.with_suffix(".md").read_text(encoding="utf-8")

    detector = TrainedDetector(out)
    assert set(detector.cameras) == {SMALL, CAMERA}
    picture = frame(0, CAMERA).rgb_image()
    assert isinstance(detector.detect(Sight(picture, 10.0)), tuple)
    assert Segmenter(out).classes(picture).shape == (480, 640)
    assert Segmenter(out).weights_hash() == detector.weights_hash() != "none"

    train(replace(config(data, 1), init=str(tmp_path / "run" / LAST)), tmp_path / "second")
    _, facts = read_run(tmp_path / "second" / LAST)
    assert len(facts["begun_with"]) == 12


@pytest.mark.slow
def test_a_training_goes_on_from_an_export_in_half_precision(data: Path, tmp_path: Path) -> None:
    train(config(data, 2), tmp_path / "run")
    export(tmp_path / "run" / LAST, tmp_path / "out.onnx", 0.4)
    before, _ = read_run(tmp_path / "run" / LAST)
    network = PerceiverNetwork(before.config)
    digest = begin_with(tmp_path / "out.safetensors", network)
    assert digest == file_hash(tmp_path / "out.safetensors")
    for key, value in before.state_dict().items():
        found = network.state_dict()[key]
        assert torch.allclose(found.double(), value.double(), rtol=1e-3, atol=1e-6), key
    other = PerceiverNetwork(replace(before.config, channels=16))
    with pytest.raises(ConfigError, match=r"out\.safetensors holds no weights of .* 16 channels"):
        begin_with(tmp_path / "out.safetensors", other)


def test_equal_seeds_give_equal_weights(data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        train(config(data, 2), tmp_path / name)
    nets = [read_run(tmp_path / name / LAST)[0].state_dict() for name in ("a", "b")]
    assert all(torch.equal(nets[0][key], nets[1][key]) for key in nets[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"held_out": ("Town09",)}, r"towns held out \(Town09\) and of others, found random:501,"),
        ({"init": "absent.pth"}, r"--init: .*absent\.pth: no such file"),
        ({"data": ("absent",)}, "expected a set of labelled frames"),
    ],
)
def test_what_cannot_be_trained_on_is_named(
    data: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(replace(config(data, 1), **change), tmp_path / "run")  # type: ignore[arg-type]


def test_patches_keep_pictures_and_targets_together() -> None:
    batch = draw_batch([frame(1)], 8, np.random.default_rng(0))
    assert batch.pictures.shape == (8, 3, 256, 320)
    person = batch.targets[0][:, 0]
    for picture, centres in zip(batch.pictures, person, strict=True):
        for y, x in (centres == 1.0).nonzero().tolist():
            red = picture[:, 4 * y + 2, 4 * x + 2]
            assert red[0] > 150.0 > red[1]


def test_losses_by_hand() -> None:
    sides = torch.full((1, 4, 1, 1), 2.0)
    assert box_loss(sides, sides).item() == pytest.approx(0.0)
    wide = torch.tensor([2.0, 2.0, 6.0, 2.0]).view(1, 4, 1, 1)  # 4 x 4 within 8 x 4
    assert box_loss(sides, wide).item() == pytest.approx(0.5)
    logits, wanted = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]])
    # -log(1/2) / 4 for the centre and for the other cell
    expected = 2 * 0.25 * np.log(2.0)
    assert focal_loss(logits, wanted, torch.ones(1, 1, 1, 2)).item() == pytest.approx(expected)
    only = torch.tensor([[[[1.0, 0.0]]]])
    assert focal_loss(logits, wanted, only).item() == pytest.approx(expected / 2)
