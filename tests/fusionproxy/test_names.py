"""Names of files: natural order, files of the system, and which of two folders belong together."""

import logging
import random
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest

from fusionproxy import evaluate, fuse
from fusionproxy.errors import FusionError
from fusionproxy.layouts import find_pairs, images_by_stem
from fusionproxy.methods import OutputFolder
from fusionproxy.order import in_order
from fusionproxy.partners import EQUAL, FORM, MARKS, ByName, pair_up


def put(folder: Path, *names: str, level: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        assert cv2.imwrite(str(folder / name), np.full((32, 32, 3), level, np.uint8))


def sides(root: Path, infrared: list[str], visible: list[str]) -> Path:
    put(root / "ir", *infrared)
    put(root / "vi", *visible)
    return root


@pytest.mark.parametrize(
    "ordered",
    [
        [str(n) for n in range(1, 13)],
        ["08", "9", "10", "011", "12"],
        ["cam1_frame2", "cam1_frame10", "cam2_frame1", "cam10_frame1"],
        ["٢", "3", "١٠", "11"],  # Arabic-Indic 2 and 10
        ["a2", "A10", "b1", "B2"],
        ["é2", unicodedata.normalize("NFD", "é10"), "é11"],
        ["1700000000.5", "1700000000.76", "1700000000.8", "1700000001.25"],  # time.time()
        ["v1.2", "v1.10"],
        ["frame", "frame1", "frame2"],
    ],
)
def test_files_are_in_the_order_in_which_people_count(ordered: list[str]) -> None:
    paths = [Path("folder") / f"{name}.png" for name in ordered]
    mixed = random.Random(1).sample(paths, len(paths))
    assert in_order(mixed) == paths


def test_equal_numbers_of_other_padding_have_a_fixed_order() -> None:
    paths = [Path("001.png"), Path("01.png"), Path("1.png"), Path("2.png")]
    assert in_order(reversed(paths)) == in_order(paths) == paths


def test_an_unpadded_folder_is_a_film_in_its_order(tmp_path: Path) -> None:
    for n in range(1, 13):
        for side in ("ir", "vi"):
            put(tmp_path / "pairs" / side, f"{n}.png", level=20 * n)
    out = tmp_path / "film.mp4"
    assert fuse.main(["--pairs", str(tmp_path / "pairs"), "--out", str(out)]) == 0
    film = cv2.VideoCapture(str(out))
    means = [film.read()[1].mean() for _ in range(12)]
    assert means == sorted(means)


def test_evaluation_lists_pairs_in_natural_order(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(1, 12)]
    folder, out = sides(tmp_path / "pairs", names, names), tmp_path / "out"
    line = ["--methods", "average", "--metrics", "EN", "--limit", "3", "--out", str(out)]
    assert evaluate.main(["--pairs", str(folder), *line]) == 0
    rows = (out / "pairs.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == ["1", "2", "3"]


def test_files_that_systems_leave_about_are_skipped(tmp_path: Path) -> None:
    sides(tmp_path, ["1.png"], ["1.png"])
    for side in ("ir", "vi"):
        for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
            (tmp_path / side / name).write_bytes(b"x")
    (tmp_path / "vi" / "._1.png").write_bytes(b"\0\5\x16\7")
    assert [item.name for item in find_pairs(tmp_path)] == ["1"]


def test_hidden_folders_hold_no_scenes(tmp_path: Path) -> None:
    put(tmp_path / "house2", "IR_a.png", "VIS_b.png")
    put(tmp_path / "house10", "IR_a.png", "VIS_b.png")
    put(tmp_path / ".ipynb_checkpoints", "IR_a.png")
    put(tmp_path / "__MACOSX" / "house2", "IR_a.png")
    assert [item.name for item in find_pairs(tmp_path, "tno")] == ["house2", "house10"]


@pytest.mark.parametrize(
    ("infrared", "visible", "name", "rule"),
    [
        ("0001", "0001", "0001", EQUAL),
        ("IMG_1", "img_1", "img_1", FORM),
        (unicodedata.normalize("NFD", "é"), "é", "é", FORM),
        ("0001_ir", "0001_vi", "0001", MARKS),
        ("0001_ir", "0001", "0001", MARKS),
        ("0001-IR", "0001-vis", "0001", MARKS),
        ("IR_0001", "VIS_0001", "0001", MARKS),
        ("IR1", "VIS1", "1", MARKS),
        ("walk_thermal_7", "walk_rgb_7", "walk_7", MARKS),
        ("00001i", "00001v", "00001", MARKS),  # RGBT234
        ("DJI_0001_T", "DJI_0001_V", "DJI_0001", MARKS),
        ("FLIR_00002_PreviewData", "FLIR_00002_RGB", "FLIR_00002", MARKS),
        ("IR_01_v2", "VIS_01_v2", "01_v2", MARKS),
    ],
)
def test_partners(infrared: str, visible: str, name: str, rule: str) -> None:
    (found,) = pair_up([infrared], [visible])
    assert (found.name, found.rule) == (name, rule)
    assert (found.infrared, found.visible) == (infrared, visible)


@pytest.mark.parametrize(
    ("infrared", "visible"),
    [("0001_vi", "0001_ir"), ("1", "01"), ("mirror", "mvisror"), ("first", "second")],
)
def test_no_partners(infrared: str, visible: str) -> None:
    assert pair_up([infrared], [visible]) == []


def test_equal_names_win_over_marks() -> None:
    found = pair_up(["a", "a_ir", "b_ir"], ["a", "a_vi", "b_ir"])
    assert [(item.name, item.infrared, item.visible) for item in found] == [
        ("a", "a", "a"),
        ("a_vi", "a_ir", "a_vi"),
        ("b_ir", "b_ir", "b_ir"),
    ]


@pytest.mark.parametrize(
    ("infrared", "visible"),
    [(["1_ir"], ["1_vi", "1_rgb"]), (["1_ir", "1_thermal"], ["1"]), (["IMG"], ["img", "Img"])],
)
def test_two_candidates_are_an_error(
    tmp_path: Path, infrared: list[str], visible: list[str]
) -> None:
    sides(tmp_path, [f"{n}.png" for n in infrared], [f"{n}.png" for n in visible])
    with pytest.raises(FusionError, match=r"could belong to .* or .*; give partners equal names"):
        find_pairs(tmp_path)


def test_the_rule_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sides(tmp_path / "train", ["1_ir.png", "2.PNG"], ["1_vi.png", "2.png"])
    sides(tmp_path / "test", ["3_ir.png"], ["3_vi.JPG"])
    with caplog.at_level(logging.WARNING):
        assert [item.name for item in find_pairs(tmp_path)] == ["1", "2", "3"]
    (message,) = caplog.messages
    assert "paired 1 by equal names; 2 by names equal but for a mark" in message
    assert "such as 1_ir with 1_vi" in message


def test_equal_names_say_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    find_pairs(sides(tmp_path, ["1.png"], ["1.png"]))
    assert not caplog.messages


def test_no_partner_says_rules_and_examples_of_both_sides(tmp_path: Path) -> None:
    sides(tmp_path, ["1.png", "2x.png"], ["1.png", "2y.png", "10y.png"])
    with pytest.raises(FusionError) as caught:
        find_pairs(tmp_path)
    text = str(caught.value)
    assert "1 images of" in text
    assert f"have no partner in {tmp_path / 'vi'}: 2x" in text
    assert f"2 images of {tmp_path / 'vi'} have no partner in {tmp_path / 'ir'}: 2y, 10y" in text
    assert "equal but for a mark of the side (such as _ir" in text
    assert "rename those above alike" in text


def test_two_folders_of_one_name_but_case_are_an_error(tmp_path: Path) -> None:
    sides(tmp_path, ["1.png"], ["1.png"])
    put(tmp_path / "IR", "1.png")
    if len(list(tmp_path.iterdir())) == 2:
        pytest.skip("this file system has no letter case")
    assert [item.infrared.parent.name for item in find_pairs(tmp_path)] == ["ir"]
    (tmp_path / "ir").rename(tmp_path / "Ir")
    with pytest.raises(FusionError, match="has folders IR and Ir; rename or remove one"):
        find_pairs(tmp_path)


def test_a_name_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "caf\udce9.png").write_bytes(b"x")
    with pytest.raises(FusionError, match="is not text in this locale; rename the file"):
        images_by_stem(tmp_path)


def test_outputs_and_labels_are_found_by_the_same_rules(tmp_path: Path) -> None:
    put(tmp_path, "0001_fused.png", "0002_VI.png", "É.png", "4_ir.png", "4_vi.png")
    method = OutputFolder("theirs", tmp_path)
    method.check(["0001", "0002", unicodedata.normalize("NFD", "é")])
    with pytest.raises(FusionError, match="1 of 1 pairs have no output"):
        method.check(["3"])
    with pytest.raises(FusionError, match=r"'4' could be 4_ir.png or 4_vi.png; keep one"):
        method.check(["4"])
    assert ByName({"1": Path("1.txt"), "1_vi": Path("1_vi.txt")}).find("1") == Path("1.txt")
