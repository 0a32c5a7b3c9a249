"""Judging traffic: red lights, standing, contacts."""

import numpy as np
import pytest

from harness.robustness.traffic_watch import Collision, Contacts, StopLine, TrafficWatch

LINE = StopLine(0, 10.0, 0.0, 0.0)


HERE = np.ones(1, bool)


def drive(watch: TrafficWatch, xs: list[float], *, y: float = 0.0, red: bool = True) -> None:
    for x in xs:
        watch.advance(0.1, np.array([[x, y, 0.0]]), np.array([5.0]), np.array([red]), HERE)


@pytest.mark.parametrize(("y", "red", "passed"), [(0.0, True, 1), (0.0, False, 0), (3.5, True, 0)])
def test_a_red_light_is_run_where_the_centre_crosses_its_line(y, red, passed):
    watch = TrafficWatch([LINE], 1)
    drive(watch, [8.0, 9.5, 10.5, 12.0], y=y, red=red)
    assert len(watch.passed_red) == passed


def test_a_light_that_turns_red_below_the_car_is_not_run():
    watch = TrafficWatch([LINE], 1)
    drive(watch, [8.0, 9.5], red=False)
    drive(watch, [10.5], red=True)
    assert watch.passed_red == []


def test_the_longest_stand_ends_with_a_move():
    watch = TrafficWatch([], 1)
    for speed in [0.0] * 10 + [1.0] + [0.0] * 5:
        watch.advance(1.0, np.zeros((1, 3)), np.array([speed]), np.zeros(0, bool), HERE)
    assert watch.longest_stand_s.tolist() == [10.0]
    assert watch.mean_speed_mps == pytest.approx(1.0 / 16.0)


def test_two_reports_of_a_long_contact_are_one_collision():
    contacts = Contacts()
    for time_s in (1.0, 1.1, 3.5, 9.0):
        contacts.add((4, 7), Collision(time_s, "a", "b", 0.0, 0.0))
        contacts.add((7, 4), Collision(time_s, "b", "a", 0.0, 0.0))
    assert [hit.time_s for hit in contacts.found] == [1.0, 9.0]


def test_a_car_that_was_taken_away_counts_only_while_it_was_there() -> None:
    watch = TrafficWatch([], 2)
    places, speeds = np.zeros((2, 3)), np.array([10.0, 0.0])
    for step in range(10):
        there = np.array([True, step < 4])
        watch.advance(1.0, places, speeds, np.zeros(0, bool), there)
    assert watch.alive_s.tolist() == [10.0, 4.0]
    assert watch.mean_speed_mps == pytest.approx(100.0 / 14.0)
    assert watch.longest_stand_s.tolist() == [0.0, 4.0]
