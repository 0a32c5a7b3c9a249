"""Which renderer draws a town: numba's, or OpenGL's where it was asked for."""

from __future__ import annotations

from simulator.render.gl_renderer import GlRenderer
from simulator.render.gl_window import open_context
from simulator.render.renderer import Renderer
from simulator.types import Scenery

RENDERERS: dict[str, type[Renderer]] = {"numba": Renderer, "gl": GlRenderer}
DEFAULT = "numba"


def check_renderer(name: str) -> None:
    """Find out early whether a renderer can work on this machine.

    Raises:
        ValueError: there is no such renderer.
        gl_window.GlError: moderngl or OpenGL is missing; says what to install.
    """
    if name not in RENDERERS:
        raise ValueError(f"unknown renderer {name!r}; known: {', '.join(sorted(RENDERERS))}")
    if name == "gl":
        open_context().release()


def make_renderer(name: str, scenery: Scenery, threads: int | None = None) -> Renderer:
    """A renderer of a town; see `check_renderer`."""
    return RENDERERS[name](scenery, threads)


def describe(renderer: Renderer) -> str:
    """What draws: `numba`, or `gl` with the device as its driver calls it."""
    return f"gl: {renderer.device}" if isinstance(renderer, GlRenderer) else "numba"
