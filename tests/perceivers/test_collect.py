"""Random scenes for training: repeatable, through both cameras, with labels that fit the pixels."""

from pathlib import Path

import carla
import numpy as np
import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import Pose
from harness.perception.labels import label_actors
from harness.session import Address, Session
from perceivers.frames import FrameSet
from perceivers.kinds import CAR, CYCLIST, PERSON
from perceivers.training.camera_stage import CAMERAS, CameraStage
from perceivers.training.collect import STEP_S, TOWNS, CollectOptions, run
from perceivers.training.scenes import Cast, Guest, RandomScene, draw_scene
from policies.training.recording import WEATHER_SHARES
from simulator.maps import load_town
from tests.conftest import CarlaServer

CAST = Cast({PERSON: ("a", "b"), CYCLIST: ("c",), CAR: ("d",)})


def scenes(count: int) -> list[RandomScene]:
    waypoints = carla.Map("track", load_town("track").xodr).generate_waypoints(20.0)
    return [draw_scene(waypoints, CAST, np.random.default_rng((1, n))) for n in range(count)]


def test_scenes_repeat_and_have_all_kinds_in_clear_weathers() -> None:
    found = scenes(200)
    assert found == scenes(200)
    assert {scene.weather for scene in found} == set(WEATHER_SHARES)
    assert {guest.kind for scene in found for guest in scene.guests} == {PERSON, CYCLIST, CAR}
    assert 0.05 < np.mean([not scene.guests for scene in found]) < 0.2


@pytest.mark.parametrize("town", ["Town03", "random:1001", "random:1010"])
def test_towns_of_tests_are_refused(tmp_path: Path, town: str) -> None:
    with pytest.raises(ConfigError, match=f"town '{town}' is for tests and validation"):
        CollectOptions(out=tmp_path, town=(town,))
    assert town not in TOWNS


def test_labels_enclose_who_is_seen(carla_server: CarlaServer) -> None:
    with Session(Address(*carla_server("track")), delta_s=STEP_S) as session:
        session.load("track")
        with CameraStage(session) as stage:
            scene = stage.draw(np.random.default_rng(0))
            ego = Pose(scene.ego.x, scene.ego.y, scene.ego.z, yaw=scene.ego.yaw)
            yaw = np.radians(ego.yaw)
            at = [
                Pose(ego.x + d * np.cos(yaw), ego.y + d * np.sin(yaw), ego.z, yaw=ego.yaw)
                for d in (20.0, 30.0)
            ]
            guests = (
                Guest(PERSON, "walker.pedestrian.0001", at[0]),
                Guest(CAR, "vehicle.audi.tt", at[1]),
            )
            shots = stage.shoot(RandomScene("clear", ego, guests))
        session.tick()
    assert [shot.camera for shot in shots] == list(CAMERAS)
    for shot in shots:
        person, car = label_actors(shot.frame, shot.actors)
        assert (person.kind, car.kind) == (PERSON, CAR)
        assert person.distance_m == pytest.approx(20.0 - shot.camera.x, abs=0.8)
        assert person.visible > 0.9 > car.visible
        assert shot.frame.tags is not None
        rows, columns = np.nonzero(shot.frame.tags == 12)
        assert (person.left, person.top) == (columns.min(), rows.min())
        assert (person.right, person.bottom) == (columns.max() + 1, rows.max() + 1)


@pytest.mark.slow
@pytest.mark.server
def test_a_set_goes_on_where_it_was_left(tmp_path: Path) -> None:
    for frames in (2, 6):
        options = CollectOptions(out=tmp_path, frames=frames, town=("track",), scenes_per_town=2)
        run(options, "a test")
    found = list(FrameSet(tmp_path))
    assert [frame.pose for frame in found] == [f"s{n:06d}" for n in (0, 0, 1, 1, 2, 2)]
    assert {frame.weather for frame in found} <= set(WEATHER_SHARES)
    with pytest.raises(ConfigError, match="holds scenes of seed 1, not 2"):
        run(CollectOptions(out=tmp_path, frames=2, seed=2), "a test")
