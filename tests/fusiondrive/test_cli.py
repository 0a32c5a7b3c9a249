"""Flags made of configurations."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel

from fusiondrive.cli import Flag, Parser, add_flags
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
