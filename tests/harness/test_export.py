"""Exports: what Rerun's and MCAP's own readers find in them, and what is said without the extra."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.export.__main__ import FORMATS, main
from harness.export.mcap_file import step_schema
from harness.export.moment import Moment, jpeg, slug
from results.columns import documented
from results.run_folder import TRACES
from results.trace import TraceRow
from tests.conftest import CarlaServer
from tests.harness.test_replay import FUSED, driven_short, run_of
from tests.results.test_store import row
from tests.results.test_trace import STEP

ABOUT = {"identity": "h0123456789abcdef", "arm": "oracle"}
PICTURES = ("rgb", "thermal_from_class_ids", "fused", "map")
GREY = np.full((6, 8, 3), 90, np.uint8)
EMPTY_LISTS = {
    name: "[]" for name in ("collisions", "stop_lines", "events", "box_center", "box_extent")
}


def moment(number: int) -> Moment:
    events = json.dumps(["collision"] if number == 2 else [])
    values = {**EMPTY_LISTS, "events": events, "throttle": 0.25 * number}
    step = replace(STEP, step=number, time_s=0.1 * number, **values)  # type: ignore[arg-type]
    return Moment(step, {name: jpeg(GREY) for name in PICTURES})


def write(folder: Path, kind: str) -> Path:
    path = folder / f"drive.{kind}"
    writer = FORMATS[kind](path, ABOUT)
    for number in range(3):
        writer.write(moment(number))
    writer.finish()
    return path


def messages(path: Path) -> list[tuple[str, int, dict[str, object]]]:
    from mcap.reader import make_reader

    with path.open("rb") as file:
        return [
            (channel.topic, message.log_time, json.loads(message.data))
            for _, channel, message in make_reader(file).iter_messages()
        ]


def test_mcap_has_every_picture_and_step_at_its_time(tmp_path: Path) -> None:
    pytest.importorskip("mcap")
    found = messages(write(tmp_path, "mcap"))
    topics = {topic: [time for name, time, _ in found if name == topic] for topic, _, _ in found}
    times = [0, 100_000_000, 200_000_000]
    assert topics.pop("/events") == times[2:]
    assert set(topics) == {"/camera/rgb", "/camera/thermal_from_class_ids", "/camera/fused",
                           "/map", "/step"}  # fmt: skip
    assert all(item == times for item in topics.values())


def test_mcap_pictures_are_jpeg_and_steps_have_all_columns(tmp_path: Path) -> None:
    pytest.importorskip("mcap")
    found = messages(write(tmp_path, "mcap"))
    image = next(values for topic, _, values in found if topic == "/camera/fused")
    data = np.frombuffer(base64.b64decode(str(image["data"])), np.uint8)
    assert image["format"] == "jpeg"
    shown = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    assert np.abs(shown.astype(int) - GREY).max() <= 2
    last = [values for topic, _, values in found if topic == "/step"][-1]
    assert (last["throttle"], last["events"], last["perceived_mps"]) == (0.5, ["collision"], None)
    assert list(last) == list(documented(TraceRow))


def test_mcap_says_that_thermal_is_privileged_where_the_drive_says_it(tmp_path: Path) -> None:
    reader = pytest.importorskip("mcap.reader")
    with write(tmp_path, "mcap").open("rb") as file:
        (metadata,) = reader.make_reader(file).iter_metadata()
    assert metadata.metadata == ABOUT


def test_the_schema_of_a_step_says_what_each_column_means() -> None:
    properties = step_schema()["properties"]
    assert {name: item["description"] for name, item in properties.items()} == documented(TraceRow)
    assert properties["perceived_mps"]["type"] == ["number", "null"]
    assert properties["events"]["type"] == "array"


def test_rerun_reads_pictures_curves_and_events_on_one_timeline(tmp_path: Path) -> None:
    chunk = pytest.importorskip("rerun.chunk")
    reader = chunk.RrdReader(write(tmp_path, "rrd"))
    (store,) = reader.recordings()
    assert (store.application_id, store.recording_id) == ("fusiondrive", ABOUT["identity"])
    assert len(reader.blueprints()) == 1
    rows: dict[str, int] = {}
    seconds: dict[str, list[float]] = {}
    for part in reader.stream():
        batch = part.to_record_batch()
        rows[part.entity_path] = rows.get(part.entity_path, 0) + batch.num_rows
        if "time" in batch.schema.names:
            values = [item.total_seconds() for item in batch.column("time").to_pylist()]
            seconds.setdefault(part.entity_path, []).extend(values)
    for name in ("/camera/rgb", "/camera/thermal_from_class_ids", "/camera/fused", "/map",
                 "/control/throttle", "/speed/forward_speed_mps"):  # fmt: skip
        assert rows[name] == 3, name
        assert sorted(seconds[name]) == pytest.approx([0.0, 0.1, 0.2]), name
    assert seconds["/events"] == pytest.approx([0.2])
    assert "/speed/perceived_mps" not in rows


def test_views_have_names_that_topics_may_have() -> None:
    assert slug("thermal (from class ids)") == "thermal_from_class_ids"
    assert slug("thermal of another route") == "thermal_of_another_route"


@pytest.mark.parametrize(("kind", "module"), [("rrd", "rerun"), ("mcap", "mcap.writer")])
def test_without_the_extra_one_line_says_what_to_install(
    kind: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, module, None)
    run = run_of(tmp_path / "run", row())
    assert main([str(run), row().identity, "--format", kind]) == 2
    said = capsys.readouterr().err
    assert f"error: format {kind} needs '{module}'" in said
    assert "pip install 'fusiondrive[viz]'" in said
    assert not list((run / "exports").iterdir())


def test_an_unknown_format_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs/a", "h0123", "--format", "bag"]) == 2
    assert "bag" in capsys.readouterr().err


@pytest.mark.heavy
@pytest.mark.parametrize("kind", FORMATS)
def test_a_kept_drive_is_exported_and_proved_to_be_it(
    kind: str, carla_server: CarlaServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip({"rrd": "rerun", "mcap": "mcap"}[kind])
    run, here = driven_short(carla_server, tmp_path, *FUSED)
    (trace,) = (run / TRACES).glob("*.parquet")
    assert main([str(run), trace.stem, "--format", kind, *here]) == 0
    assert "all are equal to the kept trace" in capfd.readouterr().out
    assert (run / "exports" / f"{trace.stem}.{kind}").stat().st_size > 100_000
