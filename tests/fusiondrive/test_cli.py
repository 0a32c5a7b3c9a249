"""Flags made of configurations."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel

from fusiondrive.cli import (
    Flag,
    Parser,
    add_flags,
    check_values,
    command_parser,
    configured,
    exit_code,
)
from fusiondrive.cli import parse as parse_config
from fusiondrive.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Settings:
    data: Annotated[tuple[Path, ...], Flag("folders of drives", metavar="DIR")]
    batch: Annotated[int, Flag("images a step")] = 16
    rate: Annotated[float | None, Flag("learning rate")] = None
    precision: Annotated[Literal["fp32", "bf16"], Flag("of features")] = "fp32"
    resume: Annotated[bool, Flag("go on from the last checkpoint")] = False
    hidden: int = 3


class Model(BaseModel):
    town: Annotated[tuple[str, ...], Flag("such as Town02")] = ("Town02",)
    weights: Annotated[Path | None, Flag("file", names=("--policy-weights", "--weights"))] = None


def parse(config, *words):
    parser = Parser(prog="make")
    add_flags(parser, config)
    return vars(parser.parse_args(words))


def test_given_flags_alone_are_in_the_result():
    assert parse(Settings, "--data", "a", "b", "--rate", "0.5") == {
        "data": [Path("a"), Path("b")],
        "rate": 0.5,
    }
    assert parse(Model) == {}


def test_a_flag_can_be_spelled_in_several_ways():
    assert parse(Model, "--weights", "w.onnx") == parse(Model, "--policy-weights", "w.onnx")


def test_a_tilde_is_the_home_folder_behind_an_equals_sign_too(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert parse(Settings, "--data=~/drives") == {"data": [Path("/home/ada/drives")]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--data"),
        (("--data", "a", "--batch", "many"), "invalid int value: 'many'"),
        (("--data", "a", "--precision", "fp8"), "choose from .*fp32.*bf16"),
        (("--data", "a", "--hidden", "4"), "unrecognized arguments: --hidden"),
    ],
)
def test_a_wrong_line_is_one_clear_error(words, message):
    with pytest.raises(ConfigError, match=message):
        parse(Settings, *words)


def test_the_help_says_what_the_default_is():
    parser = Parser(prog="make")
    add_flags(parser, Settings)
    text = " ".join(parser.format_help().split())
    assert "images a step (default: 16)" in text
    assert "--resume, --no-resume" in text
    assert "hidden" not in text


def test_a_boolean_can_be_switched_off():
    assert parse(Settings, "--data", "a", "--no-resume")["resume"] is False


def test_a_type_that_no_flag_can_hold_is_an_error_of_the_program():
    @dataclasses.dataclass(frozen=True)
    class Wrong:
        table: Annotated[dict[str, int], Flag("numbers")]

    with pytest.raises(TypeError, match="no flag can be made"):
        add_flags(Parser(), Wrong)


@dataclasses.dataclass(frozen=True)
class Measured:
    run: Annotated[Path, Flag("a folder", names=("run",))]
    limits: Annotated[tuple[float, float] | None, Flag("of it", metavar=("LOW", "HIGH"))] = None
    teachers: Annotated[
        tuple[str, ...], Flag("may be repeated", names=("--teacher",), is_repeated=True)
    ] = ()
    kind: Annotated[str, Flag("of it", choices=("a", "b"))] = "a"
    size: Annotated[tuple[int, ...], Flag("sides", read=lambda text: 2 * int(text))] = ()
    share: Annotated[float, Flag("of them", more_than=0, at_most=1)] = 0.5
    note: str = ""

    def __post_init__(self):
        check_values(self)


def measured(*words):
    return parse_config(Measured, words, "make.it", "First.\n\n    a line as it is")


def test_a_configuration_is_made_of_what_was_given_and_its_defaults():
    assert measured("r") == Measured(Path("r"))
    line = "r --limits 1 2 --teacher x --teacher y --kind b --size 1 2 --share 1"
    assert measured(*line.split()) == Measured(Path("r"), (1.0, 2.0), ("x", "y"), "b", (2, 4), 1.0)


def test_fields_without_a_flag_are_given_beside():
    parser = command_parser("make.it", None, Measured)
    assert configured(Measured, parser.parse_args(["r"]), note="n").note == "n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("r --share 0", "--share: expected more than 0, found 0.0"),
        ("r --share 1.5", "--share: expected at most 1, found 1.5"),
        ("r --share nan", "--share: expected more than 0, found nan"),
        ("r --limits 1", "--limits: expected 2 arguments"),
        ("", "required: run .see python -m make.it --help"),
    ],
)
def test_values_are_checked_as_they_are_declared(words, message):
    with pytest.raises(ConfigError, match=message):
        measured(*words.split())


def test_choices_hold_without_a_command_line():
    with pytest.raises(ConfigError, match="unknown kind 'c'; known: a, b"):
        Measured(Path("r"), kind="c")


def test_a_command_ends_with_its_code_and_one_line(capsys):
    assert exit_code(lambda: "done") == 0
    assert capsys.readouterr().out == "done\n"
    assert exit_code(lambda: str(measured())) == 2
    assert capsys.readouterr().err.count("\n") == 1

    def interrupted():
        raise KeyboardInterrupt

    assert exit_code(interrupted, "the same command goes on") == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_reader_that_has_gone_ends_a_command_without_a_word():
    script = (
        "import sys; from fusiondrive.cli import exit_code;"
        "sys.exit(exit_code(lambda: 'line\\n' * 100_000))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.readline()
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 141
