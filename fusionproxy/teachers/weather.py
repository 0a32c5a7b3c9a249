"""Two views of a clear picture in made-up weather: visible and infrared (numpy and OpenCV only).

Nothing here has seen a rendered fog, a night or a thermal image. Distances, air, lamps and palettes
are drawn at random, so that a network that restores the picture has to take from each view what
the other has lost. Fog follows Koschmieder (1924): a picture J at distance d through air of
extinction s and airlight A is seen as J exp(-s d) + A (1 - exp(-s d)).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fusionproxy.teachers.corruption import Views

F32 = NDArray[np.float32]

CONTRAST_AT_RANGE = 0.05  # of a black target, by the definition of the meteorological range
CAMERA_HEIGHT_M = 1.5
FARTHEST_M = 300.0
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
LAMP = np.array([1.0, 0.85, 0.62], np.float32)  # its warmest colour


@dataclass(frozen=True)
class WeatherConfig:
    """How views are made up."""

    fog_share: float = 0.6  # of the pictures; the others are dark
    night_fog_share: float = 0.2  # of the dark ones, which are in fog as well
    range_m: tuple[float, float] = (10.0, 250.0)  # meteorological, evenly on a logarithmic scale
    infrared_ratio: tuple[float, float] = (0.0, 0.7)  # extinction of infrared, of the visible one
    lamps: int = 4  # at most


def weather_views(
    image: F32, rng: np.random.Generator, config: WeatherConfig | None = None
) -> Views:
    """Make up what both cameras see of a clear picture.

    Args:
        image: clean RGB (H, W, 3) in [0, 1].
        rng: source of everything random.
        config: shares and strengths.

    Returns:
        The infrared view, three equal channels, and the visible one; (H, W, 3) in [0, 1] each.
    """
    config = config or WeatherConfig()
    distance_m = made_up_distances(image, rng)
    extinction = -np.log(CONTRAST_AT_RANGE) / np.exp(rng.uniform(*np.log(config.range_m)))
    is_foggy = rng.random() < config.fog_share
    visible = image
    if not is_foggy:
        visible = darkness(visible, distance_m, rng, config.lamps)
        is_foggy = rng.random() < config.night_fog_share
        airlight = float(rng.uniform(0.02, 0.25))
    else:
        airlight = float(rng.uniform(0.6, 0.98))
    if is_foggy:
        visible = haze(visible, distance_m, extinction, airlight, rng)
    else:
        extinction = 0.0
    infrared = made_up_infrared(image, rng)
    ratio = rng.uniform(*config.infrared_ratio)
    left = np.exp(-ratio * extinction * distance_m)
    infrared = infrared * left + np.float32(rng.uniform(0.2, 0.6)) * (1.0 - left)
    heat = sensor_noise(infrared, rng, (0.001, 0.012))
    return Views(np.repeat(heat[..., None], 3, axis=2), sensor_noise(visible, rng, (0.002, 0.025)))


def made_up_distances(image: F32, rng: np.random.Generator) -> F32:
    """A distance for each pixel in metres, (H, W): ground, things that stand on it, and sky.

    The ground is level below a random horizon, which may lie outside of the picture. Things are
    regions of like colours or random patches, at one distance each, so that fog ends at edges that
    the picture has as well as at others.
    """
    height, width = image.shape[:2]
    rows = np.arange(height, dtype=np.float32)[:, None]
    horizon, focal = rng.uniform(-0.4, 0.9) * height, rng.uniform(0.4, 1.6) * width
    ground = CAMERA_HEIGHT_M * focal / np.maximum(rows - horizon, 0.3)
    distance = np.repeat(np.minimum(ground, FARTHEST_M), width, axis=1)
    distance = distance * np.exp(0.15 * smooth(image, rng, 0.3))
    behind = np.exp(rng.uniform(np.log(20.0), np.log(FARTHEST_M)))
    distance = np.where(rows < horizon, behind, distance)
    for _ in range(int(rng.integers(0, 4))):
        field = palette(image, rng) if rng.random() < 0.75 else smooth(image, rng, 0.25)
        threshold = np.quantile(field, rng.uniform(0.5, 0.95))
        away = np.exp(rng.uniform(np.log(6.0), np.log(FARTHEST_M)))
        # A thing hides what is behind it, and stands on ground that is as far away.
        distance = np.where((field > threshold) & (distance > 0.7 * away), away, distance)
    return np.asarray(distance, np.float32)


def haze(
    image: F32, distance_m: F32, extinction: float, airlight: float, rng: np.random.Generator
) -> F32:
    """Koschmieder's fog over a picture, which gets flatter light under it, (H, W, 3)."""
    grey = (image @ LUMA)[..., None]
    flat = (grey + (image - grey) * rng.uniform(0.3, 1.0)) * rng.uniform(0.5, 1.05)
    patches = np.exp(0.15 * smooth(image, rng, 0.6))
    seen = np.exp(-extinction * patches * distance_m)[..., None]
    air = airlight * (1.0 + rng.uniform(-0.04, 0.04, 3))
    return np.asarray(flat * seen + air * (1.0 - seen), np.float32)


def darkness(image: F32, distance_m: F32, rng: np.random.Generator, lamps: int) -> F32:
    """A night: a little sky, headlights that fade with distance, lamps, and what dazzles."""
    tint = 1.0 + rng.uniform(0.0, 1.0) * (LAMP - 1.0)
    headlights = rng.uniform(0.0, 0.8) * np.exp(-distance_m / rng.uniform(5.0, 30.0))
    street = rng.uniform(0.0, 0.2) ** 2 * np.exp(0.8 * smooth(image, rng, 0.4))
    sky = np.exp(rng.uniform(np.log(0.003), np.log(0.15)))
    light = (sky + headlights + street)[..., None] * tint
    dark = image ** rng.uniform(1.0, 1.6) * light
    height, width = image.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(int(rng.integers(0, lamps + 1))):
        x, y = rng.uniform(-0.1, 1.1) * width, rng.uniform(-0.1, 0.9) * height
        away = np.hypot(xs - x, ys - y) / max(height, width)
        core, veil = rng.uniform(0.005, 0.06), rng.uniform(0.05, 0.4)
        # A lamp, its bloom, and the veil that stray light in lens and air lays over everything.
        glow = rng.uniform(0.3, 2.0) * np.exp(-0.5 * (away / core) ** 2)
        glow += rng.uniform(0.0, 0.8) * np.exp(-away / veil)
        dark = dark + glow[..., None] * (1.0 + rng.uniform(0.0, 1.0) * (LAMP - 1.0))
    return np.asarray(dark, np.float32)


def made_up_infrared(image: F32, rng: np.random.Generator) -> F32:
    """A grey view of any polarity, (H, W) about 0 to 1: palette, blur, gain, slow patches."""
    sigma = float(rng.uniform(0.3, 1.1))
    grey = palette(np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32), rng)
    grey = grey + rng.uniform(0.0, 0.5) * grey.std() * smooth(image, rng, 0.3)
    low, high = np.quantile(grey, [0.01, 0.99])
    contrast = rng.uniform(0.4, 1.0)
    stretched = np.clip((grey - low) / max(high - low, 1e-3), -0.1, 1.1)
    return np.asarray(rng.uniform(0.0, 1.0 - contrast) + contrast * stretched, np.float32)


def palette(image: F32, rng: np.random.Generator, hidden: int = 8) -> F32:
    """A random smooth function of the colour, (H, W): like colours stay alike."""
    first = rng.standard_normal((3, hidden)) * rng.uniform(2.0, 6.0)
    folded = np.tanh((image - 0.4) @ first + rng.uniform(-3.0, 3.0, hidden))
    return np.asarray(folded @ rng.standard_normal(hidden), np.float32)


def smooth(image: F32, rng: np.random.Generator, cell: float) -> F32:
    """Random hills about as wide as a share of the picture, (H, W), of deviation about 1."""
    height, width = image.shape[:2]
    side = max(2.0, cell * max(height, width))
    grid = rng.standard_normal((int(height / side) + 3, int(width / side) + 3)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def sensor_noise(image: F32, rng: np.random.Generator, deviation: tuple[float, float]) -> F32:
    """Shot and read noise of a camera, then what fits into 0 to 1."""
    shot, read = rng.uniform(*deviation), rng.uniform(*deviation)
    spread = np.sqrt(shot**2 * np.clip(image, 0.0, 1.0) + read**2)
    noisy = image + spread * rng.standard_normal(image.shape, np.float32)
    return np.asarray(np.clip(noisy, 0.0, 1.0), np.float32)
