"""Compiles kernels that are not on disk, in processes of their own, before the server loads them.

Two processes side by side take little more than half the time, and the memory that the compiler
needs (some 300 MB) ends with them: a server that compiles by itself would keep it.
`python -m simulator.startup.compiling SHARE` is one of those processes.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from time import perf_counter, sleep

import numpy as np

from simulator.raycast import RayCaster
from simulator.render import Renderer
from simulator.render.passes import draw_bands
from simulator.render.shade import Targets
from simulator.render.view import view_of
from simulator.render.weather import light_of
from simulator.scenery import Ground
from simulator.startup import warm_up
from simulator.system import launch
from simulator.system.kernel_cache import is_kept
from simulator.types import Frame, Layer, Material, Mesh, Obstacle, Pose, Scenery, Tag

logger = logging.getLogger(__name__)

SHARES = ("pictures", "others")
_PLACE = Pose(z=0.1)
_CELLS = 80  # of the ground on a side


def compile_missing() -> None:
    """Fill the cache of kernels, unless it is full; what fails is left to the server itself."""
    if is_kept(draw_bands):
        return
    began = perf_counter()
    logger.warning("compiling the kernels, about half a minute, once per installation")
    with ThreadPoolExecutor(len(SHARES)) as pool:
        for share, complaint in zip(SHARES, pool.map(_run, SHARES), strict=True):
            if complaint:
                logger.warning("compiling %s ahead failed: %s", share, complaint)
    logger.warning("kernels were compiled in %.0f s", perf_counter() - began)


def _run(share: str) -> str:
    """Compile a share in a process of its own; returns the last line of what went wrong."""
    command = launch.command("simulator.startup.compiling", share)
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    lines = done.stderr.splitlines() or [f"exit code {done.returncode}"]
    return lines[-1] if done.returncode else ""


def compile_share(share: str) -> None:
    """Use the kernels of a share once, in a world of four faces.

    A kernel that the other process has finished by then comes from the disk.
    """
    renderer = Renderer(small_scenery(), 1)
    if share == "pictures":
        warm_up.draw(_PLACE, renderer)
        return
    low = np.zeros((_CELLS, _CELLS), np.float32)
    ground = Ground(low, np.full((1, 1), np.nan, np.float32), -20.0, -20.0)
    warm_up.step(_PLACE, small_scenery().obstacles, ground)
    frame = _finish(renderer)
    warm_up.measure(_PLACE, RayCaster(renderer), frame)


def _finish(renderer: Renderer) -> Frame:
    """Finish a dazzled image in the rain that nobody has drawn."""
    camera = warm_up.camera_at(_PLACE)
    shape = (camera.height, camera.width)
    targets = Targets(
        np.full((*shape, 3), 50.0, np.float32),
        np.zeros(shape, np.uint8),
        np.full(shape, 100.0, np.float32),
        np.zeros(shape, np.uint16),
    )
    ahead = camera.pose.compose(Pose(x=10.0))
    sources = np.array([[*ahead[:3], 1.0, 1.0, 1.0, 10.0, 0.1]])
    bgra, light = np.zeros((*shape, 4), np.uint8), light_of(warm_up.WEATHERS[1], 0.0)
    renderer.finishing.finish(targets, sources, light, view_of(camera), 0.0, 0, bgra)
    directions = np.zeros((*shape, 3), np.float32)
    return Frame(bgra, targets.tags, targets.depth, targets.instances, directions)


def small_scenery() -> Scenery:
    """A road, a wall across it, a street lamp."""
    corners = [(-20, -20, 0), (20, -20, 0), (20, 20, 0), (-20, 20, 0)]
    corners += [(10, -5, 0), (10, 5, 0), (10, 5, 8), (10, -5, 8)]
    faces = [(0, 1, 2), (0, 2, 3), (4, 5, 6), (4, 6, 7)]
    mesh = Mesh(
        np.array(corners, np.float32),
        np.zeros((len(corners), 2), np.float32),
        np.array(faces, np.int32),
        np.full((len(faces), 3), 128, np.uint8),
        np.array([Material.ASPHALT] * 2 + [Material.FACADE_PUNCHED] * 2, np.uint8),
        np.array([Tag.ROADS] * 2 + [Tag.BUILDINGS] * 2, np.uint8),
    )
    wall = Obstacle(10.0, 0.0, 4.0, 0.0, 0.1, 5.0, 4.0, int(Tag.BUILDINGS))
    lamps = np.array([[5.0, 3.0, 6.0]], np.float32)
    down = np.array([[0.0, 0.0, -1.0]], np.float32)
    return Scenery((Layer(mesh),), (wall,), lamps, down)


def _leave_with(parent_pid: int) -> None:
    """End this process when the server that started it is gone."""
    while os.getppid() == parent_pid:
        sleep(0.5)  # of this watch alone
    os._exit(1)


if __name__ == "__main__":
    Thread(target=_leave_with, args=(os.getppid(),), name="parent", daemon=True).start()
    compile_share(sys.argv[1])
