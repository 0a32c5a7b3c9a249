"""What a reader is told to type, and what recipes run: Python runs, commands pass their parser."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from fusiondrive import door
from harness.checks import check_settings
from harness.suites import load_parts
from scenarios.suite import SUFFIXES
from tests.snippets import (
    MARKS,
    RECIPES,
    ROOT,
    SAME,
    Command,
    Snippet,
    commands,
    help_commands,
    recipe_commands,
    snippets,
)

LIMIT_S = 240
SHELL = ("mkdir", "export")  # what a shell needs before a command of ours
# Whose arguments follow after `--`, and which of them the command itself gives.
FOLLOWERS = {
    "fusionproxy.evaluate_ablation": ("fusionproxy.train", ("--ensemble", "E", "--out", "O")),
    "harness.benchmark_pair": ("harness.benchmark", ()),
}
QUICK = ("simulator.maps list", "simulator.maps preview")
PYTHON = [
    item for item in snippets() if item.language == "python" and not item.mark.startswith(SAME)
]
COMMANDS = [*commands(), *help_commands()]


def run(snippet: Snippet, folder: Path, text: str) -> None:
    script = folder / "snippet.py"
    script.write_text(text, encoding="utf-8")
    command = [sys.executable, "-W", "error::UserWarning", script.name]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, f"{snippet.place}:\n{done.stderr[-3000:]}"


@pytest.mark.parametrize(
    "snippet",
    [
        pytest.param(
            item,
            id=item.place,
            marks=[
                pytest.mark.heavy if item.place.startswith("README") else pytest.mark.slow,
                *([pytest.mark.server] if item.mark and not item.mark.startswith(MARKS[0]) else []),
            ],
        )
        for item in PYTHON
    ],
)
def test_python_runs_in_a_fresh_process_and_an_empty_folder(
    snippet: Snippet, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if snippet.mark.startswith("not run: "):
        pytest.skip(snippet.mark)
    text = snippet.text
    if snippet.mark:
        _, port = request.getfixturevalue("carla_server")("Town02")
        assert "2000" in text
        text = text.replace("2000", str(port))
    run(snippet, tmp_path, text)


def test_a_mark_is_one_of_the_known_and_gives_its_reason() -> None:
    for snippet in snippets():
        assert not snippet.mark or snippet.mark.startswith(MARKS), snippet.place
        assert snippet.mark != MARKS[0].strip(), snippet.place


def test_a_page_shows_its_script_as_it_is() -> None:
    shown = [snippet for snippet in snippets() if snippet.mark.startswith(SAME)]
    for snippet in shown:
        file = snippet.mark.removeprefix(SAME)
        assert snippet.text == (ROOT / file).read_text(encoding="utf-8"), (
            f"{snippet.place} is not as {file}: copy the file into the page"
        )
    scripts = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("examples/tutorials/*.py")}
    assert {snippet.mark.removeprefix(SAME) for snippet in shown} == scripts


def test_toml_is_well_formed() -> None:
    tomllib = pytest.importorskip("tomllib")
    for snippet in snippets():
        if snippet.language == "toml":
            assert tomllib.loads(snippet.text)


class Parsed(BaseException):
    """A command's own parser has accepted its arguments; nothing has run."""


@pytest.fixture
def parse_only(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let every parser stop the command once it has parsed; holds what came of it."""
    parse, seen = argparse.ArgumentParser.parse_args, {}

    def stop(self: argparse.ArgumentParser, *arguments: Any) -> NoReturn:
        seen.update(vars(parse(self, *arguments)))
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    return seen


@pytest.mark.parametrize("command", COMMANDS, ids=lambda item: f"{item.place}-{item.words[2:3]}")
def test_a_command_passes_its_own_parser(
    command: Command, parse_only: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    program, *rest = command.words
    if program == "python" and rest[0].endswith(".py"):  # a tutorial's, copied by its reader
        assert (ROOT / "examples" / "tutorials" / rest[0]).is_file(), command.place
    elif program == "python":
        assert rest[0] == "-m"
        check_module(command, rest[1], rest[2:], parse_only, capsys)
    elif program == "fusiondrive":
        check_door(command, rest, parse_only, capsys)
    elif program == "make":
        assert f"\n{rest[0]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    elif program == "docker":
        check_docker(command, rest, parse_only, capsys)
    elif program in SHELL:
        assert not parse_only
    else:
        check_pip(rest)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_every_call_of_a_recipe_passes_its_parser(
    recipe: Path, tmp_path: Path, parse_only: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = recipe_commands(recipe, tmp_path)
    assert len(calls) > 2
    for call in calls:
        parse_only.clear()
        assert call.words[1] == "-m", call.place
        check_module(call, call.words[2], [*call.words[3:]], parse_only, capsys)
        assert parse_only, f"{call.place}: nothing was parsed"


def test_a_line_of_the_door_passes_the_parser_of_its_module(
    parse_only: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def check(*words: str) -> None:
        check_door(Command("here", ("fusiondrive", *words), True), [*words], parse_only, capsys)

    check("run", "--town", "Town03", "--weather", "fog")
    assert parse_only["town"] == ["Town03"]
    with pytest.raises(AssertionError, match="here: no command rnu"):
        check("rnu")
    with pytest.raises(AssertionError, match=r"here: exit code 2: .*--twon"):
        check("run", "--twon", "Town03")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [item for item in COMMANDS if item.is_whole and " ".join(item.words[2:]).startswith(QUICK)],
    ids=lambda item: f"{item.place}-{item.words[2:4]}",
)
def test_a_quick_command_runs_in_an_empty_folder(command: Command, tmp_path: Path) -> None:
    words = [sys.executable, *command.words[1:]]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def check_docker(
    command: Command, words: list[str], seen: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The file that is named is there, and what is run in a container is one of our commands."""
    if "-f" in words:
        assert (ROOT / words[words.index("-f") + 1]).is_file(), command.place
    if "run" in words:
        image_or_service = "harness" if words[0] == "compose" else "fusiondrive"
        check_door(command, words[words.index(image_or_service) + 1 :], seen, capsys)


def check_door(
    command: Command, words: list[str], seen: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    if words[0].startswith("-"):  # --help, --version
        return
    assert words[0] in door.COMMANDS, f"{command.place}: no command {words[0]}"
    check_module(command, door.COMMANDS[words[0]].module, words[1:], seen, capsys)


def check_module(
    command: Command,
    name: str,
    arguments: list[str],
    seen: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = importlib.util.find_spec(name)
    assert found is not None, f"no module {name}"
    if name.startswith("tests.") or not (arguments or command.is_whole):
        return
    if name.startswith("examples."):
        pytest.importorskip("stable_baselines3")
    is_package = found.submodule_search_locations is not None
    main = importlib.import_module(f"{name}.__main__" if is_package else name).main
    if "--" in arguments:  # what follows is for another command
        cut = arguments.index("--")
        other, needed = FOLLOWERS[name]
        arguments, more = arguments[:cut], [*needed, *arguments[cut + 1 :]]
        check_module(command, other, more, seen, capsys)
        seen.clear()
    code = None
    try:
        code = main(arguments)
    except Parsed:
        if name == "harness.run":
            check_names_of_a_run(seen)
        return
    except SystemExit as err:
        code = err.code
    reason = capsys.readouterr().err
    is_partial = "following arguments are required" in reason and not command.is_whole
    assert is_partial, f"{command.place}: exit code {code}: {reason}"


def check_names_of_a_run(flags: dict[str, Any]) -> None:
    file = flags.pop("config", None)
    flags.pop("route_file", None)  # a file of the reader's own
    if str(flags.get("suite", "")).endswith(SUFFIXES):  # likewise
        flags.pop("suite")
    if any(name.endswith(SUFFIXES) for name in flags.get("weather", ())):  # likewise
        flags.pop("weather")
    is_ours = file is not None and len(file.parts) > 1  # run.yaml would be the reader's own
    for config in load_parts(ROOT / file if is_ours else None, flags):
        check_settings(config)


def check_pip(words: list[str]) -> None:
    """Extras that are named are there."""
    assert words[0] == "install"
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for word in words[1:]:
        if word.startswith("fusiondrive["):
            assert f"\n{word[12:-1]} = [" in text, f"no extra {word}"
