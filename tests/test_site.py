"""The documentation as a site: it builds without a warning, its reference leaves nothing out."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from fusiondrive import door
from harness.config import RunConfig
from results.row import EpisodeRow

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.heavy


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"site_{name}", ROOT / f"docs/_site/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in this process: a new one would have to import every command once more."""
    for name in ("train", "docs"):
        pytest.importorskip({"train": "torch", "docs": "mkdocs"}[name], reason=f"extra `{name}`")
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        patch.syspath_prepend(str(ROOT))  # gives sys.path back as it was: hooks add to it
        from mkdocs.__main__ import cli

        assert not cli.main(
            ["build", "--strict", "--site-dir", str(folder)], "mkdocs", standalone_mode=False
        )
    return folder


def test_the_site_has_every_command_key_and_column(site: Path) -> None:
    def page(name: str) -> str:
        return (site / f"reference/{name}.html").read_text(encoding="utf-8")

    commands, keys, columns = page("commands"), page("configuration"), page("columns")
    assert all(f"fusiondrive {name}" in commands for name in door.COMMANDS)
    assert all(f"<code>{name}</code>" in keys for name in RunConfig.model_fields)
    assert all(f"<code>{item.name}</code>" in columns for item in fields(EpisodeRow))


def test_the_site_asks_nothing_of_the_network(site: Path) -> None:
    for name in ("index", "reference/api"):
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        assert 'src="http' not in text
        assert 'rel="stylesheet" href="http' not in text


def test_a_link_out_of_the_folder_leads_to_a_page_of_the_site(site: Path) -> None:
    policies = (site / "policies.html").read_text(encoding="utf-8")
    assert 'href="repository/examples/sb3.py.html"' in policies
    assert "PPO" in (site / "repository/examples/sb3.py.html").read_text(encoding="utf-8")


def test_a_list_or_table_of_a_page_is_one_on_the_site(site: Path) -> None:
    """Markdown for the site wants an empty line before each; without it they run into the text."""
    run_in = re.compile(r"<p>(?:(?!</p>|<pre).)*?\n(?:[-*|]|\d\.) [^<]{0,40}", re.DOTALL)
    pages = sorted(site.rglob("*.html"))
    found = {str(page): run_in.search(page.read_text(encoding="utf-8")) for page in pages}
    assert len(pages) > 30
    assert not {page: match[0][-60:] for page, match in found.items() if match}


def test_links_that_leave_are_found_and_pictures_are_not() -> None:
    hooks = module("hooks")
    text = "[a](../README.md#x) ![b](../README.md) [c](usage.md) [d](https://example.org)"
    assert hooks.outside(text, ROOT / "docs/index.md", ROOT / "docs") == ["README.md"]


def test_a_commands_parser_is_caught_before_anything_runs() -> None:
    reference = module("reference")
    parser = reference.parsers_of("results")[""]
    assert parser.prog == "python -m results"
    steps = reference.parsers_of("harness.perception")
    assert "record" in steps
    assert steps["record"].prog.endswith("record")
