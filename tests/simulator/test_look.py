"""The look of the pictures: no change without a new version, and clients can ask for it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from harness import probe
from harness.probe import look_of
from simulator.benchmarks.reference import SCENES, draw_reference, folder_of, grown
from simulator.render.version import RENDER_VERSION
from tests.pictures import read_bgr

FOLDER = folder_of(Path(__file__).parent / "look")
# Without fused multiply-add, or with another exp(), single pixels differ by rounding.
MEAN_LEVELS = 0.05
STRAY_SHARE = 1e-3  # of pixels that may differ by more than two levels
STRAY_TAGS = 2  # 0.011 % of the pixels of a class image


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    renderer, town = grown()
    pictures = draw_reference(renderer, town)
    renderer.close()
    return pictures


def stored(name: str) -> np.ndarray:
    path = FOLDER / f"{name}.png"
    assert path.is_file(), (
        f"look {RENDER_VERSION} has no pictures: python -m simulator.benchmarks.reference"
    )
    picture = read_bgr(path, cv2.IMREAD_UNCHANGED)
    return picture[..., ::-1] if picture.ndim == 3 else picture


@pytest.mark.parametrize("scene", SCENES)
def test_colours_change_only_with_the_look_version(drawn, scene):
    apart = np.abs(drawn[scene].astype(int) - stored(scene))
    assert apart.mean() < MEAN_LEVELS, "a new look needs a new RENDER_VERSION and new pictures"
    assert (apart.max(2) > 2).mean() < STRAY_SHARE


@pytest.mark.parametrize("scene", SCENES)
def test_tags_change_only_with_the_look_version(drawn, scene):
    assert (drawn[f"tags_{scene}"] != stored(f"tags_{scene}")).sum() <= STRAY_TAGS


def test_a_client_can_ask_for_the_look(carla_server):
    assert look_of(*carla_server("Town02")) == RENDER_VERSION


def test_a_server_without_the_method_has_no_look(carla_server, monkeypatch):
    monkeypatch.setattr(probe, "LOOK_METHOD", "frobnicate")
    assert look_of(*carla_server("Town02")) is None
