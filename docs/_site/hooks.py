"""What mkdocs adds to the pages of this folder: the reference, and what they link to outside of it.

Commands come from their own parsers, configuration keys and columns from their declarations, so
that the reference cannot say anything else than the program does.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import reference  # noqa: E402  # beside this file

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import File, Files
    from mkdocs.structure.pages import Page

REPOSITORY = "repository"  # folder of the site for what lies outside of docs/
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
CODE = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".sh": "bash", ".toml": "toml"}
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "recipes/README.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and those for files outside of this folder."""
    from mkdocs.structure.files import File

    def add(uri: str, text: str) -> None:
        files.append(File.generated(config, uri, content=text))

    for uri, make in reference.PAGES.items():
        add(uri, make())
    docs = Path(config.docs_dir)
    sources = {
        file.src_uri: (docs / file.src_uri).read_text(encoding="utf-8") for file in _pages(files)
    }
    wanted = [*PAGES, *_linked(sources, docs)]
    done: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in done:
            continue
        done.add(name)
        text = page_of(ROOT / name)
        add(uri_of(name), text)
        if name.endswith(".md"):
            wanted += [target for target in outside(text, ROOT / name, docs) if is_shown(target)]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links that leave the folder of the page to where the site has the file."""
    docs, uri = Path(config.docs_dir), page.file.src_uri
    is_outside = uri.startswith(f"{REPOSITORY}/")
    home = source_of(uri) if is_outside else docs / uri

    def point(link: re.Match[str]) -> str:
        target, anchor = link["target"], link["anchor"] or ""
        if re.match(r"[a-z]+:", target):
            return link[0]
        there = (home.parent / target).resolve()
        if there.is_relative_to(docs):
            found = there.relative_to(docs).as_posix()
            found = "index.md" if there.is_dir() else found
        elif there.is_relative_to(ROOT) and is_shown(there.relative_to(ROOT).as_posix()):
            found = uri_of(there.relative_to(ROOT).as_posix())
        elif there.is_relative_to(ROOT) and there.exists():
            return f"{link['text']} (`{there.relative_to(ROOT).as_posix()}`)"
        else:
            return link[0]  # mkdocs names it
        return f"[{link['text']}]({posixpath.relpath(found, posixpath.dirname(uri))}{anchor})"

    return LINK.sub(point, markdown)


def _pages(files: Files) -> Iterator[File]:
    return (file for file in files if file.is_documentation_page() and not file.generated_by)


def _linked(sources: dict[str, str], docs: Path) -> Iterator[str]:
    for uri, text in sources.items():
        yield from (target for target in outside(text, docs / uri, docs) if is_shown(target))


def outside(text: str, page: Path, docs: Path) -> list[str]:
    """Files of the repository that a page links to and that are not in the docs folder."""
    found = []
    for link in LINK.finditer(text):
        there = (page.parent / link["target"]).resolve()
        if there.is_relative_to(ROOT) and not there.is_relative_to(docs):
            found.append(there.relative_to(ROOT).as_posix())
    return found


def is_shown(name: str) -> bool:
    """Whether the site has a page for a file of the repository."""
    path = ROOT / name
    return path.is_file() and (path.suffix == ".md" or path.suffix in CODE)


def uri_of(name: str) -> str:
    """Page of a file of the repository: a text page keeps its name, code gets one of its own."""
    return f"{REPOSITORY}/{name}" if name.endswith(".md") else f"{REPOSITORY}/{name}.md"


def source_of(uri: str) -> Path:
    """The file of the repository that a page shows."""
    name = uri.removeprefix(f"{REPOSITORY}/")
    return ROOT / (name if (ROOT / name).is_file() else name.removesuffix(".md"))


def page_of(path: Path) -> str:
    """A text as it is, code as a listing under its name."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    name = path.relative_to(ROOT).as_posix()
    return f"# `{name}`\n\n````{CODE[path.suffix]}\n{text}````\n"
