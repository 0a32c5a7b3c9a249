"""Made-up weather: what it hides, what it keeps, and that it repeats."""

from __future__ import annotations

import numpy as np
import pytest

from fusionproxy.errors import FusionError
from fusionproxy.teachers.objectives import CropConfig, mask_batch
from fusionproxy.teachers.trainer import TeacherConfig
from fusionproxy.teachers.weather import (
    F32,
    WeatherConfig,
    darkness,
    haze,
    made_up_distances,
    made_up_infrared,
    weather_views,
)


def picture(height: int = 48, width: int = 64) -> F32:
    rng = np.random.default_rng(5)
    return np.kron(rng.random((height // 8, width // 8, 3)), np.ones((8, 8, 1))).astype(np.float32)


@pytest.mark.parametrize("size", [(48, 64), (37, 53), (8, 8)])
def test_views_are_pictures_of_the_same_size(size: tuple[int, int]) -> None:
    clean = np.random.default_rng(0).random((*size, 3), np.float32)
    for seed in range(20):
        for view in weather_views(clean, np.random.default_rng(seed)):
            assert view.shape == clean.shape
            assert view.dtype == np.float32
            assert 0.0 <= view.min() <= view.max() <= 1.0


def test_the_infrared_view_is_grey_and_the_same_seed_repeats() -> None:
    first, again = (weather_views(picture(), np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first.first, again.first)
    assert np.array_equal(first.second, again.second)
    assert np.ptp(first.first, axis=2).max() == 0.0


def test_haze_follows_koschmieder() -> None:
    flat = np.full((8, 8, 3), 0.25, np.float32)
    near, far = np.zeros((8, 8), np.float32), np.full((8, 8), 1e4, np.float32)
    unchanged = haze(flat, near, 0.1, 0.8, np.random.default_rng(0))
    hidden = haze(flat, far, 0.1, 0.8, np.random.default_rng(0))
    assert np.ptp(unchanged) < 1e-6  # no air between
    assert 0.25 * 0.5 <= unchanged.mean() <= 0.25 * 1.05  # light is flatter
    assert hidden.mean() == pytest.approx(0.8, abs=0.04)  # nothing but air


def test_at_the_range_a_black_target_keeps_a_twentieth_of_its_contrast() -> None:
    black, range_m = np.zeros((64, 64, 3), np.float32), 40.0
    extinction = float(-np.log(0.05) / range_m)
    seen = [
        haze(black, np.full((64, 64), range_m, np.float32), extinction, 1.0,
             np.random.default_rng(seed)).mean()
        for seed in range(40)
    ]  # fmt: skip
    assert np.mean(seen) == pytest.approx(0.95, abs=0.01)


def test_the_night_is_dark_where_no_light_falls() -> None:
    far = np.full((48, 64), 300.0, np.float32)
    nights = [darkness(picture(), far, np.random.default_rng(seed), 0) for seed in range(30)]
    assert np.median([night.mean() for night in nights]) < 0.1 * picture().mean()


def test_infrared_has_both_polarities() -> None:
    clean = picture()
    luma = clean.mean(axis=2).ravel()
    heat = [made_up_infrared(clean, np.random.default_rng(seed)).ravel() for seed in range(20)]
    assert {np.sign(np.corrcoef(luma, item)[0, 1]) for item in heat} == {-1.0, 1.0}


def test_infrared_keeps_edges_that_the_visible_view_has_lost() -> None:
    """Of pictures whose visible view kept little, the infrared one mostly has more."""
    clean, kept = picture(), []
    for seed in range(60):
        heat, visible = weather_views(clean, np.random.default_rng(seed), WeatherConfig(1.0))
        kept.append((_edges(visible), _edges(heat)))
    least = np.quantile([visible for visible, _ in kept], 0.25)
    more = [heat > 1.2 * visible for visible, heat in kept if visible <= least]
    assert np.mean(more) > 0.6


def _edges(view: F32) -> float:
    """Steps at the borders of the picture's patches of 8 pixels, over those within."""
    steps = np.abs(np.diff(view.mean(axis=2), axis=1)).mean(axis=0)
    is_border = np.arange(len(steps)) % 8 == 7
    return float(steps[is_border].mean() / steps[~is_border].mean())


def test_distances_are_positive_and_the_ground_comes_nearer_towards_the_car() -> None:
    for seed in range(20):
        distance = made_up_distances(picture(), np.random.default_rng(seed))
        assert distance.shape == (48, 64)
        assert distance.min() > 0.0
        assert np.median(distance[-1]) <= np.median(distance[0]) * 2.0


class _Images:
    def crop(self, rng: np.random.Generator, size: int, infrared_share: float) -> F32:
        """A visible crop has colours, an infrared one has none."""
        colours = rng.random((size, size, 3), np.float32)
        return np.repeat(colours[..., :1], 3, 2) if infrared_share == 1.0 else colours


def test_only_visible_crops_get_weather() -> None:
    crops = CropConfig(size=16, batch=40, infrared_share=0.5, weather_share=1.0)
    batch = mask_batch(_Images(), np.random.default_rng(0), crops)  # type: ignore[arg-type]
    assert batch.first is not None
    for clean, first in zip(batch.clean, batch.first, strict=True):
        is_infrared = bool((clean[0] == clean[1]).all())
        keeps_pixels = bool((clean == first).all(dim=0).float().mean() > 0.2)
        assert keeps_pixels is is_infrared  # masks keep half of a view as it is


def test_weather_is_refused_where_nothing_is_restored() -> None:
    with pytest.raises(FusionError, match="of mask_difuser"):
        TeacherConfig("ddfm", weather_share=0.5)
