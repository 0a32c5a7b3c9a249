"""Windows: refused with one line where there can be none, and what they show."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from fusiondrive.errors import ConfigError
from harness.checks import check_machine
from harness.config import RunConfig
from harness.env import CarlaDrivingEnv
from harness.window import PictureWindow, check_window

PICTURE = np.zeros((40, 60, 3), np.uint8)
PICTURE[5, 50] = (10, 20, 30)


@pytest.fixture
def no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_screen")
def test_without_a_screen_one_line_says_what_does_without() -> None:
    pytest.importorskip("pygame", reason="pygame is in the extra `window`")
    with pytest.raises(ConfigError, match=r"--show needs a display.*use --video instead"):
        check_machine(RunConfig(show=True))
    with pytest.raises(ConfigError, match=r'"human" needs a display.*use render_mode="rgb_array"'):
        CarlaDrivingEnv(render_mode="human")
    assert CarlaDrivingEnv().metadata["render_modes"] == ["rgb_array"]
    assert CarlaDrivingEnv.metadata["render_modes"] == ["rgb_array", "human"]


def test_without_pygame_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"--show: .*pip install 'fusiondrive\[window\]'; or use"):
        check_window("--show", "--video")


@pytest.fixture
def memory_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """SDL draws into memory, as on a machine without a screen whose user asks for it."""
    pytest.importorskip("pygame", reason="pygame is in the extra `window`")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.mark.usefixtures("memory_screen")
def test_a_window_shows_pictures_of_any_size() -> None:
    import pygame

    shown = PictureWindow()
    for picture in (PICTURE, np.repeat(PICTURE, 2, axis=0)):
        shown.show(picture)
        surface = pygame.display.get_surface()
        assert surface.get_size() == (picture.shape[1], picture.shape[0])
        drawn = pygame.surfarray.array3d(surface).swapaxes(0, 1)
        assert np.array_equal(drawn, picture)
    shown.close()
    shown.close()
    assert not pygame.display.get_init()


@pytest.mark.usefixtures("memory_screen")
def test_a_window_that_its_user_closes_stays_closed() -> None:
    import pygame

    shown = PictureWindow()
    shown.show(PICTURE)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    shown.show(PICTURE)
    shown.show(PICTURE)
    assert not pygame.display.get_init()


@pytest.mark.heavy
def test_nothing_greets_on_standard_output() -> None:
    pytest.importorskip("pygame", reason="pygame is in the extra `window`")
    script = """
import numpy as np
from harness.window import PictureWindow
with PictureWindow() as window:
    window.show(np.zeros((40, 60, 3), np.uint8))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "SDL_VIDEODRIVER": "dummy"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
