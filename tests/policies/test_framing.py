from pathlib import Path

import numpy as np
import pytest

from fusiondrive.errors import ConfigError, WeightsError
from fusiondrive.types import CameraSpec
from policies.base import camera_of
from policies.cilrs import SHIPPED_WEIGHTS
from policies.framing import FRAMINGS, Framing, common_framing, framing, framing_from
from policies.loading import load_cilrs
from policies.training.collect import collect
from policies.training.recording import CollectConfig
from sensors.frame import focal_px

LEVEL = FRAMINGS["level"]


@pytest.mark.parametrize("name", FRAMINGS)
def test_a_card_gives_its_framing_back(name: str) -> None:
    assert framing_from(FRAMINGS[name].to_dict(), "card.json") == FRAMINGS[name]


@pytest.mark.parametrize("name", FRAMINGS)
def test_every_framing_shows_the_horizon_and_the_street(name: str) -> None:
    camera, crop = FRAMINGS[name].camera, FRAMINGS[name].preprocessing
    focal = focal_px(camera.width, camera.fov_deg)
    horizon = 0.5 + np.tan(np.radians(camera.pitch_deg)) * focal / camera.height
    below = np.degrees(np.arctan(camera.z / 6.0))  # the street 6 m ahead
    street = 0.5 + np.tan(np.radians(camera.pitch_deg + below)) * focal / camera.height
    assert crop.crop_top < horizon < street < crop.crop_bottom


def test_a_card_without_a_camera_is_of_the_first_pose() -> None:
    card = {"preprocessing": LEVEL.preprocessing.to_dict()}
    assert framing_from(card, "card.json") == Framing(CameraSpec(), LEVEL.preprocessing)


def test_a_camera_that_does_not_fit_names_the_card() -> None:
    card = {**Framing().to_dict(), "camera": {"lens": 3}}
    with pytest.raises(WeightsError, match=r"mine\.json: camera: .*lens"):
        framing_from(card, "mine.json")


def test_sets_of_two_framings_are_not_mixed() -> None:
    cards = {"a": Framing().to_dict(), "b": Framing().to_dict(), "c": LEVEL.to_dict()}
    with pytest.raises(ConfigError, match="c was recorded in another framing than a"):
        common_framing(cards)
    del cards["c"]
    assert common_framing(cards) == Framing()
    assert common_framing({}) == Framing()


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="unknown framing 'wide'; known: coiltraine, whole"):
        framing("wide")


def test_a_driver_with_another_camera_is_refused(tmp_path: Path) -> None:
    config = CollectConfig(
        ("Town02",), 10, 1, True, None, driver=str(SHIPPED_WEIGHTS), framing="level"
    )
    with pytest.raises(ConfigError, match="another camera than that of --framing level"):
        collect(config, tmp_path / "out", 1, "collect")
    assert camera_of(load_cilrs(SHIPPED_WEIGHTS)) == CameraSpec()
