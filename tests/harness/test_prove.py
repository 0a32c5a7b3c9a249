"""Proof of rows: which are taken, with which files, and what a row that is not true says."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from fusiondrive.provenance import file_hash
from harness.prove import can_be_proved, main, sample, with_weights
from harness.replay.kept import find_episode
from results.frame import load_frame, to_rows
from results.reading import FILE_NAME
from scenarios.latency import REAL
from tests.conftest import CarlaServer
from tests.harness.test_replay import FUSED, driven_short, run_of
from tests.results.test_store import row

PUBLISHED = Path(__file__).parents[2] / "results/published/fog_controls.parquet"
FILE = "policy.onnx"


def test_a_sample_goes_through_all_cells_and_is_the_same_whatever_the_order() -> None:
    rows = to_rows(load_frame(PUBLISHED))
    arms = {item.arm for item in rows}
    chosen = sample(rows, 2 * len(arms), 0)
    assert Counter(item.arm for item in chosen) == dict.fromkeys(arms, 2)
    assert sample(rows[::-1], 2 * len(arms), 0) == chosen
    assert sample(rows, 2 * len(arms), 1) != chosen
    everything = sample(rows, 10**6, 0)
    assert sorted(item.identity for item in everything) == sorted(item.identity for item in rows)


def test_rows_that_no_drive_decided_are_left_out() -> None:
    assert can_be_proved(row())
    assert can_be_proved(row("collision"))
    assert not can_be_proved(row("sim_error"))
    assert not can_be_proved(row(latency=REAL))


def test_files_are_found_by_the_hash_that_rows_name(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"weights")
    (tmp_path / "other.onnx").write_bytes(b"others")
    files = {file_hash(path): path for path in tmp_path.glob("*.onnx")}
    mine = row(policy="cilrs", policy_weights=file_hash(tmp_path / FILE))
    shipped = row(policy="cilrs", policy_weights="0123456789ab")
    run = run_of(tmp_path / "run", mine, shipped)
    first, *others = with_weights(find_episode(run, mine.identity), files).configs
    assert (first.policy_weights, first.policy) == (tmp_path / FILE, "cilrs")
    assert [config.policy_weights for config in others] == [None]
    kept = find_episode(run, shipped.identity)
    assert with_weights(kept, files) is kept


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.parquet"], "none.parquet"),
        (["run", "--weights", "none.onnx"], "--weights none.onnx: no such file"),
        (["run", "--sample", "-1"], "sample"),
        (["broken"], "has no rows to prove"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run_of(tmp_path / "run", row())
    run_of(tmp_path / "broken", row("sim_error"))
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


@pytest.mark.heavy
def test_a_drive_is_proved_and_a_row_that_is_not_true_is_told(
    carla_server: CarlaServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, here = driven_short(carla_server, tmp_path, *FUSED)
    capfd.readouterr()
    assert main([str(run), *here]) == 0
    assert "1 of 1 episodes are proved" in capfd.readouterr().out

    file = run / FILE_NAME
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "steps": kept["steps"] + 1}) + "\n")
    assert main([str(run), *here]) == 1
    said = capfd.readouterr().out
    assert f"different: the row: steps was {kept['steps'] + 1}, is {kept['steps']}" in said
    assert "0 of 1 episodes are proved" in said

    stranger = replace(row(), steps=1)  # of another version and server
    assert main([str(run_of(tmp_path / "other", stranger)), *here]) == 1
    assert "cannot be driven as it was: package_version was '1'" in capfd.readouterr().out
