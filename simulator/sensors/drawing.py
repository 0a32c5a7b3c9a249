"""Draws and sends the images and scans of a frame while the simulation goes on."""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import replace
from typing import NamedTuple

from simulator.net.streaming import StreamServer
from simulator.profile import Profile
from simulator.sensors import camera as sensors_camera
from simulator.sensors.camera import Shot
from simulator.sensors.lidar import LidarScan
from simulator.sensors.radar import RadarScan
from simulator.types import Drawable, Weather
from simulator.world.debug_shapes import Stroke, draw_strokes
from simulator.world.scene import Scene

logger = logging.getLogger(__name__)

_MAX_WAITING = 2  # frames

Scan = LidarScan | RadarScan


class Job(NamedTuple):
    """All that the images and scans of a frame need; nothing in it changes as the world goes on."""

    shots: list[Shot]
    scans: list[Scan]
    drawables: list[Drawable]
    weather: Weather
    strokes: tuple[Stroke, ...] = ()


class ImageDrawer:
    """One thread that takes jobs in their order."""

    def __init__(self, streams: StreamServer, profile: Profile) -> None:
        self._streams = streams
        self._profile = profile
        self._jobs: queue.Queue[tuple[Scene, Job, bool]] = queue.Queue(_MAX_WAITING)

    def start(self) -> None:
        """Begin to work."""
        threading.Thread(target=self._run, name="images", daemon=True).start()

    def add(self, scene: Scene, job: Job, *, must_deliver: bool) -> None:
        """Hand over a frame; waits for room if every frame must be delivered."""
        if (job.shots or job.scans) and (must_deliver or not self._jobs.full()):
            self._jobs.put((scene, job, must_deliver))

    def finish(self) -> None:
        """Wait until nothing is left to draw."""
        self._jobs.join()

    def _run(self) -> None:
        while True:
            scene, job, must_deliver = self._jobs.get()
            try:
                for scan in job.scans:
                    self._scan(scene, job, scan, must_deliver=must_deliver)
                for shot in job.shots:
                    self._draw(scene, job, shot, must_deliver=must_deliver)
            except Exception:
                # The thread must live: the next frame may well be drawn.
                logger.exception("drawing an image failed")
            finally:
                self._jobs.task_done()

    def _scan(self, scene: Scene, job: Job, scan: Scan, *, must_deliver: bool) -> None:
        with self._profile.stage("render"):
            message = scan.measure(scene.caster, job.drawables)
        with self._profile.stage("send"):
            self._streams.send(scan.stream_id, message, must_deliver=must_deliver)

    def _draw(self, scene: Scene, job: Job, shot: Shot, *, must_deliver: bool) -> None:
        with self._profile.stage("render"):
            image = scene.renderer.render(
                shot.camera,
                job.drawables,
                job.weather,
                shot.age_s,
                shot_noise_seed=shot.seed,
                color=shot.needs_color,
                normals=shot.needs_normals,
            )
        if job.strokes and shot.needs_color:
            image = replace(image, bgra=draw_strokes(image, shot.camera, job.strokes))
        for output in shot.outputs:
            with self._profile.stage("encode"):
                buffers = sensors_camera.encode(output, shot, image, job.drawables)
            if buffers is not None:
                with self._profile.stage("send"):
                    message = [output.header, *buffers]
                    self._streams.send(output.stream_id, message, must_deliver=must_deliver)
