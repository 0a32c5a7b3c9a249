"""Tables as they are shown in a terminal: they fit its width; the files keep every column."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

from tabulate import tabulate

from results.grid import Table, markdown_text

NARROWEST = 6  # characters that a column keeps
Body = Sequence[Sequence[str]]


def show(tables: Sequence[Table]) -> None:
    """Print tables: fitted to a terminal, as Markdown where the output is a file or a pipe."""
    if sys.stdout.isatty():
        print("\n".join(fitted(table, shutil.get_terminal_size().columns) for table in tables))
    else:
        print(markdown_text(tables))


def fitted(table: Table, width: int) -> str:
    """A table as text whose lines have at most `width` characters.

    Columns that say the same in each row are told once, above the grid. Where that is not enough,
    the widest columns are wrapped, and where even that is not, each row becomes a list.
    """
    grid, said = _grid(table.header, table.body), ""
    if not _fits(grid, width):
        header, body, said = _without_constants(table)
        grid = _narrowed(header, body, width)
    parts = [table.title, *([_wrapped(said, width)] if said else []), "", grid, ""]
    return "\n".join([*parts, *(_wrapped(note, width) for note in table.notes), ""])


def _grid(header: Sequence[str], body: Body, widths: list[int] | None = None) -> str:
    return tabulate(
        body, headers=list(header), tablefmt="simple", disable_numparse=True, maxcolwidths=widths,
        maxheadercolwidths=widths,
    )  # fmt: skip


def _fits(text: str, width: int) -> bool:
    return max(map(len, text.splitlines()), default=0) <= width


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width))


def _without_constants(table: Table) -> tuple[list[str], list[list[str]], str]:
    """Header and body of the columns that differ between rows, and what the others say."""
    columns = list(zip(table.header, zip(*table.body, strict=True), strict=True))
    if len(table.body) < 2:
        return list(table.header), [list(row) for row in table.body], ""
    kept = [(name, values) for name, values in columns if len(set(values)) > 1]
    same = [f"{name} {values[0]}" for name, values in columns if len(set(values)) == 1]
    body = [list(row) for row in zip(*(values for _, values in kept), strict=True)]
    said = "; ".join(text for text in same if not text.endswith(" "))
    return [name for name, _ in kept], body, f"In each row: {said}." if said else ""


def _narrowed(header: list[str], body: list[list[str]], width: int) -> str:
    """The grid with its widest columns wrapped, or a list of rows."""
    widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
    while widths and not _fits(grid := _grid(header, body, widths), width):
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            return _listed(header, body, width)
        widths[widest] -= 1
    return grid if widths else ""


def _listed(header: list[str], body: list[list[str]], width: int) -> str:
    indent = max(map(len, header), default=0) + 2
    rows = [
        "\n".join(
            textwrap.fill(f"{name:<{indent}}{value}", width, subsequent_indent=" " * indent)
            for name, value in zip(header, row, strict=True)
            if value
        )
        for row in body
    ]
    return "\n\n".join(rows)
