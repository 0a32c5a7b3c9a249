"""Faults of the thermal camera do what their names say, and repeat with the seed."""

import numpy as np
import pytest

from sensors.stress import Stress
from sensors.thermal_settings import read_thermal

STEP_S = 0.1


def stressed(text: str, seed: int = 3) -> Stress:
    return Stress(read_thermal(text), seed)


def numbered(count: int) -> list[np.ndarray]:
    """Images that hold their own number, (4, 6)."""
    return [np.full((4, 6), number, np.uint8) for number in range(count)]


def shown(text: str, count: int = 300, seed: int = 3) -> list[int]:
    stress = stressed(text, seed)
    found = [stress.apply(im, 5.0 + STEP_S * n) for n, im in enumerate(numbered(count % 256))]
    return [int(image[0, 0]) for image in found]


def gradient() -> np.ndarray:
    return np.tile(np.arange(60, 160, 2, dtype=np.uint8), (40, 1))


def test_flip_shows_warm_things_dark() -> None:
    assert np.array_equal(stressed("polarity=flip").apply(gradient(), 0.0), 255 - gradient())


def test_contrast_keeps_its_share_about_the_mean() -> None:
    low = stressed("contrast=0.3").apply(gradient(), 0.0).astype(float)
    assert low.mean() == pytest.approx(gradient().mean(), abs=0.5)
    assert low.std() == pytest.approx(0.3 * gradient().std(), rel=0.03)


def test_noise_has_its_deviation_and_is_drawn_anew() -> None:
    grey, stress = np.full((200, 200), 128, np.uint8), stressed("noise=4")
    first, second = (stress.apply(grey, t).astype(float) for t in (0.0, 0.1))
    assert first.std() == pytest.approx(4.0, rel=0.03)
    assert not np.array_equal(first, second)


def test_shift_moves_to_the_right_and_repeats_the_border() -> None:
    moved = stressed("shift=5px").apply(gradient(), 0.0)
    assert np.array_equal(moved[:, 5:], gradient()[:, :-5])
    assert (moved[:, :5] == gradient()[0, 0]).all()


def test_rotation_turns_clockwise_about_the_centre() -> None:
    image = np.zeros((41, 41), np.uint8)
    image[20, 30:] = 255  # a hand at three o'clock
    turned = stressed("rotation=30deg").apply(image, 0.0)
    rows, columns = np.nonzero(turned > 100)
    down = np.degrees(np.arctan2(rows.mean() - 20.0, columns.mean() - 20.0))
    assert down == pytest.approx(30.0, abs=1.5)


def test_latency_shows_the_image_of_that_time() -> None:
    assert shown("latency=0.2s", 6) == [0, 0, 0, 1, 2, 3]


def test_a_freeze_lasts_its_time_once_in_every_ten_seconds() -> None:
    numbers = shown("freeze=1s", 200)
    held = [n for n, number in enumerate(numbers) if number != n]
    assert len([n for n in held if n < 100]) == len([n for n in held if n >= 100]) == 10
    for part in (held[:10], held[10:]):
        assert part == list(range(part[0], part[0] + 10))
        assert {numbers[n] for n in part} == {part[0] - 1}
    assert shown("freeze=1s", 200, seed=4) != numbers


def test_dropout_loses_its_share_of_the_images() -> None:
    numbers = shown("dropout=0.1", 250)
    assert 10 <= sum(number == 0 for number in numbers[1:]) <= 40


def test_the_same_seed_repeats_everything() -> None:
    text = "noise=4,freeze=1s,dropout=0.1,latency=0.1s"
    runs = []
    stress = stressed(text, 7)
    for seed in (7, 7, 8):
        stress.reset(seed)
        runs.append([stress.apply(gradient(), STEP_S * n).tobytes() for n in range(40)])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
