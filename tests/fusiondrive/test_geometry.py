"""Angles and directions against hand calculations."""

import math

import numpy as np
import pytest

from fusiondrive.geometry import (
    to_heading,
    turn_degrees,
    unwrapped_degrees,
    wrap_degrees,
    wrap_radians,
)


@pytest.mark.parametrize(
    ("angle", "wrapped"), [(0, 0), (190, -170), (-190, 170), (180, -180), (540, -180), (359, -1)]
)
def test_an_angle_is_wrapped_into_half_a_turn(angle: float, wrapped: float) -> None:
    assert wrap_degrees(float(angle)) == wrapped
    assert wrap_degrees(np.array([float(angle)])).tolist() == [wrapped]
    assert wrap_radians(math.radians(angle)) == pytest.approx(math.radians(wrapped))


def test_two_headings_are_at_most_half_a_turn_apart() -> None:
    assert turn_degrees(170.0, -170.0) == 20.0
    assert turn_degrees(10.0, 350.0) == 20.0
    assert unwrapped_degrees(-170.0, 175.0) == 190.0


@pytest.mark.parametrize(
    ("yaw_deg", "ahead", "right"), [(0, 3, 4), (90, 4, -3), (180, -3, -4), (-90, -4, 3)]
)
def test_a_vector_is_turned_into_a_heading(yaw_deg: float, ahead: float, right: float) -> None:
    assert to_heading(3.0, 4.0, yaw_deg) == pytest.approx((ahead, right))
