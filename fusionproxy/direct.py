"""The training task of the `direct` student: clear pictures in made-up weather, and no teacher.

It is distillation's control: the same network, clear pictures and corruption as the teachers that
restore (`fusionproxy.teachers.weather`), learnt from the pictures themselves. It never sees a
rendered fog or night, nor a thermal image.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from fusionproxy.data import U8, known_looks, read_about
from fusionproxy.errors import missing_extra
from fusionproxy.misalignment import Misalignment, displace
from fusionproxy.pair_source import open_pairs
from fusionproxy.teachers.images import F32, CleanImages, open_sides
from fusionproxy.teachers.weather import WeatherConfig, weather_views

try:
    from fusionproxy.clear_target import Batch, ClearTask, to_tensors
    from fusionproxy.draws import drawn
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

HELD_OUT = 80  # pictures at most
CHECKED_AT = (400, 300)  # width and height of held-out pictures, those of drives
KINDS = {"fog (made up)": 1.0, "night (made up)": 0.0}  # share of fog in the weather of each


@dataclass(frozen=True)
class DirectConfig:
    """Settings of the direct student's pictures, weather and loss."""

    folders: tuple[str, ...] = ()  # sets of pairs whose clear pictures are taken
    layout: str = "folders"  # of real pairs; captured ones are told by their index
    split: str | None = None  # of real pairs, where the set has them
    mix: Mapping[str, float] = field(default_factory=dict)  # how often each set is drawn
    misalignment: Misalignment | None = field(default_factory=Misalignment)  # Eq. 14
    crop: int = 160  # side of a square, px
    weather: WeatherConfig = field(default_factory=WeatherConfig)
    ssim_weight: float = 0.3
    gradient_weight: float = 0.5


class DirectTask(ClearTask):
    """Batches of crops in made-up weather and the distance to what they were made from."""

    label = "direct"

    def __init__(self, config: DirectConfig, batch: int) -> None:
        """Open the clear pictures of sets of pairs.

        Of captured pairs only the clear pictures are taken, of real ones only the visible images.

        Raises:
            FusionError: there are no pairs, nothing can be held out, or `mix` names other sets.
        """
        self.config, self.batch = config, batch
        self.folders = [Path(folder) for folder in config.folders]
        sources = [open_pairs(folder, config.layout, config.split) for folder in self.folders]
        sides = open_sides(sources, self.folders, config.mix, shown=0)
        self.training, self.cards = sides.training, sides.cards
        super().__init__(config, MadeUpPairs(sides.validation, config.weather))

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of random crops, each in a weather of its own, the infrared displaced."""
        config = self.config

        def one(own: np.random.Generator) -> tuple[U8, U8, U8]:
            return in_weather(self.training.crop(own, config.crop, 0.0), own, config.weather)

        made = drawn(rng, self.batch, one)
        degraded, thermal, clear = (np.stack(part) for part in zip(*made, strict=True))
        batch = to_tensors(thermal, degraded, clear)
        if config.misalignment is not None:
            shift, angle = config.misalignment.draw(rng, self.batch)
            batch["infrared"] = displace(batch["infrared"], shift, angle)
        return batch

    def facts(self) -> Mapping[str, str]:
        """Facts about the data that the weights record: hash and looks of captured pictures."""
        known = known_looks(read_about(folder) or {} for folder in self.folders)
        hashes = "+".join(card["sha256_12"] for card in self.cards)
        return {"data_hash": hashes, "looks": json.dumps(known), "thermal_looks": "[]"}


class MadeUpPairs:
    """Held-out pictures in made-up weather; the same at every look."""

    def __init__(self, images: CleanImages, weather: WeatherConfig) -> None:
        count = min(HELD_OUT, len(images.visible))
        self._chosen = [
            images.visible[i] for i in np.linspace(0, len(images.visible) - 1, count).astype(int)
        ]
        self._images, self._weather = images, weather
        kinds = list(KINDS)
        self.weathers = [kinds[k % len(kinds)] for k in range(count)]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._chosen)

    def sample(self, index: int) -> tuple[U8, U8, U8]:
        """Degraded (H, W, 3), made-up infrared (H, W), clear (H, W, 3)."""
        clear = filled(self._images.whole(self._chosen[index]), *CHECKED_AT)
        weather = replace(self._weather, fog_share=KINDS[self.weathers[index]])
        as_float = clear.astype(np.float32) / np.float32(255)
        return in_weather(as_float, np.random.default_rng(index), weather)


def in_weather(clear: F32, rng: np.random.Generator, weather: WeatherConfig) -> tuple[U8, U8, U8]:
    """What both cameras see of a clear picture, and the picture.

    Args:
        clear: RGB (H, W, 3) in [0, 1].
        rng: draws the weather.
        weather: what there is to draw.

    Returns:
        Degraded (H, W, 3), infrared (H, W) and clear (H, W, 3).
    """
    infrared, visible = weather_views(clear, rng, weather)
    return _bytes(visible), _bytes(infrared[..., 0]), _bytes(clear)


def filled(image: U8, width: int, height: int) -> U8:
    """The middle of a picture, scaled so that it fills a size."""
    scale = max(width / image.shape[1], height / image.shape[0])
    size = max(width, round(image.shape[1] * scale)), max(height, round(image.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
    y, x = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return np.ascontiguousarray(scaled[y : y + height, x : x + width])


def _bytes(image: F32) -> U8:
    return np.asarray(np.rint(image * np.float32(255)), np.uint8)
