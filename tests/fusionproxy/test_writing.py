"""A place that cannot be written is named before anything is computed; results are never lost."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from fusiondrive.errors import OutputError
from fusiondrive.files import check_folder, whole_file, whole_folder
from fusionproxy import (
    benchmark,
    evaluate,
    evaluate_ablation,
    evaluate_misalignment,
    export,
    fuse,
    pairs,
    train,
)
from fusionproxy.ensemble import __main__ as ensemble
from fusionproxy.ensemble import pictures
from fusionproxy.evaluate import RESULTS
from fusionproxy.teachers import train as teachers
from harness import capture, contact_sheet
from policies.training import collect
from policies.training import train as policy_train

PAIRS = ["--pairs", "PAIRS"]
FOLDERS: dict[str, tuple[Callable[[list[str]], int], list[str]]] = {
    "evaluate": (evaluate.main, [*PAIRS, "--methods", "average"]),
    "misalignment": (evaluate_misalignment.main, [*PAIRS, "--methods", "average"]),
    "ablation": (
        evaluate_ablation.main,
        [*PAIRS, "--table", "7", "--ensemble", "CACHE", "--runs", "RUNS"],
    ),
    "benchmark": (benchmark.main, []),
    "fuse": (fuse.main, PAIRS),
    "ensemble": (ensemble.main, [*PAIRS, "--teacher", "ddfm", "--panel", "tiny"]),
    "train": (train.main, ["--data", "PAIRS"]),
    "teachers": (teachers.main, [*PAIRS, "--teacher", "ddfm"]),
    "capture": (capture.main, []),
    "collect": (collect.main, ["--town", "Town02", "--frames", "10"]),
    "policy": (policy_train.main, ["--data", "PAIRS"]),
}
FILES: dict[str, tuple[Callable[[list[str]], object], list[str]]] = {
    "pairs": (pairs.main, ["PAIRS", "--card"]),
    "pictures": (pictures.main, ["--ensemble", "CACHE", "--out"]),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for side in ("ir", "vi"):
        (tmp_path / "PAIRS" / side).mkdir(parents=True)
        for n in (1, 2):
            cv2.imwrite(str(tmp_path / "PAIRS" / side / f"{n}.png"), np.zeros((64, 64), np.uint8))
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def check_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert text in lines[0]


@pytest.mark.parametrize("out", ["taken", "taken/below"])
@pytest.mark.parametrize("command", list(FOLDERS))
def test_a_file_where_a_folder_is_wanted_is_named_first(
    place: Path, command: str, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main, line = FOLDERS[command]
    assert main([*line, "--out", out]) == 2
    check_error("is a file", capsys)
    assert (place / "taken").read_text(encoding="utf-8") == "mine"
    assert {path.name for path in place.iterdir()} == {"PAIRS", "taken", "folder.png"}


@pytest.mark.parametrize("command", list(FILES))
@pytest.mark.parametrize(
    ("out", "text"), [("folder.png", "is a folder"), ("taken/x.png", "cannot be written")]
)
def test_a_file_that_cannot_be_written_is_named_first(
    place: Path, command: str, out: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main, line = FILES[command]
    assert main([*line, out]) == 2
    check_error(text, capsys)


def test_a_folder_in_the_place_of_a_result_is_named_first(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "out" / RESULTS[-1]).mkdir(parents=True)
    monkeypatch.setattr(evaluate, "evaluate", pytest.fail)
    assert evaluate.main([*PAIRS, "--methods", "average", "--out", "out"]) == 2
    check_error("summary.csv is a folder; a file of that name would be written", capsys)


def test_the_contact_sheet_checks_its_file_before_it_starts_a_server(place: Path) -> None:
    for out in ("folder.png", "sheet.txt", "taken/sheet.jpg"):
        assert contact_sheet.main([out]) == 2


def test_the_contact_sheet_checks_its_weathers_before_it_starts_a_server(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert contact_sheet.main(["sheet.jpg", "--weather", "clear", "fgo:80"]) == 2
    check_error("unknown weather 'fgo:80'", capsys)


def test_export_checks_every_name(place: Path) -> None:
    (place / "s.md").mkdir()
    names = export.written(place / "s.onnx", ("onnx", "torchscript"))
    assert names == ["s.onnx", "s.torchscript", "s.safetensors", "s.json", "s.md"]
    with pytest.raises(OutputError, match=r"s\.md is a folder"):
        check_folder(place, names)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_named_first(place: Path) -> None:
    (place / "PAIRS").chmod(0o500)
    with pytest.raises(OutputError, match="no right to write in"):
        check_folder(place / "PAIRS" / "out")
    (place / "PAIRS").chmod(0o700)


def test_the_card_makes_its_folder(place: Path) -> None:
    assert pairs.main(["PAIRS", "--card", "new/deep/card.json"]) == 0
    assert (place / "new/deep/card.json").is_file()


def test_a_folder_that_is_there_is_filled_from_within(place: Path) -> None:
    """It may be a mounted disk: renaming across disks fails, and its parent may be read-only."""
    (place / "out").mkdir()
    with whole_folder(place / "out") as partial:
        assert partial.parent == place / "out"
        (partial / "a.txt").write_text("a", encoding="utf-8")
    assert [path.name for path in (place / "out").iterdir()] == ["a.txt"]


def fill(folder: Path, also: Callable[[], object]) -> None:
    with whole_folder(folder) as partial:
        (partial / "a.txt").write_text("a", encoding="utf-8")
        also()


def write(path: Path, also: Callable[[], object]) -> None:
    with whole_file(path) as partial:
        partial.write_text("a", encoding="utf-8")
        also()


def test_what_cannot_be_moved_to_its_place_is_kept(place: Path) -> None:
    blocked = place / "out" / "a.txt"  # made by another process, meanwhile
    with pytest.raises(OutputError, match="what was made stays in") as caught:
        fill(place / "out", lambda: blocked.mkdir(parents=True))
    kept = Path(str(caught.value).rpartition(" stays in ")[2])
    assert (kept / "a.txt").read_text(encoding="utf-8") == "a"


def test_an_error_leaves_nothing(place: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fill(place / "out", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(place / "a.txt", lambda: 1 / 0)
    assert {path.name for path in place.iterdir()} == {"PAIRS", "taken", "folder.png"}


def test_a_name_that_is_no_text_does_not_lose_the_results(place: Path) -> None:
    methods = ["average", "folder:caf\udce9=PAIRS/vi"]
    line = [*PAIRS, "--methods", *methods, "--metrics", "EN", "--out", "out"]
    assert evaluate.main(line) == 0
    assert "caf\\udce9" in (place / "out" / "pairs.csv").read_text(encoding="utf-8")
