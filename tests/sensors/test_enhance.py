"""Enhancements of the visible image against hand calculations, and students without infrared."""

import shutil

import cv2
import numpy as np
import pytest

from fusiondrive.arms import HAND_MADE
from fusiondrive.errors import ConfigError, WeightsError
from sensors.enhance.benchmark import foggy_street
from sensors.enhance.contrast import Clahe, Gamma
from sensors.enhance.dehaze import Dehaze
from sensors.enhance.registry import ENHANCERS, make_enhancer
from sensors.fusion import make_fuser, shipped_student

RGB = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", HAND_MADE)
def test_an_enhancer_gives_the_same_image_whatever_came_before(name):
    enhancer = make_enhancer(name)
    first = enhancer.enhance(RGB).copy()
    enhancer.enhance(255 - RGB)
    enhancer.enhance(foggy_street(50, 40))
    assert first.shape == RGB.shape
    assert first.dtype == np.uint8
    assert np.array_equal(enhancer.enhance(RGB), first)
    assert not np.array_equal(first, RGB)
    assert len(enhancer.weights_hash()) == 12
    assert enhancer.label == name


def test_parameters_have_a_hash_of_their_own():
    assert Dehaze().weights_hash() == Dehaze().weights_hash()
    assert (
        len({Dehaze().weights_hash(), Dehaze(omega=0.9).weights_hash(), Clahe().weights_hash()})
        == 3
    )


def test_gamma_is_the_power_law():
    # 255 * (26 / 255) ** 0.4 = 255 * 0.4012 = 102.3
    assert np.all(Gamma().enhance(np.full((4, 4, 3), 26, np.uint8)) == 102)
    assert np.all(Gamma().enhance(np.full((4, 4, 3), 255, np.uint8)) == 255)


def test_clahe_spreads_the_lightness_and_keeps_a_grey_image_grey():
    rng = np.random.default_rng(1)
    grey = np.repeat(rng.integers(100, 120, (80, 80, 1), dtype=np.uint8), 3, axis=2)
    found = Clahe().enhance(grey).astype(int)
    assert found.std() > 1.5 * grey.std()
    assert np.abs(found[:, :, 0] - found[:, :, 2]).max() <= 3


def hazy(clean, through, air):
    """Koschmieder's law with one transmission for the whole image."""
    return np.rint(clean * through + np.array(air) * (1.0 - through)).astype(np.uint8)


def test_dehazing_inverts_a_haze_whose_transmission_is_known():
    # Each patch has a black pixel, so that the dark channel is exact; the sky is the air light.
    clean = np.full((120, 160, 3), 120.0)
    clean[::3, ::3] = 0.0
    hazed = hazy(clean, 0.4, (200, 205, 210))
    hazed[:30] = (200, 205, 210)
    found = Dehaze().enhance(hazed)[80:110, 30:130].astype(float)
    # omega leaves a twentieth of the haze: t = 1 - 0.95 * 0.6 = 0.43; (I - A) / t + A
    air = np.array((200.0, 205.0, 210.0))
    expected = (hazed[80:110, 30:130] - air) / 0.43 + air
    assert found == pytest.approx(expected, abs=3.0)


def test_a_clear_picture_with_dark_corners_stays_nearly_as_it_is():
    rng = np.random.default_rng(2)
    clear = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)  # dark channel near 0 everywhere
    change = np.abs(Dehaze().enhance(clear).astype(int) - clear)
    assert change.mean() < 4.0


def test_the_air_light_is_the_mean_of_the_haziest_thousandth():
    image = np.full((100, 100, 3), 60, np.uint8)
    image[:20, :20] = (180, 190, 200)
    image[50, 50] = 255  # a lamp of one pixel is no haze
    enhancer = Dehaze()
    planes = enhancer._kept(image)
    cv2.split(image, planes.bytes[:3])
    assert enhancer._air_light(image, planes) == pytest.approx((180.0, 190.0, 200.0))


def test_an_image_smaller_than_the_windows_is_enhanced():
    assert Dehaze().enhance(foggy_street(3, 2)).shape == (2, 3, 3)


def test_a_twin_without_weights_names_the_file():
    if shipped_student("restored").is_file():
        pytest.skip("the weights of `restored` are there")
    with pytest.raises(
        WeightsError, match=r"no weights of 'restored' yet: expected .*restored\.onnx"
    ):
        make_enhancer("restored")


def test_a_twin_with_weights_gets_a_grey_plane(monkeypatch, tmp_path):
    shutil.copy(shipped_student("oracle"), tmp_path / "student_restored.onnx")
    monkeypatch.setattr(
        "sensors.enhance.registry.shipped_student", lambda name: tmp_path / f"student_{name}.onnx"
    )
    twin, oracle = make_enhancer("restored"), make_fuser("oracle")
    grey = np.full(RGB.shape[:2], 128, np.uint8)
    assert np.array_equal(twin.enhance(RGB), oracle.fuse(RGB, grey))
    assert twin.weights_hash() == oracle.weights_hash()
    assert twin.label == "restored"


def test_unknown_enhancers_list_the_known():
    known = ", ".join(sorted(ENHANCERS))
    with pytest.raises(ConfigError, match=f"unknown enhancer 'x'; known: {known}$"):
        make_enhancer("x")
    assert set(HAND_MADE) < set(ENHANCERS)
