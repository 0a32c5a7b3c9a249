"""Text files are UTF-8 in every locale, and a terminal that lacks a letter ends no command."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.text import read_text
from fusionproxy.quality.downstream import read_boxes
from harness.config import load_config

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "fusiondrive",
    "harness",
    "sensors",
    "scenarios",
    "policies",
    "fusionproxy",
    "results",
    "simulator",
    "perceivers",
)
# Their bytes are part of the key of compiled kernels, and they print ASCII alone.
ASCII_ALONE = ("simulator/benchmarks/", "simulator/render/")
# They run other modules, which see to it themselves.
LAUNCHERS = ("harness/launch.py", "harness/benchmark_turn.py", "simulator/system/launch.py")
# Text files and pipes by the name of the function; ruff's PLW1514 overlooks most of them.
ALWAYS = ("read_text", "write_text", "FileHandler", "TextIOWrapper")
BY_MODE = {"open": 0, "fdopen": 1, "TemporaryFile": 0, "NamedTemporaryFile": 0}
PIPES = ("text", "universal_newlines")
MODULES_THAT_OPEN = ("av", "os", "tarfile", "zipfile", "gzip", "request", "Image")
LOCALES = {
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
}


def sources() -> list[Path]:
    return [
        path for name in (*PACKAGES, "examples") for path in sorted((ROOT / name).rglob("*.py"))
    ]


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """Every source, parsed."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sources()}


def lacks_encoding(call: ast.Call) -> bool:
    """Whether a call opens text without saying in which encoding."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in given or None in given:
        return False
    if name in ALWAYS or any(ast.unparse(given[key]) == "True" for key in PIPES if key in given):
        return name != "read_text" or not call.args
    if name not in BY_MODE:
        return False
    owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    if name == "open" and owner.split(".")[-1] in MODULES_THAT_OPEN:
        return False
    place = 0 if owner and name == "open" else BY_MODE[name] + (name == "open")
    default = "w+b" if "Temporary" in name else "r"
    mode = given.get("mode") or (call.args[place] if len(call.args) > place else None)
    text = default if mode is None else ast.unparse(mode)
    return "b" not in text


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("path.open()", True),
        ("(out / name).open('a')", True),
        ("open(path)", True),
        ("open(path, 'w')", True),
        ("os.fdopen(handle, 'w')", True),
        ("subprocess.run(command, text=True)", True),
        ("logging.FileHandler(path)", True),
        ("NamedTemporaryFile('w')", True),
        ("path.open('rb')", False),
        ("open(path, 'wb')", False),
        ("path.open('w', encoding='utf-8')", False),
        ("read_text(path)", False),
        ("av.open(path)", False),
        ("NamedTemporaryFile()", False),
        ("subprocess.run(command, encoding='utf-8')", False),
    ],
)
def test_the_check_of_encodings_knows_text(code: str, expected: bool) -> None:
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call)
    assert lacks_encoding(call) is expected


def test_every_text_file_has_an_encoding(trees: dict[Path, ast.Module]) -> None:
    offences = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:80]}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and lacks_encoding(node)
    ]
    assert not offences


def test_every_command_first_makes_its_output_lenient(trees: dict[Path, ast.Module]) -> None:
    offences = []
    for path, tree in trees.items():
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith(("examples/", *ASCII_ALONE, *LAUNCHERS)):
            continue
        if 'if __name__ == "__main__":' not in path.read_text(encoding="utf-8"):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == "main":
                first, last = node.body[1], node.body[-1]  # after the docstring
                # `exit_code` does it before it runs anything.
                is_framed = ast.unparse(last).startswith("return exit_code(")
                if not is_framed and ast.unparse(first) != "lenient_output()":
                    offences.append(relative)
    assert not offences


def put_pairs(root: Path, *names: str) -> Path:
    grey = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)
    for side in ("ir", "vi"):
        (root / side).mkdir(parents=True)
        for name in names:
            assert cv2.imwrite(str(root / side / name), grey)
    return root


@pytest.mark.parametrize("locale", list(LOCALES))
def test_evaluation_keeps_its_results_in_any_locale(tmp_path: Path, locale: str) -> None:
    folder, out = put_pairs(tmp_path / "pairs", "1.png", "2.png"), tmp_path / "out"
    line = ["--pairs", str(folder), "--methods", "average", "--metrics", "EN", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "fusionproxy.evaluate", *line],
        env={**os.environ, "PYTHONPATH": str(ROOT), **LOCALES[locale]},
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    tables = (out / "tables.md").read_text(encoding="utf-8")
    assert "–" in tables
    assert done.stdout.decode(locale) == tables.encode(locale, "replace").decode(locale)
    assert (out / "pairs.csv").read_text(encoding="utf-8").count("average") == 2


ALIEN = {
    "latin-1": (
        "# a\nweather: [fög]\n".encode("latin-1"),
        r"expected UTF-8 text, found byte 0xf6 in line 2; save it as UTF-8",
    ),
}


@pytest.mark.parametrize("encoding", list(ALIEN))
def test_a_configuration_in_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    data, message = ALIEN[encoding]
    path = tmp_path / "config.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path, {})
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("weather: [fog]\n".encode("utf-8-sig"))
    assert load_config(path, {}).weather == ("fog",)
    path.write_bytes("weather: [fog]\n".encode("utf-16"))
    assert load_config(path, {}).weather == ("fog",)
    path.write_bytes("0 0.5 0.5 0.5 0.5\n".encode("utf-8-sig"))
    assert len(read_boxes(path, 10, 10, {0: 0}).scores) == 1
    assert read_text(path) == "0 0.5 0.5 0.5 0.5\n"


def test_labels_in_another_encoding_are_named(tmp_path: Path) -> None:
    path = tmp_path / "1.txt"
    path.write_bytes("0 0.5 0.5 0.5 0.5\n".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"1\.txt: expected UTF-8 text, found UTF-16"):
        read_boxes(path, 10, 10, {0: 0})
