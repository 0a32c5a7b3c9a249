"""Windows on a screen: whether there can be one here, and one that shows pictures."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError, SimulatorError
from fusiondrive.types import Closing

TITLE = "FusionDrive"
MISSING = "a window needs pygame, which is not installed: pip install 'fusiondrive[window]'"
HAVE_ONE = ("win32", "darwin")  # their sessions have a screen


def has_display() -> bool:
    """Whether a window could be opened here."""
    named = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in HAVE_ONE or any(os.environ.get(name) for name in named)


def can_show() -> bool:
    """Whether a `PictureWindow` can be opened here."""
    # SDL's own variable: its driver `dummy` draws into memory, for machines without a screen.
    has_screen = has_display() or bool(os.environ.get("SDL_VIDEODRIVER"))
    return has_screen and importlib.util.find_spec("pygame") is not None


def check_window(asked: str, instead: str) -> None:
    """Refuse a window where there can be none.

    Args:
        asked: what asks for it, such as `--show`.
        instead: what does without.

    Raises:
        ConfigError: says what is missing, and what to do.
    """
    if can_show():
        return
    if importlib.util.find_spec("pygame") is None:
        raise ConfigError(f"{asked}: {MISSING}; or use {instead} instead")
    raise ConfigError(f"{asked} needs a display, and there is none; use {instead} instead")


class PictureWindow(Closing):
    """Shows one picture after the other; a window that its user closes stays closed."""

    def __init__(self, fps: float | None = None) -> None:
        """Nothing is opened before the first picture.

        Args:
            fps: pictures a second at most, so that a drive goes by in its own time.
        """
        self.fps = fps
        self._pygame: Any = None
        self._clock: Any = None
        self._is_dismissed = False

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show a picture, (H, W, 3) RGB, and wait until its time has come.

        Raises:
            SimulatorError: the window cannot be opened or drawn.
        """
        if self._is_dismissed:
            return
        if self._pygame is None:
            self._open()
        game = self._pygame
        try:
            self._draw(picture)
            self._is_dismissed = bool(game.event.get(game.QUIT))
        except game.error as err:
            raise SimulatorError(f"the window could not be drawn: {err}") from err
        if self._is_dismissed:
            self.close()
        elif self.fps is not None:
            self._clock.tick(self.fps)

    def close(self) -> None:
        """Close the window; may be called twice."""
        if self._pygame is not None:
            self._pygame.display.quit()
            self._pygame = None

    def _open(self) -> None:
        # Without this, pygame greets on standard output, where tables go.
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        import pygame

        try:
            pygame.display.init()  # nothing else of pygame: no sound, no signal handlers
            pygame.display.set_caption(TITLE)
        except pygame.error as err:
            raise SimulatorError(f"the window could not be opened: {err}") from err
        self._pygame, self._clock = pygame, pygame.time.Clock()

    def _draw(self, picture: NDArray[np.uint8]) -> None:
        display = self._pygame.display
        height, width = picture.shape[:2]
        surface = display.get_surface()
        if surface is None or surface.get_size() != (width, height):
            surface = display.set_mode((width, height))
        self._pygame.surfarray.blit_array(surface, picture.swapaxes(0, 1))
        display.flip()
