"""Tables in a terminal: no line is wider than it, and nothing that differs is lost."""

from __future__ import annotations

import pytest

from results.grid import Table
from results.table import make_tables
from results.terminal import fitted, show
from tests.results.test_tables import PAIRED

WIDE = make_tables(PAIRED)[0]
NARROW = Table("Small", ("a", "b"), (("1", "2"), ("3", "4")), ("A note.",))


@pytest.mark.parametrize("width", [200, 120, 80, 60, 40])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for table in make_tables(PAIRED):
        assert max(map(len, fitted(table, width).splitlines())) <= width


def test_columns_that_say_the_same_are_told_once() -> None:
    text = fitted(WIDE, 100)
    assert text.count("Town03") == 1
    assert "In each row: town Town03; weather fog" in " ".join(text.split())


def test_all_that_differs_is_there() -> None:
    words = " ".join(fitted(WIDE, 80).split())
    assert "40.0" in words
    assert "100.0" in words
    assert "privileged" in words


def test_a_table_that_fits_stays_whole() -> None:
    assert "In each row" not in fitted(NARROW, 80)
    assert "A note." in fitted(NARROW, 80)


def test_one_row_too_wide_becomes_a_list() -> None:
    table = Table("One", tuple(f"column {i}" for i in range(20)), (tuple("x" * 20),))
    text = fitted(table, 60)
    assert "column 19  x" in text


def test_a_pipe_gets_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    show([NARROW])
    assert capsys.readouterr().out == NARROW.markdown() + "\n"
