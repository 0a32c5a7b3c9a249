"""The infrared half of a frame, taken on another route: what the control `:swapped` drives with."""

from __future__ import annotations

from dataclasses import replace

import carla
import numpy as np

from fusiondrive.carla_types import pose_of, transform_of
from fusiondrive.errors import SimulatorError
from fusiondrive.types import CameraSpec, Closing, Pose, Route
from sensors.decode import decode_depth, decode_tags
from sensors.frame import RigFrame
from sensors.rig import (
    DEPTH,
    TAGS,
    FrameQueue,
    SensorRig,
    pixels,
    remove_cameras,
    spawn_camera,
    take_all,
)


class ElsewhereRig(Closing):
    """A rig on the ego, whose class ids and depth come from cameras that move along another route.

    They are as far along it as the ego is along its own, and begin anew at its end. They hover at
    the mount's height above the lane's centre, level with its yaw, and pass through whatever
    stands there. No image of the ego's own surroundings is rendered for infrared.
    """

    def __init__(
        self,
        world: carla.World,
        rig: SensorRig,
        camera: CameraSpec,
        route: Route,
        timeout_s: float = 10.0,
    ) -> None:
        """Spawn the cameras at the other route's start.

        Args:
            world: where the ego drives.
            rig: on the ego, with an RGB camera alone; closed with this one.
            camera: size, field of view and mount.
            route: the other route.
            timeout_s: seconds to wait for a frame.

        Raises:
            SimulatorError: the server refused a camera.
        """
        self._rig, self._camera, self._route = rig, camera, route
        self._timeout_s = timeout_s
        self._actors: list[carla.Actor] = []
        self._queues: dict[str, FrameQueue] = {}
        try:
            for kind in (TAGS, DEPTH):
                place = transform_of(camera_pose(route, camera.mount, 0.0))
                actor, self._queues[kind] = spawn_camera(world, kind, camera, place)
                self._actors.append(actor)
        except (RuntimeError, IndexError) as err:
            self.close()
            raise SimulatorError(f"could not spawn the cameras elsewhere: {err}") from err

    def move(self, distance_m: float) -> None:
        """Move on to where the next frame is taken, `distance_m` from the other route's start."""
        place = transform_of(camera_pose(self._route, self._camera.mount, distance_m))
        for actor in self._actors:
            actor.set_transform(place)

    def read(self, frame: int, timeout_s: float | None = None) -> RigFrame:
        """The ego's RGB image with class ids, depth and camera pose of elsewhere.

        Raises:
            SimulatorError: an image is late or missing.
        """
        own = self._rig.read(frame, timeout_s)
        wait_s = self._timeout_s if timeout_s is None else timeout_s
        images = take_all(self._queues, frame, wait_s)
        return replace(
            own,
            tags=decode_tags(pixels(images[TAGS])),
            depth_m=decode_depth(pixels(images[DEPTH])),
            camera_pose=pose_of(images[TAGS].transform),
        )

    def close(self) -> None:
        """Remove all cameras; may be called twice."""
        actors, self._actors = self._actors, []
        remove_cameras(actors)
        self._rig.close()


def camera_pose(route: Route, mount: Pose, distance_m: float) -> Pose:
    """Where a camera of that mount is on a level car in the lane's centre; wraps at the end."""
    along_m = distance_m % route.length_m
    index = int(np.searchsorted(route.cumulative_m, along_m, side="right")) - 1
    x, y, z = (np.interp(along_m, route.cumulative_m, axis) for axis in route.points.T)
    yaw_deg = float(route.yaws[index])
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    return Pose(
        x=float(x + mount.x * cos - mount.y * sin),
        y=float(y + mount.x * sin + mount.y * cos),
        z=float(z + mount.z),
        pitch=mount.pitch,
        yaw=yaw_deg + mount.yaw,
        roll=mount.roll,
    )
