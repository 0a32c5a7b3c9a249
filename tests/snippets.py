"""The lines that a reader is told to type, and what recipes/*.sh run.

They stand in fenced blocks and sentences of README, CONTRIBUTING and the pages of docs/, in
`--help` and in the Makefile.

A comment in the line above a block says what differs from "paste it and it runs":
`<!-- not run: REASON -->` or `<!-- run beside: python -m simulator --port 2000 -->`. Above a script
that stands in a file as well it is `<!-- the same as FILE -->`.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
RECIPES = sorted((ROOT / "recipes").glob("*.sh"))
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>.*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```", re.M | re.S
)
INLINE = re.compile(r"`((?:python|make|docker|pip|fusiondrive) [^`\n]+)`")
SOURCES = ("harness", "scenarios", "policies", "fusionproxy", "results", "simulator", "examples")
SAME = "the same as "
MARKS = ("not run: ", "run beside: python -m simulator --port 2000", SAME)


@dataclass(frozen=True)
class Snippet:
    """A fenced block."""

    place: str  # such as README.md:61
    language: str  # "" and sh are shells
    text: str
    mark: str  # "" or what the comment above it says

    @property
    def is_shell(self) -> bool:
        """Whether it holds command lines."""
        return self.language in ("", "sh", "bash")


@dataclass(frozen=True)
class Command:
    """One command line, as words."""

    place: str
    words: tuple[str, ...]
    is_whole: bool  # inline ones may leave out what is required


def snippets() -> list[Snippet]:
    """All fenced blocks, in order."""
    found = []
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(content):
            place = f"{page.name}:{content.count(chr(10), 0, match.start('language')) + 1}"
            found.append(Snippet(place, match["language"], match["text"], match["mark"] or ""))
    return found


def help_commands() -> list[Command]:
    """Command lines in the docstrings that `--help` prints, and those of the Makefile."""
    found = []
    for path in sorted(path for top in SOURCES for path in (ROOT / top).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "python -m " in text:
            docstring = ast.get_docstring(ast.parse(text)) or ""
            found += _lines_of(docstring, path.relative_to(ROOT).as_posix())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = makefile.replace("@$(BIN)/python", "python").replace("$(OUT)", "OUT")
    return found + _lines_of(recipes, "Makefile")


RECORD = """#!/bin/sh
line=$(printf '%s\\t' "$@"; echo .)
echo "${line%.}" >> "$RECIPE_LOG"
"""  # in one write: some calls of a recipe run side by side


def recipe_commands(recipe: Path, folder: Path) -> list[Command]:
    """All calls of Python that a recipe makes, with what the shell made of their arguments.

    The recipe runs in an empty folder with a Python that only writes down what it is asked to do.
    """
    python, log, given = folder / "python", folder / "log", folder / "given"
    python.write_text(RECORD, encoding="utf-8")
    python.chmod(0o755)
    given.mkdir()
    count = re.search(r"\[ \$# -eq (\d) \]", recipe.read_text(encoding="utf-8"))
    assert count is not None, f"{recipe.name} does not check the number of its arguments"
    subprocess.run(
        ["bash", recipe, folder / "work", *[given] * (int(count[1]) - 1)],
        env={**os.environ, "PYTHON": str(python), "RECIPE_LOG": str(log)},
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    lines = log.read_text(encoding="utf-8").splitlines()
    calls = [("python", *line.split("\t")[:-1]) for line in lines]
    return [Command(f"{recipe.name}: {' '.join(words)}", words, True) for words in calls]


def _lines_of(text: str, place: str) -> list[Command]:
    whole = text.replace("\\\n", " ").replace("DIR...", "DIR")
    lines = re.findall(r"^\s+(python -m (?!pip|pytest|venv).*)$", whole, re.M)
    plain = [line.replace("[", "").replace("]", "") for line in lines]  # brackets: may be left out
    return [Command(place, split(line), True) for line in plain]


def commands() -> list[Command]:
    """All command lines of shell blocks, and those within a sentence."""
    found = []
    for snippet in snippets():
        if snippet.is_shell:
            whole = snippet.text.replace("\\\n", " ")
            found += [
                Command(snippet.place, words, True) for words in map(split, whole.splitlines())
            ]
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for match in INLINE.finditer(content):
            place = f"{page.name}:{content.count(chr(10), 0, match.start()) + 1}"
            found.append(Command(place, split(match[1].replace("[", "").replace("]", "")), False))
    return [command for command in found if command.words]


def split(line: str) -> tuple[str, ...]:
    """Words of a shell line, without its comment and a final `&`."""
    words = shlex.split(line, comments=True)
    return tuple(words[:-1] if words[-1:] == ["&"] else words)
