"""The ensemble's cache: right numbers, whatever breaks is found and only that is made anew."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from fusionproxy.ensemble.__main__ import main
from fusionproxy.ensemble.apart import check_apart
from fusionproxy.ensemble.build import Builder, EnsembleConfig, in_colour_of, planes
from fusionproxy.ensemble.cache import (
    SCALES,
    member_path,
    open_ensemble,
    read_facts,
    read_manifest,
    read_member,
    read_scales,
)
from fusionproxy.ensemble.pair_list import PairList
from fusionproxy.errors import FusionError
from fusionproxy.export import export
from fusionproxy.pair_source import open_pairs
from fusionproxy.student import luma_of
from fusionproxy.teachers.registry import Teacher, after_restoring, open_teacher
from fusionproxy.train import main as train_main

pytestmark = pytest.mark.heavy

COUNT = 5


def noisy(infrared: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
    return torch.maximum(infrared, visible) + 0.1 * torch.rand(visible.shape, generator=generator)


def average(infrared: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
    return (infrared + visible) / 2


TEACHERS = [f"--teacher=first={__name__}:noisy", f"--teacher=second={__name__}:average"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("pairs")
    for side in ("ir", "vi"):
        (root / side).mkdir()
    for n in range(COUNT):
        image = cv2.resize(rng.integers(0, 256, (5, 7, 3), np.uint8), (96, 72))
        cv2.imwrite(str(root / "vi" / f"{n * 100}.png"), image)
        cv2.imwrite(str(root / "ir" / f"{n * 100}.png"), image[..., 0])
    return root


def make(folder: Path, out: Path, *more: str) -> int:
    line = ["--pairs", str(folder), "--out", str(out), "--size", "64x48", "--samples", "3"]
    return main([*line, "--panel", "tiny", *TEACHERS, *more])


def contents(folder: Path, index: int) -> dict[str, str]:
    """Checksum of the tensors, and the facts; their order in the file is safetensors' own."""
    read_member(member_path(folder, index))
    return read_facts(member_path(folder, index))


@pytest.fixture(scope="module")
def cache(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ensemble") / "cache"
    assert make(folder, out) == 0
    return out


def test_moments_are_those_of_the_samples(folder: Path, cache: Path) -> None:
    member = open_ensemble(cache)[0]
    assert member.samples is not None
    drawn = member.samples.float() / 255  # (2K, 3, H, W), rounded
    assert len(drawn) == 6
    assert torch.allclose(member.mean, drawn.mean(0), atol=3e-3)
    assert torch.allclose(
        member.variance[0], drawn.var(0, correction=0).mean(0), atol=1e-4, rtol=0.1
    )
    panel = open_ensemble(cache).panel()
    for slot, x in panel(drawn).items():
        assert torch.allclose(member.features[slot], x.mean(0), atol=0.05)
        expected = (x - x.mean(0)).square().sum(1).mean(0)
        assert torch.allclose(member.feature_variances[slot][0], expected, rtol=0.1, atol=0.05)


def test_one_process_and_two_machines_make_the_same_files(
    folder: Path, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "cache"
    assert make(folder, out, "--part", "2/2") == 0
    assert [path.stem for path in sorted(out.glob("pair_*"))] == ["pair_000001", "pair_000003"]
    assert make(folder, out, "--part", "2/2") == 0, "a second time makes nothing of the others"
    assert len(list(out.glob("pair_*"))) == 2
    with pytest.raises(FusionError, match="is not complete"):
        open_ensemble(out)
    assert make(folder, out, "--part", "1/1") == 0
    for index in range(COUNT):
        assert contents(out, index) == contents(cache, index)


def test_a_sample_of_one_teacher_becomes_the_visible_source_of_another() -> None:
    infrared, visible = torch.full((1, 1, 4, 4), 0.8), torch.full((1, 3, 4, 4), 0.2)
    restorer = Teacher("bright", lambda _, scene, __: scene + 0.4)
    found = after_restoring(Teacher("own", average, {"steps": 3}), restorer)
    sample = found.sample(infrared, visible, torch.Generator())
    assert torch.allclose(sample, torch.full((1, 3, 4, 4), (0.8 + 0.6) / 2))
    assert found.facts == {"steps": 3, "visible": "restored by bright"}


def test_ddfm_needs_somebody_who_restores(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(folder, tmp_path / "cache", "--ddfm-visible", "restored") == 2
    assert "expected the teachers ddfm and mask_difuser" in capsys.readouterr().err


def seen(**changes: object) -> Teacher:
    """A teacher that was trained on clear pictures of two towns."""
    data = {"layout": "captured", "look": 3, "places": ["random_1", "random_2"], **changes}
    return Teacher("first", noisy, {"card": {"data": [{"layout": "folders"}, data]}})


FUSED = {"layout": "captured", "look": 3, "places": ["random_2", "random_3"]}


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (seen(), "'first' was trained on clear pictures of random_2, whose degraded pictures"),
        (seen(places=["random_1"], look=2), "'first' was trained on pictures of look 2, .* look 3"),
    ],
)
def test_a_teacher_fuses_no_place_that_it_saw_clear_and_no_other_look(
    teacher: Teacher, message: str
) -> None:
    with pytest.raises(FusionError, match=message):
        check_apart([teacher], [{"layout": "folders"}, FUSED])


def test_teachers_of_other_places_and_of_older_cards_fuse(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check_apart([seen(places=["random_1"]), Teacher("own", noisy)], [FUSED])
    assert capsys.readouterr().err == ""
    old = Teacher("old", noisy, {"card": {"data": [{"layout": "captured"}]}})
    check_apart([old], [FUSED])
    assert "teacher 'old': its card does not name the places" in capsys.readouterr().err


@pytest.mark.slow
def test_worker_processes_make_the_same_files(folder: Path, cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "cache"
    assert make(folder, out, "--workers", "2") == 0
    for index in range(COUNT):
        assert contents(out, index) == contents(cache, index)


def dies(infrared: Tensor, visible: Tensor, generator: torch.Generator) -> Tensor:
    os._exit(9)


@pytest.mark.slow
def test_death_of_a_worker_is_a_clear_error(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [f"--teacher=third={__name__}:dies", "--workers", "2"]
    assert make(folder, tmp_path / "cache", *more) == 2
    assert "a worker process died" in capsys.readouterr().err


def test_scales_of_a_broken_start_are_not_taken_for_other_settings(
    folder: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cache"
    out.mkdir()
    shutil.copy(cache / SCALES, out)  # a start that was killed before its manifest
    (out / ".pair_000000.7.part.safetensors").write_bytes(b"left")
    assert make(folder, out, "--size", "96x64") == 0
    assert "of another cache" in capsys.readouterr().err
    assert not list(out.glob("*.part.*"))
    assert open_ensemble(out).panel()


def test_source_of_a_plugin_belongs_to_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    code = "def fuse(infrared, visible, generator):\n    return visible"
    (tmp_path / "some_teacher.py").write_text(code)
    first = open_teacher("mine=some_teacher:fuse").facts
    (tmp_path / "some_teacher.py").write_text(code + " * 0.5")
    assert open_teacher("mine=some_teacher:fuse").facts != first


def test_out_that_is_a_file_is_a_clear_error(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("mine")
    assert make(folder, tmp_path / "cache") == 2
    assert "--out:" in capsys.readouterr().err
    assert (tmp_path / "cache").read_text() == "mine"


@pytest.mark.parametrize("how", ["truncated", "flipped", "missing"])
def test_only_what_is_broken_is_made_anew(
    folder: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cache"
    assert make(folder, out) == 0
    paths = [member_path(out, i) for i in range(COUNT)]
    whole, before = paths[2].read_bytes(), contents(out, 2)
    times = [p.stat().st_mtime_ns for p in paths]
    if how == "missing":
        paths[2].unlink()
    elif how == "truncated":
        paths[2].write_bytes(whole[: len(whole) // 2])
    else:
        paths[2].write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    if how == "flipped":
        with pytest.raises(FusionError, match="checksum differs"):
            open_ensemble(out)[2]
    else:
        with pytest.raises(FusionError, match=r"not complete|is broken"):
            open_ensemble(out)
    capsys.readouterr()
    assert make(folder, out) == 0
    assert "made 1 pairs" in capsys.readouterr().out
    assert contents(out, 2) == before
    untouched = [p.stat().st_mtime_ns for p in paths]
    assert untouched[:2] + untouched[3:] == times[:2] + times[3:]


def test_another_ensemble_is_not_overwritten(
    folder: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p.name: p.read_bytes() for p in cache.iterdir()}
    assert make(folder, cache, "--seed", "1") == 2
    assert "holds another ensemble (it differs in: settings)" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in cache.iterdir()} == before


def test_full_disk_is_a_clear_error_and_leaves_nothing(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fusionproxy.ensemble.cache.save_file", full)
    assert make(folder, tmp_path / "cache") == 2
    assert "No space left" in capsys.readouterr().err
    assert not list((tmp_path / "cache").glob("*"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([TEACHERS[0]], "expected one or more different teachers, found first, second, first"),
        (["--size", "20x20"], "--size: expected at least 32x32"),
        (["--size", "wide"], "--size: expected WIDTHxHEIGHT"),
        (["--part", "3/2"], "--part: expected I/N"),
        (["--weights", "vgg16=nowhere"], "no weights of 'vgg16'"),
    ],
)
def test_wrong_settings_are_clear_errors(
    folder: Path, tmp_path: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(folder, tmp_path / "cache", *more) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_manifest_says_what_made_it_without_paths(folder: Path, cache: Path) -> None:
    manifest = read_manifest(cache)
    assert [teacher["name"] for teacher in manifest["teachers"]] == ["first", "second"]
    assert [b["stands_for"] for b in manifest["panel"]["backbones"]] == ["VGG-16", "DINOv2-B/14"]
    assert str(folder.parent) not in json.dumps(manifest)
    assert set(read_scales(cache, manifest["identity"])) == {"vgg16", "dinov2"}


def test_samples_do_not_depend_on_the_order_of_pairs(folder: Path, cache: Path) -> None:
    config = EnsembleConfig(
        (f"first={__name__}:noisy", f"second={__name__}:average"),
        samples=3,
        width=64,
        height=48,
        panel="tiny",
    )
    builder = Builder(config, PairList([open_pairs(folder)], ["x"]), {})
    builder.panel.set_scales(read_scales(cache, read_manifest(cache)["identity"]))
    last = builder.member(COUNT - 1)
    assert torch.allclose(last.mean, open_ensemble(cache)[COUNT - 1].mean, atol=5e-4)
    infrared, visible = planes(builder.pairs.load(0, 64, 48))
    assert (infrared.shape, visible.shape) == ((1, 1, 48, 64), (1, 3, 48, 64))


def test_samples_take_the_colour_of_the_visible_image() -> None:
    visible = torch.tensor([0.5, 0.4, 0.3]).reshape(1, 3, 1, 1)
    grey = torch.full((1, 3, 1, 1), 0.6)
    found = in_colour_of(visible, grey)
    assert torch.allclose(found - found.mean(), visible - visible.mean(), atol=1e-6)
    assert float(luma_of(found)) == pytest.approx(0.6)


def test_limit_of_each_folder(folder: Path) -> None:
    sources = [open_pairs(folder), open_pairs(folder)]
    assert PairList(sources, ["a", "b"], [2, 1]).where == [(0, 0), (0, COUNT - 1), (1, 0)]
    with pytest.raises(FusionError, match="expected a number for each folder, found 1 for 2"):
        PairList(sources, ["a", "b"], [2])
    with pytest.raises(FusionError, match="no pairs"):
        PairList(sources, ["a", "b"], [0, 0])


def test_a_cache_is_distilled(cache: Path, tmp_path: Path) -> None:
    line = ["--ensemble", str(cache), "--out", str(tmp_path / "run"), "--steps", "2"]
    assert train_main([*line, "--batch", "2", "--device", "cpu"]) == 0
    card = export(tmp_path / "run", tmp_path / "student_distilled.onnx")
    assert card["label"] == "distilled"
    assert [teacher["name"] for teacher in card["ensemble"]["teachers"]] == ["first", "second"]
    text = (tmp_path / "student_distilled.md").read_text()
    assert "| validation | held-out | 1 | student |" in text
    assert "stands for VGG-16" in text
    with pytest.raises(FusionError, match="--unseen measures an oracle"):
        export(tmp_path / "run", tmp_path / "student_distilled.onnx", tmp_path)
