"""Pair folders: layouts by name, bit depths, splits by sequence, and errors that say what to do."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from fusionproxy.data import Shard, write_shard
from fusionproxy.errors import FusionError
from fusionproxy.layouts import find_pairs
from fusionproxy.pair_source import PairFolder, ReadAs, open_pairs
from fusionproxy.pairs import main

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
RGB = np.dstack([GREY, GREY // 2, 255 - GREY])


def put(root: Path, files: dict[str, np.ndarray]) -> Path:
    for name, image in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image if image.ndim == 2 else image[..., ::-1])
    return root


def pair(ir: str = "ir/1.png", vi: str = "vi/1.png") -> dict[str, np.ndarray]:
    return {ir: GREY, vi: RGB}


@pytest.mark.parametrize(
    ("layout", "files", "names", "splits"),
    [
        ("folders", pair(), ["1"], [""]),
        ("msrs", pair("train/ir/00001D.png", "train/vi/00001D.png"), ["00001D"], ["train"]),
        ("m3fd", pair("Ir/00000.png", "Vis/00000.png"), ["00000"], [""]),
        (
            "roadscene",
            pair("cropinfrared/FLIR_1.jpg", "crop_LR_visible/FLIR_1.jpg"),
            ["FLIR_1"],
            [""],
        ),
        (
            "llvip",
            pair("infrared/test/190001.png", "visible/test/190001.png"),
            ["190001"],
            ["test"],
        ),
        (
            "tno",
            pair("Athena/house/IR_a_g.bmp", "Athena/house/VIS_a_r.bmp"),
            ["Athena/house"],
            [""],
        ),
        ("tno", pair("ir/01.png", "vi/01.png"), ["01"], [""]),
    ],
)
def test_known_layouts_are_found_by_name(
    tmp_path: Path, layout: str, files: dict[str, np.ndarray], names: list[str], splits: list[str]
) -> None:
    found = find_pairs(put(tmp_path, files), layout)
    assert [item.name for item in found] == names
    assert [item.split for item in found] == splits


def test_a_pair_reads_as_rgb_and_grey(tmp_path: Path) -> None:
    loaded = open_pairs(put(tmp_path, pair())).load(0)
    np.testing.assert_array_equal(loaded.infrared, GREY)
    np.testing.assert_array_equal(loaded.visible, RGB)


def test_grey_visible_becomes_three_channels_unless_rgb_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path, {"ir/1.png": GREY, "vi/1.png": GREY})
    assert open_pairs(tmp_path).load(0).visible.shape == (6, 8, 3)
    with pytest.raises(FusionError, match="expected RGB, found a grey image of shape"):
        open_pairs(tmp_path, read_as=ReadAs(visible="rgb")).load(0)


def test_16_bits_need_a_range_and_keep_their_depth(tmp_path: Path) -> None:
    deep = 7000 + GREY.astype(np.uint16)
    put(tmp_path, {"ir/1.png": deep, "vi/1.png": RGB})
    with pytest.raises(FusionError, match=r"uint16 values 7000..7235 .*--infrared-range LOW HIGH"):
        open_pairs(tmp_path).load(0)
    source = open_pairs(tmp_path, read_as=ReadAs(infrared_range=(7000, 8000)))
    assert isinstance(source, PairFolder)
    np.testing.assert_allclose(source.unit(0)[0], GREY / 1000, atol=1e-6)
    assert source.load(0).infrared.max() == round(0.235 * 255)


def test_frames_of_one_video_stay_on_one_side_of_a_split(tmp_path: Path) -> None:
    numbers = [6, 18, 40, 200, 210, 500, 505, 900, 1500, 2000]
    for n in numbers:
        put(tmp_path, pair(f"ir/FLIR_{n:05d}.png", f"vi/FLIR_{n:05d}.png"))
    source = open_pairs(tmp_path, "roadscene")
    assert isinstance(source, PairFolder)
    training, validation = source.hold_out()
    assert sorted(training.names + validation.names) == sorted(source.names)
    assert not set(training.sequences) & set(validation.sequences)
    assert source.sequences[:3] == ["FLIR_00006"] * 3


def test_the_card_hash_follows_the_bytes(tmp_path: Path) -> None:
    card = open_pairs(put(tmp_path, pair())).card()
    assert (card["pairs"], card["sizes"]["largest"]) == (1, (8, 6))
    assert open_pairs(tmp_path).card() == card
    put(tmp_path, {"ir/1.png": 255 - GREY})
    assert open_pairs(tmp_path).card()["sha256_12"] != card["sha256_12"]


def test_captured_pairs_open_the_same_way(tmp_path: Path) -> None:
    parts = {"degraded": RGB[None], "thermal": GREY[None], "clear": RGB[None]}
    write_shard(tmp_path, Shard("a", "route0", "fog", 1), parts)
    source = open_pairs(tmp_path)
    np.testing.assert_array_equal(source.load(0).visible, RGB)
    assert source.card()["layout"] == "captured"


def truncate(root: Path) -> None:
    path = root / "ir/1.png"
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda r: put(r, {"ir/1.png": GREY[:5]}), "'1': infrared is 5 x 8 but visible is 6 x 8"),
        (lambda r: put(r, {"ir/1.png": GREY[:1, :1]}), "1 x 1 pixels; expected 2 x 2 or more"),
        (lambda r: put(r, {"ir/1.png": RGB}), "expected a grey infrared image, found colour"),
        (truncate, "cannot be read as an image"),
        (lambda r: put(r, {"ir/2.png": GREY}), "1 images of .* have no partner in .*: 2"),
        (lambda r: put(r, {"ir/1.jpg": GREY}), "share a stem; remove one"),
        (lambda r: (r / "ir/1.png").unlink(), "1 images of .*vi have no partner"),
        (
            lambda r: ((r / "ir/1.png").unlink(), (r / "vi/1.png").unlink()),
            "layout 'folders' expects folders ir and vi with images",
        ),
    ],
)
def test_broken_folders_are_named(
    tmp_path: Path, change: Callable[[Path], object], text: str
) -> None:
    change(put(tmp_path, pair()))
    with pytest.raises(FusionError, match=text):
        open_pairs(tmp_path).load(0)


def test_nan_in_a_float_image_is_named(tmp_path: Path) -> None:
    bad = GREY.astype(np.float32)
    bad[2, 3] = np.nan
    put(tmp_path, {"ir/1.tiff": bad, "vi/1.png": RGB})
    with pytest.raises(FusionError, match="1 values are NaN or inf"):
        open_pairs(tmp_path).load(0)


def test_commands_report_and_end_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--layout", "coco"]) == 2
    assert "unknown layout 'coco'; known: folders, msrs" in capsys.readouterr().err
    put(tmp_path, pair("test/ir/1.png", "test/vi/1.png"))
    assert main([str(tmp_path), "--split", "train"]) == 2
    assert "unknown split 'train'" in capsys.readouterr().err
    assert main([str(tmp_path), "--split", "test", "--card", str(tmp_path / "card.json")]) == 0
