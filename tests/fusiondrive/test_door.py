"""The console script: every command behind one door."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from fusiondrive.door import COMMANDS, GROUPS, main, overview

ROOT = Path(__file__).parents[2]


def commands_of_the_project() -> set[str]:
    """Modules that can be run, apart from aliases of moved ones and parts of other commands."""
    found = set()
    rooms = (
        "harness",
        "policies",
        "perceivers",
        "fusionproxy",
        "scenarios",
        "results",
        "simulator",
    )
    for package in (*rooms, "simulator"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if 'if __name__ == "__main__":' in text and not text.startswith('"""Moved: '):
                name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
                found.add(name.removesuffix(".__main__"))
    return found


# started by other commands, or a tool for two checkouts of this project
INNER = {
    "harness.benchmark_pair",
    "harness.benchmark_turn",
    "harness.launch",
    "harness.robustness.tick",
    "harness.robustness.ticker",
    "simulator.benchmarks.reference",
    "simulator.system.launch",
    "simulator.startup.compiling",
    "simulator.system.kernel_cache",
}


def test_every_command_of_the_project_is_behind_the_door():
    assert {command.module for command in COMMANDS.values()} == commands_of_the_project() - INNER


def test_no_name_is_used_twice():
    assert len(COMMANDS) == sum(len(group) for group in GROUPS.values())


def test_the_whole_product_fits_a_screen(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) <= 50
    assert max(map(len, shown)) <= 80
    assert overview().splitlines() == shown


def test_a_misspelt_command_is_one_line_with_a_hint(capsys):
    assert main(["rnu"]) == 2
    assert "unknown command 'rnu'; did you mean 'run'?" in capsys.readouterr().err


@pytest.mark.parametrize("module", sorted(command.module for command in COMMANDS.values()))
def test_a_command_is_a_module_that_runs(module):
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations:
        spec = importlib.util.find_spec(f"{module}.__main__")
    assert spec is not None
    tree = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8"))
    assert any(isinstance(node, ast.If) for node in tree.body)


@pytest.mark.heavy
def test_the_door_runs_the_same_code_as_the_module():
    def shown(*command):
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=False, cwd=ROOT
        )
        return done.returncode, done.stderr

    words = ("--town", "Nowhere", "--weather", "fgo")
    by_door = shown("-m", "fusiondrive", "run", *words)
    assert by_door == shown("-m", "harness.run", *words)
    assert by_door[0] == 2
    assert "fgo" in by_door[1]
