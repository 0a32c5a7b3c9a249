"""Draws and sends the images and scans of a frame while the simulation goes on."""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import replace
from typing import NamedTuple

from simulator.net.streaming import StreamServer
from simulator.sensors.camera import Shot, encode
from simulator.sensors.lidar import LidarScan
from simulator.sensors.radar import RadarScan
from simulator.system.profile import Profile
from simulator.types import Drawable, Weather
from simulator.world.debug_shapes import Stroke, draw_strokes
from simulator.world.scene import Scene

logger = logging.getLogger(__name__)

_MAX_WAITING = 2  # frames

Scan = LidarScan | RadarScan


class DrawOrder(NamedTuple):
    """All that the images and scans of a frame need; nothing in it changes as the world goes on."""

    shots: list[Shot]
    scans: list[Scan]
    drawables: list[Drawable]
    weather: Weather
    strokes: tuple[Stroke, ...] = ()


class ImageDrawer:
    """One thread that draws frames in the order in which they come."""

    def __init__(self, streams: StreamServer, profile: Profile) -> None:
        self._streams = streams
        self._profile = profile
        self._orders: queue.Queue[tuple[Scene, DrawOrder, bool]] = queue.Queue(_MAX_WAITING)

    def start(self) -> None:
        """Begin to work."""
        threading.Thread(target=self._run, name="images", daemon=True).start()

    def add(self, scene: Scene, order: DrawOrder, *, must_deliver: bool) -> None:
        """Hand over a frame; waits for room if every frame must be delivered."""
        if (order.shots or order.scans) and (must_deliver or not self._orders.full()):
            self._orders.put((scene, order, must_deliver))

    def finish(self) -> None:
        """Wait until nothing is left to draw."""
        self._orders.join()

    def _run(self) -> None:
        while True:
            scene, order, must_deliver = self._orders.get()
            try:
                for scan in order.scans:
                    self._scan(scene, order, scan, must_deliver=must_deliver)
                for shot in order.shots:
                    self._draw(scene, order, shot, must_deliver=must_deliver)
            except Exception:
                # The thread must live: the next frame may well be drawn.
                logger.exception("drawing an image failed")
            finally:
                self._orders.task_done()

    def _scan(self, scene: Scene, order: DrawOrder, scan: Scan, *, must_deliver: bool) -> None:
        with self._profile.stage("render"):
            message = scan.measure(scene.caster, order.drawables)
        with self._profile.stage("send"):
            self._streams.send(scan.stream_id, message, must_deliver=must_deliver)

    def _draw(self, scene: Scene, order: DrawOrder, shot: Shot, *, must_deliver: bool) -> None:
        with self._profile.stage("render"):
            image = scene.renderer.render(
                shot.camera,
                order.drawables,
                order.weather,
                shot.age_s,
                shot_noise_seed=shot.seed,
                color=shot.needs_color,
                normals=shot.needs_normals,
            )
        if order.strokes and shot.needs_color:
            image = replace(image, bgra=draw_strokes(image, shot.camera, order.strokes))
        for output in shot.outputs:
            with self._profile.stage("encode"):
                buffers = encode(output, shot, image, order.drawables)
            if buffers is not None:
                with self._profile.stage("send"):
                    message = [output.header, *buffers]
                    self._streams.send(output.stream_id, message, must_deliver=must_deliver)
