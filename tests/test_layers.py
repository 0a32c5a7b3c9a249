"""Packages import each other only downwards, never in a circle; TCP alone meets the server."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
# What each layer may import besides itself. Where training drives, it is a layer of its own.
ALLOWED: dict[str, tuple[str, ...]] = {
    "fusiondrive": (),
    "simulator": (),
    "fusionproxy": ("fusiondrive",),
    "results": ("fusiondrive",),
    "scenarios": ("fusiondrive",),
    "sensors": ("fusiondrive", "fusionproxy"),
    "perceivers": ("fusiondrive", "fusionproxy"),
    "policies": ("fusiondrive", "fusionproxy", "scenarios", "perceivers"),
    "harness": (
        *("fusiondrive", "sensors", "scenarios", "policies", "results", "fusionproxy"),
        "perceivers",
    ),
    "perceivers.training": (
        *("fusiondrive", "harness", "policies", "sensors", "scenarios", "results", "fusionproxy"),
        *("perceivers", "policies.training"),
    ),
    "policies.training": (
        *("fusiondrive", "harness", "policies", "sensors", "scenarios", "results", "fusionproxy"),
        "perceivers",
    ),
}
PACKAGES = tuple(sorted({layer.split(".")[0] for layer in ALLOWED}))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")
}


@cache
def imported_modules(path: Path) -> tuple[str, ...]:
    """Modules of ours that a file imports, wherever in it the import stands."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            module = name
            while module and module not in MODULES:
                module = module.rpartition(".")[0]
            if module:
                yield module


def layer_of(module: str) -> str:
    return max((layer for layer in ALLOWED if f"{module}.".startswith(f"{layer}.")), key=len)


def graph() -> "nx.DiGraph[str]":
    found: nx.DiGraph[str] = nx.DiGraph()
    for module, path in MODULES.items():
        found.add_edges_from((module, other) for other in imported_modules(path) if other != module)
    return found


def circles(of: "nx.DiGraph[str]") -> list[list[str]]:
    return [sorted(part) for part in nx.strongly_connected_components(of) if len(part) > 1]


def packages_of(modules: "nx.DiGraph[str]", depth: int) -> "nx.DiGraph[str]":
    """Arrows between packages; a module that stands in no deeper package is one of its own."""
    found: nx.DiGraph[str] = nx.DiGraph()
    for source, target in modules.edges:
        ends = [".".join(name.split(".")[:depth]) for name in (source, target)]
        if ends[0] != ends[1] and not ends[0].startswith(f"{ends[1]}.") and "." in ends[1]:
            found.add_edge(*ends)
    return found


@pytest.mark.parametrize("layer", ALLOWED)
def test_layer_imports_only_what_stands_below_it(layer: str) -> None:
    allowed = (layer, *ALLOWED[layer])
    offences = [
        f"{module} imports {other}"
        for module, path in MODULES.items()
        if layer_of(module) == layer
        for other in imported_modules(path)
        if layer_of(other) not in allowed
    ]
    assert not offences


def test_no_imports_run_in_a_circle() -> None:
    assert not circles(graph())


def test_no_packages_of_the_server_import_each_other_in_a_circle() -> None:
    own = graph().subgraph([name for name in MODULES if name.startswith("simulator.")])
    assert not circles(packages_of(own, depth=2))


def test_rooms_of_the_server_import_only_those_that_its_docs_list_above_them() -> None:
    text = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?`) \|", text.split("\n## Rooms\n")[1].split("\n## ")[0], re.M)
    rooms = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    own = graph().subgraph([name for name in MODULES if name.startswith("simulator.")])
    arrows = [(source.split(".")[1], target.split(".")[1]) for source, target in own.edges]
    entries = {"__main__", "benchmark"}  # nothing imports the commands
    assert {source for source, _ in arrows} - entries <= set(rooms)
    upward = {
        arrow for arrow in arrows
        if arrow[0] not in entries and rooms.index(arrow[0]) < rooms.index(arrow[1])
    }  # fmt: skip
    assert not upward


def test_a_circle_would_be_found() -> None:
    assert circles(nx.DiGraph([("a.x", "a.y"), ("a.y", "a.x"), ("a.y", "b")])) == [["a.x", "a.y"]]


def test_every_package_of_the_project_is_checked() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders - {"tests"} == set(PACKAGES)
    assert all(importlib.util.find_spec(package) for package in PACKAGES)
