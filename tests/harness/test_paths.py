"""Paths with `~` and variables, in flags of every command and in files."""

import argparse
from pathlib import Path

import pytest

import fusiondrive.paths
import simulator.system.commands
from fusiondrive.errors import ConfigError
from fusionproxy import FusionProxy
from fusionproxy.errors import FusionError
from fusionproxy.foundations.specs import parse_weights
from harness.config import load_config
from harness.run import parse

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATA", "/data")
    return tmp_path / "home"


@pytest.mark.parametrize("package", [fusiondrive.paths, simulator.system.commands])
def test_a_flag_knows_the_home_folder(package: object, home: Path) -> None:
    user_path = package.user_path  # type: ignore[attr-defined]
    assert user_path("~/x") == home / "x"
    assert user_path("a/~/$DATA") == Path("a/~/$DATA")  # what the shell has left is a name
    with pytest.raises(argparse.ArgumentTypeError, match="nobody-of-that-name"):
        user_path("~nobody-of-that-name/x")


def test_no_command_takes_a_path_as_it_stands() -> None:
    folders = [*(file.parent for file in ROOT.glob("*/__init__.py")), ROOT / "examples"]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    assert len(files) > 100
    assert not [path for path in files if "type=Path" in path.read_text(encoding="utf-8")]


def test_flags_of_a_run(home: Path) -> None:
    (config,) = parse(["--out=~/runs/demo", "--maps=~/maps", "--policy", "leaderboard:~/agent.py"])
    assert (config.out, config.maps) == (home / "runs/demo", home / "maps")
    assert config.policy == f"leaderboard:{home}/agent.py"


@pytest.mark.parametrize(
    ("text", "end"), [("~/r", "r"), ("$HOME/r", "r"), ("${HOME}/r", "r"), ("~", "")]
)
def test_paths_of_a_file(tmp_path: Path, home: Path, text: str, end: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"out: '{text}'\nroute_file: $DATA/r.xml\n")
    config = load_config(file, {})
    assert config.out == home / end
    assert config.route_file == Path("/data/r.xml")


def test_an_unknown_variable_is_named(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("out: $NO_SUCH_THING/r\n")
    with pytest.raises(ConfigError, match=r"'out'.*no variable \$NO_SUCH_THING"):
        load_config(file, {})


def test_files_behind_a_name_know_the_home_folder(home: Path) -> None:
    assert parse_weights(["dinov2=~/w.safetensors"]) == {"dinov2": home / "w.safetensors"}
    with pytest.raises(FusionError, match=str(home / "absent")):
        FusionProxy.from_pretrained("~/absent.pt")


@pytest.mark.parametrize("package", [fusiondrive.paths])
def test_settings_kept_as_text_stay_empty(package: object, home: Path) -> None:
    path_text = package.path_text  # type: ignore[attr-defined]
    assert (path_text(""), path_text("~/x")) == ("", f"{home}/x")
