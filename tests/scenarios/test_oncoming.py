"""The oncoming car of `night:glare`: in the other lane, in view, again and again, repeatable."""

from __future__ import annotations

from collections.abc import Iterator

import carla
import numpy as np
import pytest

from fusiondrive.geometry import to_heading
from fusiondrive.types import CameraSpec
from harness.drive import Drive
from harness.env import CarlaDrivingEnv, EnvConfig
from harness.server import RunningServer, ServerSpec
from scenarios.oncoming import GAP_M, PASSED_M, ROLE_NAME, START_M
from scenarios.spec import EpisodeSpec

STEPS = 90
SMALL = CameraSpec(width=96, height=72)


@pytest.fixture(scope="module")
def env() -> Iterator[CarlaDrivingEnv]:
    with RunningServer(ServerSpec(town="Town02")) as server:
        here = ServerSpec("external", server.host, server.port)
        env = CarlaDrivingEnv(EnvConfig(server=here, camera=SMALL))
        yield env
        env.close()


def begin(env: CarlaDrivingEnv, weather: str = "night:glare", seed: int = 1) -> Drive:
    spec = EpisodeSpec("Town02", "00", weather, "rgb", "none", "none", seed=seed)
    env.reset(options={"spec": spec})
    return env.drive


def oncoming(drive: Drive) -> tuple[float, float, float] | None:
    """Metres ahead and aside of the ego, and the heading against the ego's; None without a car."""
    world = drive.setup.session.world
    actors = world.get_actors().filter("vehicle.*")
    cars = [a for a in actors if a.attributes["role_name"] == ROLE_NAME]
    if not cars:
        return None
    at, ego = cars[0].get_transform(), drive.state.ego.pose
    x, y = at.location.x - ego.x, at.location.y - ego.y
    return (*to_heading(x, y, ego.yaw), (at.rotation.yaw - ego.yaw) % 360.0)


def meet(env: CarlaDrivingEnv, throttle: float, seed: int = 1) -> list[tuple[float, float, float]]:
    """Where the car is at each step of a drive along the first street."""
    drive, found = begin(env, seed=seed), []
    for _ in range(STEPS):
        env.step(np.array([throttle, 0.0, 0.0], np.float32))
        place = oncoming(drive)
        if place is not None:
            found.append(place)
        if drive.is_over:
            break
    return found


@pytest.mark.server
def test_it_comes_towards_a_standing_ego_in_the_other_lane_and_comes_again(env) -> None:
    places = np.array(meet(env, 0.0))
    assert len(places) == STEPS
    ahead, aside, heading = places.T
    assert PASSED_M - 1.0 < ahead.min() < PASSED_M + 1.0
    assert START_M[0] - 10.0 < ahead.max() <= START_M[1]
    assert (np.abs(heading - 180.0) < 15.0).all()
    assert ((aside < -2.0) & (aside > -6.0))[ahead < 20.0].all()
    onward = np.diff(ahead)
    assert (onward > 10.0).sum() == 1  # it has come again once in 9 s
    assert np.median(onward) == pytest.approx(-0.8, abs=0.02)


@pytest.mark.server
def test_the_same_seed_meets_the_same_car_and_another_seed_another(env) -> None:
    first, again, other = (meet(env, 0.4, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.server
def test_its_low_beams_are_on_street_lamps_are_off_and_both_end_with_the_drive(env) -> None:
    drive = begin(env)
    world = drive.setup.session.world
    (car,) = [
        a for a in world.get_actors().filter("vehicle.*") if a.attributes["role_name"] == ROLE_NAME
    ]
    assert car.get_light_state() & carla.VehicleLightState.LowBeam
    assert not world.get_lightmanager().get_turned_on_lights(carla.LightGroup.Street)
    drive = begin(env, "night")
    assert oncoming(drive) is None
    for _ in range(2):
        env.step(np.zeros(3, np.float32))
    assert not world.get_lightmanager().get_turned_off_lights(carla.LightGroup.Street)


@pytest.mark.server
def test_it_stops_before_somebody_in_its_lane(env) -> None:
    drive = begin(env)
    world = drive.setup.session.world
    assert drive.oncoming is not None
    ego = drive.state.ego.pose
    road = drive.setup.session.map
    lane = road.get_waypoint(carla.Location(ego.x, ego.y, ego.z)).next(25.0)[0].get_left_lane()
    place = lane.transform
    place.location.z += 1.0
    walker = world.spawn_actor(world.get_blueprint_library().filter("walker.*")[0], place)
    try:
        env.step(np.zeros(3, np.float32))
        drive.oncoming.look_around()
        for _ in range(60):
            env.step(np.zeros(3, np.float32))
        found = oncoming(drive)
        assert found is not None
        assert 25.0 + GAP_M - 2.0 < found[0] < 25.0 + GAP_M + 2.0
    finally:
        walker.destroy()
