"""The client's own walker crowd, as CARLA's traffic generator uses it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import carla
import numpy as np
import pytest

SENT_S = 0.003  # wall clock; the client moves its crowd in a thread of its own
ON_CROSSING_M = 1.0


def crossing_distance(crossings: list[np.ndarray], x: float, y: float) -> float:
    """Metres to the nearest crossing, 0 inside."""
    found = []
    for low, high in ((ring.min(0), ring.max(0)) for ring in crossings):
        found.append(np.hypot(*np.maximum(np.maximum(low - (x, y), (x, y) - high), 0.0)))
    return float(min(found))


@pytest.fixture
def crowd(session) -> Iterator[list[carla.Actor]]:
    world = session.world
    world.set_pedestrians_seed(3)
    world.set_pedestrians_cross_factor(0.0)
    library = world.get_blueprint_library().filter("walker.pedestrian.*")
    places = [world.get_random_location_from_navigation() for _ in range(12)]
    spots = [carla.Transform(place + carla.Location(z=2.0)) for place in places]
    walkers = [world.try_spawn_actor(library[n], spot) for n, spot in enumerate(spots)]
    walkers = [walker for walker in walkers if walker is not None]
    world.tick()
    kind = world.get_blueprint_library().find("controller.ai.walker")
    minds = [world.spawn_actor(kind, carla.Transform(), attach_to=w) for w in walkers]
    world.tick()
    for mind in minds:
        mind.start()
        mind.go_to_location(world.get_random_location_from_navigation())
        mind.set_max_speed(1.4)
    yield walkers
    for mind, walker in zip(minds, walkers, strict=True):
        mind.stop()
        mind.destroy()
        walker.destroy()
    world.tick()


def test_places_for_walkers_are_off_the_lanes(session):
    road_map = session.world.get_map()
    for _ in range(50):
        place = session.world.get_random_location_from_navigation()
        assert road_map.get_waypoint(place, project_to_road=False) is None


def test_a_crowd_walks_on_pavements_and_crossings(session, crowd):
    road_map = session.world.get_map()
    corners = np.array([(p.x, p.y) for p in road_map.get_crosswalks()]).reshape(-1, 5, 2)
    starts = [walker.get_location() for walker in crowd]
    for _ in range(200):
        session.world.tick()
        time.sleep(SENT_S)
        for walker in crowd:
            place = walker.get_location()
            if road_map.get_waypoint(place, project_to_road=False) is not None:
                assert crossing_distance(list(corners), place.x, place.y) < ON_CROSSING_M
    gone = [w.get_location().distance(start) for w, start in zip(crowd, starts, strict=True)]
    assert len(crowd) >= 10
    assert np.median(gone) > 8.0


def test_the_mesh_is_the_only_file(session):
    assert session.client.get_required_files("") == []
    (name,) = session.client.get_required_files("Nav", False)
    assert name.startswith("Nav/fusiondrive-Town02-")
    with pytest.raises(RuntimeError, match="no such file"):
        session.client.request_file("Nav/other.bin")


def test_a_led_walker_has_the_speed_of_its_places(session):
    world = session.world
    library = world.get_blueprint_library()
    place = world.get_random_location_from_navigation() + carla.Location(z=1.5)
    walker = world.spawn_actor(library.find("walker.pedestrian.0001"), carla.Transform(place))
    walker.set_simulate_physics(False)
    world.tick()
    for n in range(3):
        there = carla.Transform(carla.Location(place.x + 0.1 * n, place.y, place.z - 1.5))
        state = carla.command.ApplyWalkerState(walker, there, 1.0)
        session.client.apply_batch_sync([state], False)
        world.tick()
    assert walker.get_velocity().length() == pytest.approx(1.0, abs=0.05)
