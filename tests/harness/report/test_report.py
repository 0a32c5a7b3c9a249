"""`fusiondrive report`: what is in the file, and what bad input says."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from fusiondrive import door
from harness.recorder import FPS
from harness.report import make, page
from harness.report.__main__ import main
from harness.report.clips import AROUND_S
from harness.report.make import ReportConfig, make_report
from harness.report.runs import gather
from results.cells import Setting, setting_of
from results.frame import write_parquet
from tests.harness.report.made_up import (
    digest,
    made_rows,
    write_rows,
    write_run,
    write_trace,
    write_video,
)

PUBLISHED = Path(__file__).parents[3] / "results" / "published"

pytestmark = pytest.mark.heavy


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def report(folder: Path, **config: Any) -> str:
    return make_report(ReportConfig((folder,), **config))


def one_line(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "fog", with_videos=True)


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    return report(run)


def test_the_file_fetches_nothing(text: str) -> None:
    assert not re.search(r'(?:src|href)="(?!#|data:)', text)
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert "@import" not in text
    assert "url(" not in text


def test_the_tables_of_arms_and_of_gains_are_there(text: str) -> None:
    headers = re.findall(r"<thead>.*?</thead>", text, re.S)
    assert ["success %" in header for header in headers] == [True, False]
    assert "<h3>In pairs: Town03, fog" in text


def test_every_discordant_pair_of_every_comparison_is_a_case(text: str) -> None:
    data = data_of(text)
    pairs = {(case["pair"], data["drives"][case["sides"][0]]["route"]) for case in data["cases"]}
    assert ("dehaze − rgb", "00") in pairs
    assert ("oracle − dehaze", "02") in pairs
    assert ("oracle − dehaze", "00") not in pairs  # both succeed
    assert len(pairs) == len(data["cases"])


def test_cases_of_the_first_sentence_come_first(text: str) -> None:
    assert "between oracle and dehaze" in text
    assert data_of(text)["cases"][0]["pair"] == "oracle − dehaze"


def test_a_case_says_where_its_drives_diverge(text: str) -> None:
    data = data_of(text)
    case = next(case for case in data["cases"] if case["pair"] == "dehaze − rgb")
    assert case["divergence"] == {"actions": 20.5, "by": "steer", "paths": 25.5, "end": 50.0}
    trace = data["drives"][case["sides"][1]]["trace"]
    assert trace["steer"][19:23] == [0, 0, 40, 40]
    assert len(trace["steer"]) == 51


def test_clips_are_cut_around_the_moment_with_the_policys_image_of_both(
    text: str, tmp_path: Path
) -> None:
    clips = data_of(text)["clips"]
    assert clips
    clip = next(iter(clips.values()))
    path = tmp_path / "clip.mp4"
    path.write_bytes(base64.b64decode(next(iter(clip.values()))))
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 2 * AROUND_S * FPS
    assert frames[0].shape == (400, 640, 3)
    left, right = frames[0][100, 100, 0], frames[0][100, 500, 0]
    assert (abs(int(left) - 200) < 8, abs(int(right) - 60) < 8) == (True, True)
    levels = [int(frame[350, 160, 0]) for frame in frames]  # the map's tile is the step's number
    assert levels[-1] > levels[45]


def test_a_report_is_the_same_twice(run: Path, text: str) -> None:
    assert report(run) == text


def test_clips_are_left_out_where_they_do_not_fit(
    run: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = report(run, clips=0)
    assert data_of(plain)["clips"] == {}
    monkeypatch.setattr(make, "LIMIT_BYTES", len(plain.encode()) + 100)
    assert len(report(run).encode()) <= len(plain.encode()) + 100
    assert len(text.encode()) < page.LIMIT_BYTES


def test_traces_are_drawn_more_coarsely_and_then_left_out_where_they_do_not_fit(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = report(run, clips=0)
    drives = data_of(plain)["drives"]
    size = len(json.dumps([drive["trace"] for drive in drives.values()], separators=(",", ":")))
    assert {drive["trace"]["step"] for drive in drives.values()} == {1.0}
    assert "to fit into the page" not in plain
    for share, step, count in ((0.75, 2.0, len(drives)), (0.1, 4.0, len(drives) - 1)):
        bare = len(plain.encode()) - size + len("null,") * len(drives) + make.NOTE_BYTES
        limit = bare + round(share * size)
        monkeypatch.setattr(make, "LIMIT_BYTES", limit)
        found = report(run, clips=0)
        traces = [drive["trace"] for drive in data_of(found)["drives"].values() if drive["trace"]]
        assert {trace["step"] for trace in traces} == {step}
        assert 0 < len(traces) <= count
        assert f"a point every {step:g} m" in found
        assert len(found.encode()) <= limit
    assert "at the end of the list, do not fit" in found


def test_a_report_that_is_too_large_without_traces_is_one_line(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make, "LIMIT_BYTES", 20_000)
    assert "without a clip or a trace" in one_line(capsys, run)


def test_a_frozen_benchmark_is_named_with_its_drives_where_not_all_are_of_it(
    tmp_path: Path,
) -> None:
    rows = made_rows()
    mine = [replace(row, benchmark="fusiondrive-1-rc:0123456789ab") for row in rows]
    whole = report(write_rows(tmp_path / "a", mine))
    assert "<dd>fusiondrive-1-rc:0123456789ab</dd>" in whole
    mixed = report(write_rows(tmp_path / "b", [*mine[:3], *rows[3:]]))
    assert "<dd>fusiondrive-1-rc:0123456789ab (3 drives), no benchmark (13 drives)</dd>" in mixed
    assert "frozen benchmark" not in report(write_rows(tmp_path / "c", rows))


def test_without_traces_rows_and_hazards_are_shown_with_the_command_that_makes_them(
    tmp_path: Path,
) -> None:
    folder = write_run(tmp_path / "fog", with_traces=False)
    found = report(folder)
    data = data_of(found)
    drive = data["drives"][data["cases"][0]["sides"][1]]
    assert drive["trace"] is None
    assert drive["hazards"][0]["was_hit"] is True
    assert "so there is no map of the town" in found
    program, name, *rest = drive["again"].split(" ")
    assert (program, rest[0]) == ("fusiondrive", str(folder))
    assert name == "replay"
    assert rest[1] in [row.identity for row in made_rows()]


def test_replays_of_a_run_fill_what_it_lacks(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "fog", made_rows())
    row = made_rows()[0]
    write_trace(folder / "replays", row)
    write_video(folder / "replays", row, 60)
    found = gather((folder,)).drives[row.identity]
    assert found.traced is not None
    assert found.video is not None


def test_rows_of_two_runs_are_counted_once(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "a", made_rows())
    second = write_rows(tmp_path / "b", made_rows()[:3])
    assert len(gather((first, second)).drives) == len(made_rows())


def test_rows_of_two_versions_stand_in_cells_of_their_own(tmp_path: Path) -> None:
    rows = made_rows()
    later = [replace(row, package_version="2") for row in made_rows()]
    later = [replace(row, identity=digest(row)[::-1]) for row in later]
    found = report(write_rows(tmp_path / "a", [*rows, *later]))
    assert "Mixed: these rows are of 2 package versions" in found
    assert "Town03, fog, empty roads, 1" in found
    assert "Town03, fog, empty roads, 2" in found


@pytest.mark.parametrize("field", Setting._fields)
def test_two_cells_never_have_one_name(field: str) -> None:
    first = setting_of(made_rows()[0])
    other: dict[str, Any] = {field: 30 if field in ("look", "speed_kmh") else "40"}
    second = first._replace(**other)
    names = make.setting_names([first, second])
    assert len(set(names.values())) == 2
    assert len(names[second].split(", ")) <= len(names[first].split(", ")) + 1


def test_three_fogs_make_a_curve_of_success_by_visibility_and_two_do_not(tmp_path: Path) -> None:
    rows = [
        replace(row, identity=f"{number}{row.identity[1:]}")
        for number, metres in enumerate((25, 60, 200))
        for row in made_rows(weather=f"fog:{metres}", range_m=float(metres))
    ]
    found = report(write_rows(tmp_path / "three", rows))
    assert "Success by visibility in fog" in found
    assert "oracle at 200 m: 75 % of 4" in found
    assert "Success by visibility" not in report(write_rows(tmp_path / "two", rows[:32]))


def test_names_in_rows_cannot_end_the_script(tmp_path: Path) -> None:
    evil = "</script><b>&"
    rows = [replace(row, error=evil) for row in made_rows()]
    found = report(write_rows(tmp_path / "a", rows))
    assert evil not in found
    assert data_of(found)["drives"][rows[0].identity]["error"] == evil


def test_published_rows_make_a_report(tmp_path: Path) -> None:
    path = tmp_path / "hazards.html"
    rows = PUBLISHED / "hazards_town03.parquet"
    assert main([str(rows), "--out", str(path)]) == 0
    found = path.read_text(encoding="utf-8")
    assert "In Town03, fog, regular traffic, hazards of 5 kinds, no difference is shown" in found
    assert len(found.encode()) < page.LIMIT_BYTES


def test_a_half_written_parquet_is_one_line_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(made_rows(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "rows.parquet: not readable as parquet" in one_line(capsys, path)
    assert path.read_bytes() == whole[: len(whole) // 2]
    assert [item.name for item in tmp_path.iterdir()] == ["rows.parquet"]


def test_half_written_hazards_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_parquet(made_rows(), tmp_path / "fog.parquet")
    (tmp_path / "fog_hazards.parquet").write_bytes(b"PAR1 half")
    assert "fog_hazards.parquet: not readable" in one_line(capsys, tmp_path / "fog.parquet")


def test_a_broken_trace_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_run(tmp_path / "fog")
    broken = sorted((folder / "traces").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:200])
    found = report(folder)
    assert broken.name in found
    assert [broken.name in record.message for record in caplog.records] == [True]


def test_a_folder_without_rows_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "expected rows.jsonl of a run" in one_line(capsys, tmp_path)
    (tmp_path / "rows.jsonl").touch()
    assert "no rows to report; drive some with fusiondrive run" in one_line(capsys, tmp_path)


def test_drives_that_all_broke_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [replace(row, outcome="sim_error") for row in made_rows()]
    write_rows(tmp_path, rows)
    assert "no drive came to its end (16 simulator errors)" in one_line(capsys, tmp_path)


def test_rows_of_another_version_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    lines = [json.dumps({**row.to_dict(), "brand_new": 1}) for row in made_rows()]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert "expected rows of harness.run, found none" in one_line(capsys, tmp_path)
    (record,) = caplog.records
    assert "unknown column 'brand_new' (15 more lines are none)" in record.message


def test_several_runs_need_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "give --out report.html" in one_line(capsys, tmp_path, tmp_path)


def test_a_report_lies_beside_its_rows_by_default(run: Path) -> None:
    assert main([str(run), "--clips", "0"]) == 0
    assert (run / "report.html").is_file()


def test_what_is_made_of_rows_from_elsewhere_lies_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "published").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    row = made_rows()[0]
    write_parquet(made_rows(), tmp_path / "published" / "fog.parquet")
    write_trace(tmp_path / "here" / "replays", row)
    assert main(["../published/fog.parquet"]) == 0
    assert [item.name for item in (tmp_path / "published").iterdir()] == ["fog.parquet"]
    found = data_of((tmp_path / "here" / "fog_report.html").read_text(encoding="utf-8"))
    assert found["drives"][row.identity]["trace"] is not None


def test_the_command_stands_behind_the_door() -> None:
    assert door.COMMANDS["report"].module == "harness.report"


def test_without_jinja2_one_line_names_the_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "pip install 'fusiondrive[report]'" in one_line(capsys, tmp_path)


def test_the_index_lists_runs_with_their_reports(tmp_path: Path) -> None:
    write_rows(tmp_path / "runs" / "with", made_rows())
    write_rows(tmp_path / "runs" / "without", made_rows())
    broken = tmp_path / "runs" / "broken"
    broken.mkdir()
    (broken / "rows.jsonl").write_text("no row", encoding="utf-8")
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "runs" / "empty" / "rows.jsonl").touch()
    assert main([str(tmp_path / "runs" / "with")]) == 0
    assert main(["--index", str(tmp_path / "runs")]) == 0
    found = (tmp_path / "runs" / "index.html").read_text(encoding="utf-8")
    assert '<a href="with/report.html">with</a>' in found
    assert found.count("no difference is shown between oracle and dehaze") == 2
    assert "empty: it has no row of a drive that can be read" in found
    assert f"fusiondrive report {tmp_path / 'runs' / 'without'}" in found
    assert "broken: it has no row of a drive that can be read" in found


def test_an_index_of_a_folder_without_runs_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "expected folders of runs" in one_line(capsys, "--index", tmp_path)


def test_a_broken_video_leaves_its_clips_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_run(tmp_path / "fog", with_videos=True)
    for video in (folder / "videos").iterdir():
        video.write_bytes(b"no video")
    assert data_of(report(folder))["clips"] == {}
    assert "no clip of" in caplog.text
