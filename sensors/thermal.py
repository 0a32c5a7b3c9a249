"""A simulated thermal camera: an image made from class ids, depth and the list of actors.

Privileged: no sensor of a car has class ids, so this image is easier than a real thermal camera's
(no mistakes at outlines, no unknown objects). Every table that uses it has to say so. The
radiometry (temperatures, emissivity, atmosphere, noise, gain) follows real imagers; see `config`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError
from fusiondrive.types import ActorState, Atmosphere, Pose
from sensors import radiometry as rm
from sensors.config import Surface, ThermalConfig
from sensors.frame import RigFrame, focal_px, rotation_matrix
from sensors.gain import add_noise, apply_curve, gain_curve, histogram
from sensors.kernel import in_bands, noise_table
from sensors.radiometry import (
    Actors,
    Heat,
    Scene,
    View,
    heat_actors,
    radiance_table,
    radiate,
    sky_table,
)

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

FAR_M = 250.0  # actors farther away are not looked up
CLOUD_WARMTH = 0.85  # of the way from the clear zenith's temperature to the air's, overcast
SALT_STEP = 7919  # frames lie this far apart in the noise counter


def _surface_table(surfaces: Mapping[int, Surface], smoothness: Mapping[int, float]) -> F64:
    table = np.empty((rm.NAMED_TAGS, 4))
    table[:] = (*surfaces[0], 0.0)
    for tag, surface in surfaces.items():
        table[tag] = (*surface, smoothness.get(tag, 0.0))
    return table


class ThermalCamera:
    """Turns rig frames into 8-bit thermal images; keeps the gain curve between frames."""

    def __init__(self, config: ThermalConfig | None = None, seed: int = 0) -> None:
        self._config = config or ThermalConfig()
        self._tables = {
            True: _surface_table(self._config.night, self._config.smoothness),
            False: _surface_table(self._config.day, self._config.smoothness),
        }
        self._radiance = radiance_table()
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        """Forget gain, noise counter and actors of the last episode; optionally take a new seed."""
        if seed is not None:
            self._seed = seed
            self._salt = zlib.crc32(f"thermal {seed}".encode()) & 0x7FFFFFFF
            self._noise = noise_table(self._salt)
        self._made: tuple[Atmosphere, Scene] | None = None
        self._frames = 0
        self._curve: F64 | None = None
        self._warmth: dict[int, tuple[float, float]] = {}

    def render(
        self,
        rig_frame: RigFrame,
        actors: Sequence[ActorState],
        atmosphere: Atmosphere,
    ) -> U8:
        """Make the thermal image of a frame, (H, W) uint8; warm is bright.

        Args:
            rig_frame: a frame with class ids and depth.
            actors: vehicles and walkers near the camera, the ego included.
            atmosphere: chooses the temperatures, and how far the camera sees.
        """
        radiance = self.radiance(rig_frame, actors, atmosphere)
        config = self._config
        if config.blur_sigma_px > 0.0:
            blurred = cv2.GaussianBlur(radiance, (0, 0), config.blur_sigma_px)
            radiance = np.asarray(blurred, dtype=np.float32)
        salt, rows = self._salt + SALT_STEP * self._frames, len(radiance)
        in_bands(rows, lambda a, b: add_noise(radiance, config.netd_c, salt, a, b))
        region = radiance[int(config.gain_top * len(radiance)) :]
        curve = gain_curve(histogram(region), config)
        if self._curve is not None:
            curve = config.gain_memory * self._curve + (1.0 - config.gain_memory) * curve
        self._curve = curve
        self._frames += 1
        out = np.empty(radiance.shape, np.uint8)
        in_bands(rows, lambda a, b: apply_curve(radiance, curve, out, a, b))
        return out

    def radiance(
        self,
        rig_frame: RigFrame,
        actors: Sequence[ActorState],
        atmosphere: Atmosphere,
    ) -> NDArray[np.float32]:
        """Radiance before optics and detector, (H, W), in the unit of `radiance_table`."""
        tags, depth = rig_frame.tags, rig_frame.depth_m
        if tags is None or depth is None:
            raise ConfigError("the thermal image needs a rig made with with_thermal=True")
        pose = rig_frame.camera_pose
        focal = focal_px(tags.shape[1], rig_frame.fov_deg)
        view = View(np.array([pose.x, pose.y, pose.z]), rotation_matrix(pose), focal)
        scene = self._scene(atmosphere)
        table = self._actor_table(actors, view, (tags.shape[0], tags.shape[1]))
        warm = heat_actors(tags, depth, view, scene, table)
        out = np.empty(tags.shape, np.float32)
        in_bands(len(out), lambda a, b: radiate(tags, depth, view, scene, warm, out, a, b))
        return out

    def _scene(self, atmosphere: Atmosphere) -> Scene:
        """The world's temperatures; they stay while the atmosphere does."""
        if self._made is None or self._made[0] != atmosphere:
            self._made = (atmosphere, self._make_scene(atmosphere))
        return self._made[1]

    def _make_scene(self, atmosphere: Atmosphere) -> Scene:
        c, is_night = self._config, atmosphere.is_night
        fog_per_m = c.fog_ratio * atmosphere.fog_extinction_per_m
        air_c = c.night_air_c if is_night else c.day_air_c
        zenith_c = c.night_sky_c if is_night else c.day_sky_c
        # Clouds are warm from below (Maykut and Church 1973: the sky's flux grows with n^2.75).
        cover = min(max(atmosphere.cloudiness, 0.0), 100.0) / 100.0
        zenith_c += (air_c - zenith_c) * CLOUD_WARMTH * cover**2.75
        heat = Heat(
            skin_c=c.skin_c,
            engine_c=c.engine_heat_c,
            tyre_c=c.tyre_heat_c,
            exhaust_c=c.exhaust_heat_c,
            glass_emissivity=c.glass_emissivity,
            window_c=c.window_heat_c if is_night else 0.5 * c.window_heat_c,
            window_share=c.window_share,
            salt=self._salt,
        )
        return Scene(
            surfaces=self._surfaces(is_night, air_c, self._evenness(atmosphere, cover)),
            radiance=self._radiance,
            air_c=air_c,
            extinction_per_m=c.clear_extinction_per_m + fog_per_m,
            noise=self._noise,
            sky=sky_table(air_c, zenith_c, self._radiance, fog_per_m * c.fog_depth_m),
            heat=heat,
        )

    def _evenness(self, atmosphere: Atmosphere, cover: float) -> float:
        """Share of the excess over the air that clouds and fog take from surfaces.

        By day they keep the sun away, at night they keep things from radiating to a cold sky; that
        depends on the fog's infrared extinction.
        """
        c = self._config
        depth = c.fog_depth_m * atmosphere.fog_extinction_per_m
        if atmosphere.is_night:
            depth *= c.fog_ratio
        most = c.overcast_evens_night if atmosphere.is_night else c.overcast_evens_day
        return most * max(float(cover**3.4), 1.0 - math.exp(-depth))

    def _surfaces(self, is_night: bool, air_c: float, evenness: float) -> F64:
        table = self._tables[is_night].copy()
        things = ~np.isin(np.arange(rm.NAMED_TAGS), rm.PEOPLE_TAGS)
        table[things, 0] += evenness * (air_c - table[things, 0])
        return table

    def _actor_table(
        self, actors: Sequence[ActorState], view: View, shape: tuple[int, int]
    ) -> Actors:
        rows, rotations = [], []
        # In the order in which they were spawned, which is the order of ids.
        for actor in sorted(actors, key=lambda a: a.actor_id):
            offset, engine = self._warmth_of(actor)
            row = _actor_row(actor, view, shape)
            if row is not None:
                row[rm.OFFSET], row[rm.ENGINE] = offset, engine
                rows.append(row)
                rotations.append(rotation_matrix(actor.pose))
        if not rows:
            return Actors(np.zeros((0, rm.ACTOR_COLUMNS)), np.zeros((0, 3, 3)))
        return Actors(np.stack(rows), np.stack(rotations))

    def _warmth_of(self, actor: ActorState) -> tuple[float, float]:
        """Temperature offset in degrees and engine warmth in [0, 1] of an actor.

        Both are drawn from the seed, the order of appearance and the actor's type.
        """
        known = self._warmth.get(actor.actor_id)
        if known is None:
            key = [self._seed, len(self._warmth), zlib.crc32(actor.type_id.encode())]
            rng = np.random.default_rng(key)
            offset = float(np.clip(rng.normal(0.0, self._config.actor_spread_c), -4.0, 4.0))
            known = self._warmth[actor.actor_id] = (offset, float(rng.uniform(0.5, 1.0)))
        return known


def _actor_row(actor: ActorState, view: View, shape: tuple[int, int]) -> F64 | None:
    """Row of the actor table with box, speed and image rectangle; None when out of sight."""
    turn = rotation_matrix(actor.pose)
    center = _position(actor.pose) + turn @ np.array(actor.box_center)
    extent = np.maximum(np.array(actor.box_extent), 0.1)
    signs = np.array([(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    corners = center + (signs * (extent + rm.MARGIN_M)) @ turn.T  # (8, 3)
    local = (corners - view.position) @ view.rotation  # forward, right, up
    if local[:, 0].max() < 0.1 or local[:, 0].min() > FAR_M:
        return None
    rectangle = _rectangle(local, view.focal_px, shape)
    if rectangle is None:
        return None
    row = np.zeros(rm.ACTOR_COLUMNS)
    row[: rm.OFFSET] = [*center, *extent]
    row[rm.ROLLING] = min(actor.speed_mps / 8.0, 1.0)
    row[rm.ROW_LOW :] = rectangle
    return row


def _rectangle(
    local: F64, focal: float, shape: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """First and last row, first and last column of the image that a box's corners span.

    `local` has the corners in the camera's frame, (8, 3); None where they are outside the image.
    """
    rows, columns = shape
    if local[:, 0].min() < 0.1:  # reaches behind the camera: anywhere
        return 0.0, float(rows), 0.0, float(columns)
    right = local[:, 1] / local[:, 0] * focal + 0.5 * columns
    down = -local[:, 2] / local[:, 0] * focal + 0.5 * rows
    if right.max() < 0 or right.min() > columns or down.max() < 0 or down.min() > rows:
        return None
    return float(down.min() - 1), float(down.max()), float(right.min() - 1), float(right.max())


def _position(pose: Pose) -> F64:
    return np.array([pose.x, pose.y, pose.z])
