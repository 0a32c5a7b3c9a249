"""The packages import each other only downwards, and nothing meets the simulator but TCP."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("harness", "sensors", "scenarios", "policies", "fusionproxy", "results", "simulator")
LOW = (
    "core.types",
    "core.errors",
    "core.home",
    "core.output",
    "core.paths",
    "core.text",
)
ALLOWED = {
    "simulator": (),
    "fusionproxy": (),
    "results": LOW,
    "scenarios": LOW,
    "sensors": (*LOW, "fusionproxy"),
    "policies": (*LOW, "fusionproxy", "scenarios"),
    "harness": ("sensors", "scenarios", "policies", "results", "fusionproxy"),
}
# Commands that drive episodes stand above the harness, wherever their package is.
COMMANDS = {
    "harness/capture.py": ("harness", "scenarios", "sensors", "policies"),
    "policies/training/collect.py": ("harness", "sensors"),
    "policies/training/short_drives.py": ("harness", "results"),
}


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_package_imports_only_what_stands_below_it(package: str) -> None:
    offences = []
    for path in modules(package):
        relative = path.relative_to(ROOT).as_posix()
        allowed = (package, *ALLOWED[package], *COMMANDS.get(relative, ()))
        for name in imported_modules(path):
            ours = name.split(".")[0] in PACKAGES
            if ours and not any(name == item or name.startswith(f"{item}.") for item in allowed):
                offences.append(f"{relative} imports {name}")
    assert not offences


def test_every_package_is_checked() -> None:
    assert all(modules(package) for package in PACKAGES)
    assert set(ALLOWED) == set(PACKAGES)
