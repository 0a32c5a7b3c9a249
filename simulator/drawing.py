"""Draws and sends the images of a frame while the simulation goes on."""

from __future__ import annotations

import logging
import queue
import threading

from simulator import sensors_camera
from simulator.profile import Profile
from simulator.scene import Scene
from simulator.sensors_camera import CameraJob, Shot
from simulator.streaming import StreamServer

logger = logging.getLogger(__name__)

_MAX_WAITING = 2  # frames


class ImageDrawer:
    """One thread that takes jobs in their order."""

    def __init__(self, streams: StreamServer, profile: Profile) -> None:
        self._streams = streams
        self._profile = profile
        self._jobs: queue.Queue[tuple[Scene, CameraJob]] = queue.Queue(_MAX_WAITING)

    def start(self) -> None:
        """Begin to work."""
        threading.Thread(target=self._run, name="images", daemon=True).start()

    def add(self, scene: Scene, job: CameraJob) -> None:
        """Hand over the cameras of a frame; waits for room if every frame must be delivered."""
        if job.shots and (job.must_deliver or not self._jobs.full()):
            self._jobs.put((scene, job))

    def finish(self) -> None:
        """Wait until nothing is left to draw."""
        self._jobs.join()

    def _run(self) -> None:
        while True:
            scene, job = self._jobs.get()
            try:
                for shot in job.shots:
                    self._draw(scene, job, shot)
            except Exception:
                # The thread must live: the next frame may well be drawn.
                logger.exception("drawing an image failed")
            finally:
                self._jobs.task_done()

    def _draw(self, scene: Scene, job: CameraJob, shot: Shot) -> None:
        with self._profile.stage("render"):
            image = scene.renderer.render(
                shot.camera,
                job.drawables,
                job.weather,
                shot.age_s,
                shot_noise_seed=shot.seed,
                color=shot.needs_color,
            )
        for output in shot.outputs:
            with self._profile.stage("encode"):
                buffers = sensors_camera.encode(output.kind, shot.camera, image)
            with self._profile.stage("send"):
                message = [output.header, *buffers]
                self._streams.send(output.stream_id, message, must_deliver=job.must_deliver)
