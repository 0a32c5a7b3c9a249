"""Colours and order of arms: fixed, and told apart by colour-blind readers too."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fusiondrive.arms import HAND_MADE, TWINS
from harness.report import page
from harness.report.palette import FAMILIES, OTHER, in_order, style_of
from results.cells import input_of
from sensors.arms import arm_names
from tests.results.test_gains import arm

STYLE = (Path(page.__file__).parent / "page" / "report.css").read_text(encoding="utf-8")
LIGHT, DARK = re.findall(r":root \{(.*?)\}", STYLE, re.S)
FAMILY_NAMES = sorted({*FAMILIES.values(), OTHER})
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISIONS = {
    "all cones": np.eye(3),
    "no red cones": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "no green cones": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "no blue cones": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(color: str) -> NDArray[np.float64]:
    shares = np.array([int(color[at : at + 2], 16) / 255.0 for at in (1, 3, 5)])
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def cielab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    xyz = TO_XYZ @ np.clip(rgb, 0.0, 1.0) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16.0 / 116.0)
    return np.array([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)])


def color_of(family: str, mode: str) -> str:
    name = "rule-arm" if family == "rule" else family
    found = re.search(rf"--{name}: (#\w{{6}});", mode)
    assert found is not None, family
    assert f".fam-{family} {{ fill: var(--{name});" in STYLE
    return found[1]


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("mode", [LIGHT, DARK], ids=["light", "dark"])
def test_every_two_families_are_told_apart(mode: str, vision: str) -> None:
    seen = {
        family: cielab(VISIONS[vision] @ linear(color_of(family, mode))) for family in FAMILY_NAMES
    }
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) >= 20.0, (one, other)


def test_every_arm_of_ours_has_a_place() -> None:
    assert {name.partition(":")[0] for name in arm_names()} - {"clear"} <= set(FAMILIES)
    assert {*TWINS, *HAND_MADE} <= set(FAMILIES)


def test_arms_keep_one_order_whatever_the_rows_begin_with() -> None:
    rows = [row for name in ("oracle", "rgb", "oracle:blanked") for row in arm(name, (), 1)]
    ordered = [seen.arm for seen in in_order(input_of(row) for row in rows)]
    assert ordered == ["rgb", "oracle", "oracle:blanked"]


def test_a_blanked_network_has_the_colour_of_its_own_and_a_hollow_mark() -> None:
    plain, blanked = (
        style_of(input_of(arm(name, (), 1)[0])) for name in ("oracle", "oracle:blanked")
    )
    assert plain.family == blanked.family == "oracle"
    assert (plain.is_hollow, blanked.is_hollow) == (False, True)


def test_another_training_of_a_network_has_its_colour() -> None:
    again = input_of(arm("distilled_s2", (), 1, fuser_weights="cccc")[0])
    assert style_of(again).family == "fused"


def test_an_arm_of_a_user_has_the_colour_of_others() -> None:
    assert style_of(input_of(arm("mine", (), 1)[0])).family == OTHER
