"""A report as one HTML file: everything is in it, and nothing is fetched."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.report.svg import shape

LIMIT_BYTES = 15_000_000
ROOM = "harness.report"


def render(name: str, values: dict[str, Any]) -> str:
    """A page of a template, its style sheet and its script.

    Args:
        name: of the template in `page/`, such as `report.html`.
        values: what the template names.
    """
    environment = Environment(
        loader=PackageLoader(ROOM, "page"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{name}.j2").render(
        style=Markup(_text("report.css")),
        script=Markup(_text("report.js")),
        shape=shape,
        **values,
    )


def json_text(value: object) -> Markup:
    """JSON that can stand within a script element, whatever the names in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))


def _text(name: str) -> str:
    return (files(ROOM) / "page" / name).read_text(encoding="utf-8")
