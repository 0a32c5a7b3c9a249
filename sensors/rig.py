"""The cameras on the ego vehicle, read frame by frame; works on every CARLA 0.9.16 server."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Mapping, Sequence
from typing import Any

import carla

from fusiondrive.carla_types import pose_of, transform_of
from fusiondrive.errors import SimulatorError
from fusiondrive.types import CameraSpec, Closing
from sensors.decode import bgra_pixels, decode_depth, decode_rgb, decode_tags
from sensors.frame import RigFrame

logger = logging.getLogger(__name__)

MAX_WAITING = 32  # images kept per camera when nobody reads

# Set explicitly so that a server's defaults cannot change what a policy sees: no blur over time,
# and no lens distortion, because RGB, class and depth pixels must lie on each other.
FIXED_ATTRIBUTES = {
    "motion_blur_intensity": "0.0",
    "motion_blur_max_distortion": "0.0",
    "lens_circle_multiplier": "0.0",
    "lens_k": "0.0",
    "lens_kcube": "0.0",
    "chromatic_aberration_intensity": "0.0",
    "enable_postprocess_effects": "True",
    "gamma": "2.2",
}

RGB, TAGS, DEPTH = "rgb", "semantic_segmentation", "depth"


class FrameQueue:
    """Queue of one camera's images, in order; it drops old ones that nobody took."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._waiting: queue.Queue[Any] = queue.Queue()
        self._last_seen: int | None = None

    def put(self, image: Any) -> None:
        """Take an image from the client's streaming thread."""
        self._waiting.put(image)
        if self._waiting.qsize() > MAX_WAITING:
            try:
                self._waiting.get_nowait()
            except queue.Empty:
                return  # the reader was faster

    def take(self, frame: int, timeout_s: float) -> Any:
        """Return the image of exactly this frame; older ones are dropped.

        Raises:
            SimulatorError: the image did not arrive in time, or was skipped.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                image = self._waiting.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                raise self._late(frame, f"did not arrive within {timeout_s:.1f} s") from None
            self._last_seen = int(image.frame)
            if self._last_seen == frame:
                return image
            if self._last_seen > frame:
                raise self._late(frame, "was skipped")

    def _late(self, frame: int, what: str) -> SimulatorError:
        seen = "none" if self._last_seen is None else str(self._last_seen)
        return SimulatorError(
            f"camera '{self.name}': frame {frame} {what}; last frame seen: {seen}"
        )


class SensorRig(Closing):
    """An RGB camera and, for the thermal image, class and depth cameras at the same pose."""

    def __init__(
        self,
        world: carla.World,
        ego: carla.Actor,
        camera: CameraSpec,
        *,
        with_thermal: bool,
        timeout_s: float = 10.0,
    ) -> None:
        self._camera = camera
        self._timeout_s = timeout_s
        self._actors: list[carla.Actor] = []
        self._queues: dict[str, FrameQueue] = {}
        try:
            for kind in (RGB, TAGS, DEPTH) if with_thermal else (RGB,):
                mount = transform_of(camera.mount)
                actor, self._queues[kind] = spawn_camera(world, kind, camera, mount, ego)
                self._actors.append(actor)
        except (RuntimeError, IndexError) as err:
            self.close()
            raise SimulatorError(f"could not attach the cameras: {err}") from err

    def read(self, frame: int, timeout_s: float | None = None) -> RigFrame:
        """Wait for all images of this frame.

        Args:
            frame: number of the simulator's frame.
            timeout_s: seconds to wait in place of the rig's own limit, since a server may need long
                for its first image.

        Raises:
            SimulatorError: an image is late or missing; an older one is never returned.
        """
        wait_s = self._timeout_s if timeout_s is None else timeout_s
        images = take_all(self._queues, frame, wait_s)
        rgb = images[RGB]
        tags = decode_tags(pixels(images[TAGS])) if TAGS in images else None
        return RigFrame(
            frame=frame,
            time_s=float(rgb.timestamp),
            rgb=decode_rgb(pixels(rgb)),
            tags=tags,
            depth_m=decode_depth(pixels(images[DEPTH])) if DEPTH in images else None,
            camera_pose=pose_of(rgb.transform),
            fov_deg=self._camera.fov_deg,
        )

    def close(self) -> None:
        """Stop and remove the cameras; a dead server is no obstacle."""
        actors, self._actors = self._actors, []
        remove_cameras(actors)


def spawn_camera(
    world: carla.World,
    kind: str,
    camera: CameraSpec,
    place: carla.Transform,
    parent: carla.Actor | None = None,
) -> tuple[carla.Actor, FrameQueue]:
    """Spawn a camera and listen to it.

    Args:
        world: where it is spawned.
        kind: `RGB`, `TAGS` or `DEPTH`.
        camera: its size and field of view.
        place: relative to the parent, or in the world without one.
        parent: what it is attached to.

    Raises:
        RuntimeError: the server refused it.
        IndexError: the server has no such camera.
    """
    blueprint = world.get_blueprint_library().find(f"sensor.camera.{kind}")
    size = {"image_size_x": str(camera.width), "image_size_y": str(camera.height)}
    wanted = {**FIXED_ATTRIBUTES, **size, "fov": str(camera.fov_deg)}
    for name, value in wanted.items():
        if blueprint.has_attribute(name):
            blueprint.set_attribute(name, value)
    actor = world.spawn_actor(blueprint, place, attach_to=parent)
    inbox = FrameQueue(kind)
    actor.listen(inbox.put)
    return actor, inbox


def take_all(queues: Mapping[str, FrameQueue], frame: int, timeout_s: float) -> dict[str, Any]:
    """The images of one frame, by the cameras' names; see `FrameQueue.take`."""
    deadline = time.monotonic() + timeout_s
    return {
        kind: inbox.take(frame, max(deadline - time.monotonic(), 0.001))
        for kind, inbox in queues.items()
    }


def remove_cameras(actors: Sequence[carla.Actor]) -> None:
    """Stop and destroy cameras; a dead server is no obstacle."""
    for actor in actors:
        try:
            actor.stop()
            actor.destroy()
        except RuntimeError as err:
            logger.debug("camera %s was not removed: %s", actor.id, err)


def pixels(image: Any) -> Any:
    """The BGRA pixels of CARLA's image, (H, W, 4) uint8."""
    return bgra_pixels(image.raw_data, image.height, image.width)
