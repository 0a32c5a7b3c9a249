"""Fusers and the policy's input images."""

from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from fusiondrive.errors import ConfigError, FusionDriveError, WeightsError
from fusiondrive.timing import StageClock
from fusiondrive.types import ActorKind, ActorState, Atmosphere, Pose, WorldState
from sensors.enhance.contrast import Gamma
from sensors.frame import RigFrame
from sensors.fusion import ENTRY_POINTS, FUSERS, make_fuser
from sensors.inputs import INPUTS, InputPipeline
from sensors.thermal import ThermalCamera

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (90, 130, 3), dtype=np.uint8)
THERMAL = RNG.integers(0, 256, (90, 130), dtype=np.uint8)


TRAINED = [name for name in FUSERS if name != "direct"]  # its weights are yet to come


@pytest.mark.parametrize("name", TRAINED)
def test_fuser_returns_an_rgb_image_of_the_same_size(name):
    fuser = make_fuser(name)
    fused = fuser.fuse(RGB, THERMAL)
    assert fused.shape == RGB.shape
    assert fused.dtype == np.uint8
    assert np.array_equal(fused, fuser.fuse(RGB, THERMAL))
    assert name in fuser.label
    assert fuser.weights_hash()


@pytest.mark.parametrize("name", ["average", "max", "laplacian"])
def test_a_warm_spot_in_a_dark_image_shows(name):
    # Not the students: the oracle paints a street as it is by day, and has never seen a spot.
    dark = np.full((96, 128, 3), 10, np.uint8)
    spot = np.full((96, 128), 40, np.uint8)
    spot[40:60, 50:70] = 230
    fused = make_fuser(name).fuse(dark, spot).mean(axis=2)
    assert fused[45:55, 55:65].mean() > fused[:20].mean() + 40


def test_plain_rules_match_a_hand_calculation_on_grey():
    grey = np.full((16, 16, 3), 100, np.uint8)
    warm = np.full((16, 16), 160, np.uint8)
    assert np.all(make_fuser("average").fuse(grey, warm) == 130)
    assert np.all(make_fuser("max").fuse(grey, warm) == 160)
    assert np.all(make_fuser("laplacian").fuse(grey, warm) == 130)


@pytest.mark.parametrize("name", ["average", "oracle"])
def test_a_blanked_fuser_sees_grey_whatever_the_infrared_shows(name):
    plain, blanked = make_fuser(name), make_fuser(f"{name}:blanked")
    grey = plain.fuse(RGB, np.full_like(THERMAL, 128))
    assert np.array_equal(blanked.fuse(RGB, THERMAL), grey)
    assert not np.array_equal(grey, plain.fuse(RGB, THERMAL))
    assert blanked.label == f"{plain.label}, infrared blanked"
    assert blanked.weights_hash() == plain.weights_hash()


def test_a_swapped_fuser_fuses_what_it_is_given_and_says_whose_it_is():
    plain, swapped = make_fuser("max"), make_fuser("max:swapped")
    assert np.array_equal(swapped.fuse(RGB, THERMAL), plain.fuse(RGB, THERMAL))
    assert swapped.label == "max, infrared swapped"


def test_the_enhanced_image_is_of_the_visible_one_alone():
    views = InputPipeline("enhanced", enhancer=Gamma()).make(
        replace(street_frame(), tags=None), still_world(), Atmosphere()
    )
    assert views.enhanced is views.image
    assert np.array_equal(views.image, Gamma().enhance(RGB))
    assert views.thermal is None


def test_a_shipped_student_takes_no_other_weights(tmp_path):
    with pytest.raises(ConfigError, match="choose fuser 'student'"):
        make_fuser("distilled", tmp_path / "mine.onnx")


def test_unknown_fuser_lists_the_known_ones():
    with pytest.raises(
        ConfigError, match="unknown fuser 'magic'; known: average, direct, distilled"
    ):
        make_fuser("magic")


def test_missing_weights_name_the_path_and_the_command(tmp_path):
    with pytest.raises(WeightsError, match=r"absent\.onnx; train one with .*fusionproxy\.train"):
        make_fuser("student", tmp_path / "absent.onnx")


def street_frame():
    tags = np.full((90, 130), 1, np.uint8)
    tags[:40] = 11
    depth = np.where(tags == 11, 1000.0, 10.0).astype(np.float32)
    return RigFrame(1, 0.1, RGB, tags, depth, Pose(0.0, 0.0, 1.4))


def still_world():
    zero = (0.0, 0.0, 0.0)
    ego = ActorState(1, "vehicle.x", ActorKind.VEHICLE, Pose(0, 0), zero, zero, (2.0, 1.0, 0.7))
    return WorldState(frame=1, time_s=0.1, ego=ego)


@pytest.mark.parametrize("name", INPUTS)
def test_input_makes_a_policy_image(name):
    pipeline = InputPipeline(name, make_fuser("average"), ThermalCamera(), enhancer=Gamma())
    views = pipeline.make(street_frame(), still_world(), Atmosphere(is_night=True))
    assert views.image.shape == RGB.shape
    assert views.image.dtype == np.uint8
    assert np.array_equal(views.image, views.rgb) == (name == "rgb")
    if name == "thermal":
        assert views.thermal is not None
        assert np.array_equal(views.image[:, :, 2], views.thermal)


def test_input_that_lacks_its_parts_is_an_error():
    with pytest.raises(FusionDriveError, match="needs a fuser"):
        InputPipeline("fused", None, ThermalCamera())
    with pytest.raises(FusionDriveError, match="needs an enhancer"):
        InputPipeline("enhanced")
    with pytest.raises(FusionDriveError, match="unknown input 'fusd'; known: enhanced, fused, "):
        InputPipeline("fusd")


def test_the_pipeline_counts_the_time_of_its_stages():
    clock = StageClock()
    pipeline = InputPipeline("fused", make_fuser("average"), ThermalCamera(), clock)
    pipeline.make(street_frame(), still_world(), Atmosphere())
    assert sorted(clock.totals_s) == ["fusion", "thermal"]
    assert all(seconds > 0.0 for seconds in clock.totals_s.values())


class Inverted:
    """Derives from nothing, and has nothing but `fuse`."""

    def __init__(self, weights):
        self.weights = weights

    def fuse(self, rgb, thermal):
        return 255 - rgb


class Cropped(Inverted):
    label = "cropped"

    def fuse(self, rgb, thermal):
        return rgb[:5]


class NoFuser:
    def __init__(self, weights):
        pass


class Broken:
    def __init__(self, weights):
        raise RuntimeError("no such model")


def plug_in(monkeypatch, kind):
    point = EntryPoint("theirs", f"{__name__}:{kind.__name__}", ENTRY_POINTS)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])


def test_a_foreign_fuser_needs_only_fuse(monkeypatch):
    plug_in(monkeypatch, Inverted)
    fuser = make_fuser("theirs")
    assert np.array_equal(fuser.fuse(RGB, THERMAL), 255 - RGB)
    assert (fuser.label, fuser.looks) == ("theirs", ())
    assert len(fuser.weights_hash()) == 12
    assert make_fuser("theirs:blanked").label == "theirs, infrared blanked"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NoFuser, r"fuser 'theirs': NoFuser is not a Fuser, for it has no fuse\(rgb, thermal\)"),
        (Broken, r"fuser 'theirs' .*could not be built: RuntimeError: no such model"),
    ],
)
def test_what_is_no_fuser_is_one_clear_error(monkeypatch, kind, message):
    plug_in(monkeypatch, kind)
    with pytest.raises(ConfigError, match=message):
        make_fuser("theirs")


def test_a_fused_image_of_another_size_is_refused(monkeypatch):
    plug_in(monkeypatch, Cropped)
    with pytest.raises(ConfigError, match=r"expected \(90, 130, 3\) uint8, found \(5, 130, 3\) ui"):
        make_fuser("theirs").fuse(RGB, THERMAL)


class Tinted:
    """Takes a file, and says nothing of a hash."""

    def __init__(self, weights=None):
        self.shift = 0 if weights is None else int(weights.read_text(encoding="utf-8"))

    def fuse(self, rgb, thermal):
        return rgb + np.uint8(self.shift)


def test_a_class_is_a_fuser_by_its_module_and_name(tmp_path):
    weights, hashes = tmp_path / "shift.txt", set()
    for shift in ("1", "2"):
        weights.write_text(shift, encoding="utf-8")
        fuser = make_fuser(f"{__name__}:Tinted", weights)
        assert np.array_equal(fuser.fuse(RGB, THERMAL), RGB + np.uint8(shift))
        hashes.add(fuser.weights_hash())
    assert len(hashes | {make_fuser(f"{__name__}:Tinted").weights_hash()}) == 3
    assert fuser.label == f"{__name__}:Tinted"
    blanked = make_fuser(f"{__name__}:Tinted:blanked")
    assert blanked.label == f"{__name__}:Tinted, infrared blanked"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:Thing", "fuser 'nowhere:Thing': no module 'nowhere'"),
        (f"{__name__}:Thing", f"no 'Thing' in {__name__}; classes there: .*Tinted"),
        (f"{__name__}:NoFuser", "NoFuser is not a Fuser"),
        ("nowhere", "unknown fuser 'nowhere'; known: .*pkg.module:Class"),
    ],
)
def test_what_is_wrong_with_a_named_class_is_said(name, message):
    with pytest.raises(ConfigError, match=message):
        make_fuser(name)
