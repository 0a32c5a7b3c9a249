"""Arms by name."""

from importlib.metadata import EntryPoint

import pytest

from fusiondrive.arms import Arm
from fusiondrive.errors import ConfigError
from sensors.arms import arm_named, arm_names, arm_of, make_image_maker, takes_weights
from sensors.fusion import ENTRY_POINTS
from sensors.inputs import INPUTS


@pytest.mark.parametrize("name", arm_names())
def test_every_arm_has_an_input(name):
    arm = arm_named(name)
    assert arm.name == name
    assert arm.input in INPUTS
    assert (arm.weather is None) == (name != "clear")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rgb", Arm("rgb", "rgb")),
        ("clear", Arm("clear", "rgb", weather="clear")),
        ("dehaze", Arm("dehaze", "enhanced", "dehaze")),
        ("restored", Arm("restored", "enhanced", "restored")),
        ("oracle:swapped", Arm("oracle:swapped", "fused", "oracle:swapped")),
        ("average:blanked", Arm("average:blanked", "fused", "average:blanked")),
    ],
)
def test_what_stands_behind_a_name(name, expected):
    assert arm_named(name) == expected


@pytest.mark.parametrize("name", ["rgb:blanked", "thermal:swapped", "clahe:swapped"])
def test_only_a_fuser_can_be_modified(name):
    with pytest.raises(ConfigError, match="fuses no infrared image that could be"):
        arm_named(name)


def test_a_plug_in_is_an_arm(monkeypatch):
    point = EntryPoint("theirs", "nowhere:Nothing", ENTRY_POINTS)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    arm = arm_named("theirs:swapped")
    assert arm == Arm("theirs:swapped", "fused", "theirs:swapped")
    assert takes_weights(arm)


def test_the_users_weights_are_for_the_student_alone(tmp_path):
    assert takes_weights(arm_named("student:blanked"))
    assert not takes_weights(arm_named("oracle"))
    made = make_image_maker(arm_named("average"), tmp_path / "mine.onnx")
    assert made.facts().label == "average"


def test_an_inputs_arm_is_called_by_its_fuser():
    assert arm_of("fused", "max:blanked").name == "max:blanked"
    assert arm_of("thermal", "max").name == "thermal"
    with pytest.raises(ConfigError, match="unknown enhancer 'max'; known: clahe"):
        arm_of("enhanced", "max")


def test_a_class_that_fuses_is_an_arm_by_its_name():
    assert arm_named("mine.rules:Glow") == Arm("mine.rules:Glow", "fused", "mine.rules:Glow")
    assert arm_named("mine:Glow:blanked").fuser == "mine:Glow:blanked"
    assert takes_weights(arm_named("mine:Glow:swapped"))
    assert arm_of("fused", "mine:Glow").name == "mine:Glow"
    with pytest.raises(ConfigError, match=r"unknown arm 'mine'; known: .*pkg\.module:Class"):
        arm_named("mine")
