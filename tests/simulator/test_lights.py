"""Traffic lights: the cycle, its control from outside, and which vehicle a light governs."""

import pytest

from simulator.maps.loading import AUTHORED, load_town
from simulator.types import Pose, SignalSpec
from simulator.world.lights import GREEN_S, RED_S, YELLOW_S, LightState, TrafficLights

R, Y, G = LightState.RED, LightState.YELLOW, LightState.GREEN


def signal(name: str, group: int, phase: int, line: Pose) -> SignalSpec:
    return SignalSpec(name, Pose(line.x + 4.0, line.y + 4.0), group, phase, (line,))


@pytest.fixture
def lights() -> TrafficLights:
    """A T-junction (two opposite approaches and a stem) and a lone light far away."""
    return TrafficLights(
        [
            signal("east", 0, 0, Pose(-10.0, 2.0, yaw=0.0)),
            signal("west", 0, 0, Pose(10.0, -2.0, yaw=180.0)),
            signal("stem", 0, 1, Pose(-2.0, -10.0, yaw=90.0)),
            signal("lone", 1, 0, Pose(200.0, 2.0, yaw=0.0)),
        ]
    )


def shown(lights: TrafficLights) -> list[LightState]:
    return [status.state for status in lights.states]


def run(lights: TrafficLights, seconds: float) -> None:
    for _ in range(round(seconds / 0.1)):
        lights.advance(0.1)


def test_phases_rotate_with_carlas_times(lights: TrafficLights) -> None:
    seen = []
    for seconds in (0.0, GREEN_S, YELLOW_S, RED_S, GREEN_S, YELLOW_S, RED_S):
        run(lights, seconds)
        seen.append(shown(lights)[:3])
    all_red = [R, R, R]
    assert seen == [[G, G, R], [Y, Y, R], all_red, [R, R, G], [R, R, Y], all_red, [G, G, R]]


def test_two_phases_are_never_open_together(lights: TrafficLights) -> None:
    for _ in range(600):
        lights.advance(0.1)
        east, _, stem, _ = shown(lights)
        assert R in (east, stem)


def test_elapsed_counts_from_the_last_change(lights: TrafficLights) -> None:
    run(lights, GREEN_S + 1.0)
    assert lights.states[0].elapsed_s == pytest.approx(1.0)
    assert lights.states[2].elapsed_s == pytest.approx(GREEN_S + 1.0)


def test_long_steps_do_not_lose_time(lights: TrafficLights) -> None:
    lights.advance(GREEN_S + YELLOW_S + RED_S + 4.0)
    assert shown(lights)[2] is G
    assert lights.states[2].elapsed_s == pytest.approx(4.0)


def test_freeze_holds_the_whole_group_only(lights: TrafficLights) -> None:
    lights.freeze(2, True)
    run(lights, GREEN_S)
    assert shown(lights) == [G, G, R, Y]
    assert [status.frozen for status in lights.states] == [True, True, True, False]
    lights.freeze(0, False)
    run(lights, GREEN_S)
    assert shown(lights)[0] is Y


def test_set_state_holds_while_frozen_and_yields_to_the_cycle_otherwise(
    lights: TrafficLights,
) -> None:
    lights.set_state(2, G)
    lights.freeze(2, True)
    run(lights, 60.0)
    assert shown(lights)[2] is G
    lights.freeze(2, False)
    run(lights, GREEN_S)
    assert shown(lights)[2] is R


def test_set_times_changes_how_long_a_phase_lasts(lights: TrafficLights) -> None:
    lights.set_times(3, green_s=1.0, yellow_s=0.5)
    run(lights, 1.2)
    assert shown(lights)[3] is Y
    assert lights.states[3].yellow_s == 0.5
    with pytest.raises(ValueError, match="green_s must be"):
        lights.set_times(3, green_s=-1.0)


def test_zero_times_do_not_hang(lights: TrafficLights) -> None:
    lights.set_times(3, green_s=0.0, yellow_s=0.0, red_s=0.0)
    run(lights, 1.0)


def test_reset_restores_the_start(lights: TrafficLights) -> None:
    start = lights.states
    lights.set_times(0, green_s=1.0)
    lights.freeze(3, True)
    run(lights, 5.0)
    lights.reset()
    assert lights.states == start


def test_reset_group_restarts_one_cycle(lights: TrafficLights) -> None:
    run(lights, GREEN_S)
    lights.reset_group(2)
    assert shown(lights) == [G, G, R, Y]
    assert lights.group(2) == [0, 1, 2]


@pytest.mark.parametrize(
    ("x", "y", "yaw", "light"),
    [
        (-20.0, 2.0, 0.0, 0),  # ten metres before the line
        (-20.0, -2.0, 180.0, None),  # the other lane
        (-20.0, 2.0, 180.0, None),  # wrong way
        (-26.0, 2.0, 0.0, None),  # too far
        (-8.0, 2.0, 0.0, None),  # over it
        (-2.0, -12.0, 80.0, 2),
        (500.0, 500.0, 0.0, None),
    ],
)
def test_light_ahead(
    lights: TrafficLights, x: float, y: float, yaw: float, light: int | None
) -> None:
    assert lights.light_ahead(x, y, yaw) == light


@pytest.mark.parametrize("name", sorted(AUTHORED))
def test_each_stop_line_is_governed_by_its_light(name: str) -> None:
    signals = load_town(name).signals
    lights = TrafficLights(signals)
    for i, spec in enumerate(signals):
        for line in spec.stop_lines:
            before = line.compose(Pose(-8.0))
            assert lights.light_ahead(before.x, before.y, line.yaw) == i


def test_a_green_light_governs_only_what_cannot_stop_any_more(lights: TrafficLights) -> None:
    assert lights.states[0].state is LightState.GREEN

    def governed(x: float, speed_mps: float) -> int | None:
        return lights.governing(x, 2.0, 0.0, front_m=2.4, speed_mps=speed_mps)

    assert governed(-20.0, 0.0) is None  # 10 m before the line: a queue must not think it is free
    assert governed(-13.0, 0.0) == 0
    assert governed(-20.0, 9.0) == 0
    lights.set_state(0, LightState.YELLOW)
    assert governed(-20.0, 0.0) == 0
