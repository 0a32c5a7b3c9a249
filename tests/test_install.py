"""What an installation holds, and what works of it where CARLA's client or Unix is missing."""

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from packaging.markers import Marker

from results.row import EpisodeRow
from results.store import RowStore

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PACKAGES = sorted(
    path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"
)
WEIGHTS = ("fusionproxy/weights", "policies/weights")

# Three ways in which an interpreter can be without a module: forbidden, refused, not there.
FORBIDDEN = "sys.modules['carla'] = None"
REFUSED = """
class Refuses:
    def find_spec(self, name, path, target=None):
        if name == "carla":
            raise ImportError("hidden")
sys.meta_path.insert(0, Refuses())
"""
ABSENT = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name == "carla" else find(name, *more)
"""
WITHOUT_UNIX = """
import os
for name in ("carla", "fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in ("geteuid", "getpgid", "getuid", "killpg", "pread", "sysconf"):
    delattr(os, name)
"""


def python(*lines: str, arguments: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    code = "\n".join(["import sys", *lines])
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def command(module: str) -> str:
    return f"import runpy; runpy.run_module('{module}', run_name='__main__', alter_sys=True)"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run with one row."""
    texts = dict.fromkeys(
        (
            *("identity", "package_version", "backend", "simulator_version", "map", "town"),
            *("route_id", "route_digest", "weather", "fuser", "fuser_weights", "policy"),
            *("policy_weights", "traffic", "collision_mode", "fuser_label"),
        ),
        "x",
    )
    with RowStore(tmp_path) as store:
        store.append(
            EpisodeRow(
                **texts,  # type: ignore[arg-type]
                input="rgb",
                look=1,
                seed=0,
                route_length_m=100.0,
                outcome="success",
            )
        )
    return tmp_path


@pytest.mark.heavy
@pytest.mark.parametrize("way", [FORBIDDEN, REFUSED, ABSENT])
def test_making_the_environment_without_the_client_says_what_to_install(way: str) -> None:
    done = python(
        way,
        "import gymnasium, harness, results, fusionproxy",
        "from fusiondrive.errors import FusionDriveError",
        "try: gymnasium.make('fusiondrive/CarlaDriving-v0')",
        "except FusionDriveError as err: print(isinstance(err, ImportError), err)",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True CARLA's client is not installed; expected: pip install")


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("fusiondrive", ("run", "--town", "Town03")),
        ("policies.training.collect", ("--out", "x")),
        ("scenarios.generate", ()),
        ("simulator", ()),
    ],
)
def test_a_command_that_needs_the_client_ends_with_one_line_and_code_2(
    module: str, arguments: tuple[str, ...]
) -> None:
    done = python(FORBIDDEN, command(module), arguments=arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: CARLA's client is not installed")
    assert done.stderr.count("\n") == 1


@pytest.mark.heavy
def test_a_plug_in_may_do_without_the_client() -> None:
    done = python(FORBIDDEN, "import harness", "try: import carla\nexcept ImportError: print('ok')")
    assert (done.stdout, done.stderr) == ("ok\n", "")


@pytest.mark.heavy
@pytest.mark.parametrize("without", [FORBIDDEN, WITHOUT_UNIX])
def test_rows_are_read_and_tabled_without_the_client(without: str, run: Path) -> None:
    done = python(
        without,
        "import results",
        "print(len(results.load(sys.argv[1])))",
        command("results"),
        arguments=(str(run),),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1\n### Closed-loop results")


@pytest.mark.heavy
@pytest.mark.parametrize("without", [FORBIDDEN, WITHOUT_UNIX])
def test_images_are_fused_without_the_client(without: str, tmp_path: Path) -> None:
    picture, out = tmp_path / "a.png", tmp_path / "fused.png"
    cv2.imwrite(str(picture), np.full((64, 80, 3), 90, np.uint8))
    files = ("--infrared", str(picture), "--visible", str(picture), "--out", str(out))
    done = python(without, command("fusionproxy.fuse"), arguments=files)
    assert done.returncode == 0, done.stderr
    fused = cv2.imread(str(out))
    assert fused is not None
    assert fused.shape == (64, 80, 3)


@pytest.mark.heavy
def test_the_door_shows_its_commands_without_the_client() -> None:
    done = python(WITHOUT_UNIX, command("fusiondrive"), arguments=("--help",))
    assert done.returncode == 0, done.stderr
    assert "usage: fusiondrive COMMAND" in done.stdout


def test_rows_are_written_where_there_are_no_locks(tmp_path: Path) -> None:
    done = python(
        WITHOUT_UNIX,
        "from results.store import RowStore",
        "with RowStore(sys.argv[1]) as store: print(store._ends_with_newline())",
        arguments=(str(tmp_path),),
    )
    assert done.stdout == "True\n", done.stderr
    assert "let no other run write there" in done.stderr


@pytest.mark.parametrize(
    ("system", "machine", "has_wheels"),
    [
        ("linux", "x86_64", True),
        ("win32", "AMD64", True),
        ("linux", "aarch64", False),
        ("darwin", "arm64", False),
        ("darwin", "x86_64", False),
        ("win32", "ARM64", False),
    ],
)
def test_the_client_is_asked_for_where_it_has_wheels(
    system: str, machine: str, has_wheels: bool
) -> None:
    found = re.search(r'"carla==0\.9\.16 *; *(.*)",', PROJECT)
    assert found is not None
    where = {"sys_platform": system, "platform_machine": machine}
    assert Marker(found[1]).evaluate(where) is has_wheels


def test_every_package_is_installed_typed_and_copied_into_the_container() -> None:
    docker = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
    for package in PACKAGES:
        assert f'"{package}*"' in PROJECT
        assert (ROOT / package / "py.typed").is_file()
        assert f"COPY {package} {package}\n" in docker


def test_no_weight_is_there_twice_and_each_log_belongs_to_a_card() -> None:
    files = [path for folder in WEIGHTS for path in (ROOT / folder).rglob("*") if path.is_file()]
    contents = [path.read_bytes() for path in files if path.stat().st_size > 100_000]
    assert len(set(contents)) == len(contents)
    for log in (path for path in files if path.suffix == ".jsonl"):
        cards = [log.with_name("card.md"), log.with_name(f"{log.name.partition('.')[0]}.md")]
        assert any(card.is_file() for card in cards), log


def test_a_card_says_what_each_of_its_files_is_for() -> None:
    for folder in WEIGHTS:
        for card in (ROOT / folder).glob("*.md"):
            text = card.read_text(encoding="utf-8")
            for suffix in (".onnx", ".safetensors"):
                assert f"- `{card.stem}{suffix}`: " in text, f"{card} says nothing of {suffix}"
