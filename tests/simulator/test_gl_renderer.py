"""OpenGL and numba see the same, and a machine without OpenGL hears what it lacks."""

from __future__ import annotations

import subprocess
import sys

import carla
import numpy as np
import pytest

from harness.probe import call, engine_of
from simulator.__main__ import EXIT_BAD_INPUT
from simulator.benchmarks.render import traffic
from simulator.maps import load_town
from simulator.render import Renderer
from simulator.render.choice import check_renderer
from simulator.render.gl_renderer import GlRenderer
from simulator.render.gl_window import GlError
from simulator.scenery import grow
from simulator.types import Camera, Frame, Pose, Weather

PLACES = range(0, 80, 8)
STRAY_TAGS = 4e-5
DEPTH_ERROR = 1.1e-5
LEVELS = 0.05


@pytest.fixture(scope="module")
def has_gl() -> None:
    try:
        check_renderer("gl")
    except GlError as err:
        pytest.skip(str(err))


@pytest.fixture(scope="module")
def drawn(has_gl) -> dict[tuple[int, int], list[tuple[Frame, Frame]]]:
    """Frames of both renderers by size."""
    town = load_town("Town02", None)
    scenery = grow(carla.Map(town.name, town.xodr), town)
    ours, theirs = Renderer(scenery, 1), GlRenderer(scenery, 1)
    frames: dict[tuple[int, int], list[tuple[Frame, Frame]]] = {(200, 88): [], (400, 300): []}
    for (width, height), pairs in frames.items():
        for spot in PLACES:
            ego = town.spawn_points[spot]
            things = traffic(town, ego, lights=0)
            pose = ego.compose(Pose(2.0, 0.0, 1.4, -15.0, 0.0, 0.0))
            camera = Camera(width, height, 100.0, pose)
            pairs.append(
                (
                    ours.render(camera, things, Weather(), 1.0, normals=True),
                    theirs.render(camera, things, Weather(), 1.0, normals=True),
                )
            )
    ours.close()
    theirs.close()
    return frames


@pytest.mark.parametrize("size", [(200, 88), (400, 300)])
def test_class_pixels_are_the_same(drawn, size):
    assert np.mean([a.tags != b.tags for a, b in drawn[size]]) <= STRAY_TAGS


@pytest.mark.parametrize("size", [(200, 88), (400, 300)])
def test_depth_is_the_same(drawn, size):
    for a, b in drawn[size]:
        assert np.median(np.abs(a.depth_m - b.depth_m) / a.depth_m) <= DEPTH_ERROR


@pytest.mark.parametrize("size", [(200, 88), (400, 300)])
def test_colours_are_the_same(drawn, size):
    for a, b in drawn[size]:
        assert np.abs(a.bgra.astype(int) - b.bgra).mean() < LEVELS


def test_a_server_says_what_draws_and_rows_name_it(has_gl, launch_server):
    server = launch_server("--renderer", "gl")
    try:
        assert call(*server.address, "fusiondrive_renderer").startswith("gl: ")
        assert engine_of(*server.address) == "embedded-gl"
    finally:
        assert server.stop() == 0


def test_without_moderngl_the_server_says_how_to_get_it():
    program = (
        "import sys; sys.modules['moderngl'] = None; from simulator.__main__ import main; "
        "sys.exit(main(['--renderer', 'gl', '--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == EXIT_BAD_INPUT
    assert done.stderr.count("\n") == 1
    assert "pip install 'fusiondrive[gl]'" in done.stderr
