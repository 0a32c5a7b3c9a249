"""`python -m results`: tables of several runs."""

import json

from results.__main__ import main
from results.frame import write_parquet
from tests.results.test_tables import row


def write(folder, *rows):
    folder.mkdir()
    lines = "".join(json.dumps(item.to_dict()) + "\n" for item in rows)
    (folder / "rows.jsonl").write_text(lines, encoding="utf-8")


def test_rows_of_two_runs_make_one_table(tmp_path, capsys):
    write(tmp_path / "a", row(0, "rgb", "success"))
    write(tmp_path / "b", row(1, "rgb", "collision"))
    assert main([str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path)]) == 0
    assert "50.0" in capsys.readouterr().out
    assert "50.0" in (tmp_path / "table.csv").read_text(encoding="utf-8")


def test_a_folder_without_rows_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "expected rows.jsonl of a run in it" in message


def test_published_rows_are_tabled_from_parquet(tmp_path, capsys):
    rows = [row(0, "rgb", "success"), row(1, "rgb", "collision")]
    write_parquet(rows, tmp_path / "fog.parquet")
    write(tmp_path / "a", *rows)
    assert main([str(tmp_path / "fog.parquet")]) == 0
    shown = capsys.readouterr().out
    assert "50.0" in shown
    assert main([str(tmp_path / "a")]) == 0
    assert capsys.readouterr().out == shown


def test_a_suite_without_published_numbers_is_one_line(tmp_path, capsys):
    write(tmp_path / "a", row(0, "rgb", "success"))
    assert main([str(tmp_path / "a"), "--suite", "quick"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "unknown suite with published numbers 'quick'; known: appendix_b" in message
