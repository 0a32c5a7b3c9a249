"""Towns grown from road networks: nothing on the road, equal for an equal seed, within budget."""

from functools import cache

import carla
import cv2
import numpy as np
import pytest

from simulator.maps import load_town
from simulator.scenery import Ground, grow
from simulator.scenery.crossings import arm_crossings, zebra_crossings
from simulator.scenery.drivable import CELL_M, RoadField, survey
from simulator.scenery.kerbs import trace_kerbs
from simulator.scenery.plots import Plots
from simulator.types import Mesh, Obstacle, Scenery, Tag, Town
from tests.conftest import shared_path

pytestmark = pytest.mark.heavy  # grows towns
RANDOM = ("random:1", "random:5", "random:7")  # with and without boulevard, roundabout, hill
TOWNS = (
    *(f"{origin} {name}" for origin in ("authored", "carla")
      for name in ("Town01", "Town02", "Town03")),
    "carla Town02_2020",  # the one with traffic lights
    *(f"authored {name}" for name in RANDOM),
)  # fmt: skip
FACES = {
    "Town01": 400_000,
    "Town02": 250_000,
    "Town02_2020": 250_000,
    "Town03": 450_000,
    **dict.fromkeys(RANDOM, 450_000),
}


@cache
def loaded(label: str) -> tuple[carla.Map, Town]:
    origin, name = label.split()
    maps = shared_path("maps", f"{name}.xodr").parent if origin == "carla" else None
    town = load_town(name, maps)
    return carla.Map(name, town.xodr), town


@cache
def grown(label: str) -> tuple[carla.Map, RoadField, Scenery]:
    carla_map, town = loaded(label)
    field = survey(carla_map)
    return carla_map, field, grow(carla_map, town, field=field)


def outline(box: Obstacle, steps: int = 9) -> np.ndarray:
    u = np.linspace(-1.0, 1.0, steps)
    x, y = np.meshgrid(u * box.half_x, u * box.half_y)
    c, s = np.cos(np.radians(box.yaw)), np.sin(np.radians(box.yaw))
    return np.column_stack([(box.x + c * x - s * y).ravel(), (box.y + s * x + c * y).ravel()])


@pytest.mark.parametrize("label", TOWNS)
def test_obstacles_stand_off_the_driving_lanes(label):
    _, field, scenery = grown(label)
    nearest = min(field.at(field.driving, outline(box)).min() for box in scenery.obstacles)
    assert nearest > 0.15  # poles of traffic lights stand where the map says


@pytest.mark.parametrize("label", TOWNS)
def test_crossings_are_kept_free(label):
    """Nothing stands on a zebra crossing; poles of lights stand where the map says."""
    carla_map, field, scenery = grown(label)
    zebras = zebra_crossings(carla_map)
    zebras += arm_crossings(field, loaded(label)[1].signals, zebras)
    for box in scenery.obstacles:
        spots = outline(box).astype(np.float32)
        for zebra in zebras:
            if np.hypot(*(zebra.mean(0) - (box.x, box.y))) < 40.0:
                ring = zebra.astype(np.float32)
                assert max(cv2.pointPolygonTest(ring, spot.tolist(), False) for spot in spots) < 0


@pytest.mark.parametrize("label", TOWNS)
def test_buildings_keep_off_the_sidewalks(label):
    _, field, scenery = grown(label)
    plots = Plots(field, trace_kerbs(field))
    for box in scenery.obstacles:
        if box.tag == Tag.BUILDINGS:
            cells = np.round((outline(box, 21) - (field.x0, field.y0)) / CELL_M).astype(int)
            assert not plots.sidewalk[cells[:, 1], cells[:, 0]].any()


@pytest.mark.parametrize("label", TOWNS)
def test_only_asphalt_lies_low_over_the_lanes(label):
    """Kerbs, sidewalks and terrain must not cut through a lane."""
    _, field, scenery = grown(label)
    for layer in scenery.layers:
        mesh = layer.mesh
        solid = ~np.isin(mesh.tags, [Tag.ROADS, Tag.ROAD_LINES])
        middles = corners_of(mesh, solid).mean(1)
        above = middles[:, 2] - field.heights(middles)
        inside = field.at(field.driving, middles[:, :2]) < -0.3
        assert not (inside & (above > -0.05) & (above < 2.0)).any()


def corners_of(mesh: Mesh, wanted: np.ndarray) -> np.ndarray:
    return mesh.positions[mesh.faces[wanted]].astype(np.float64)


@pytest.mark.parametrize("label", TOWNS)
def test_triangles_stay_within_budget(label):
    scenery = grown(label)[2]
    assert sum(len(layer.mesh.faces) for layer in scenery.layers) <= FACES[label.split()[1]]


@pytest.mark.parametrize("label", TOWNS)
def test_ground_meets_the_lanes(label):
    carla_map, field, _ = grown(label)
    ground = Ground.over(field)
    places = [w.transform.location for w in carla_map.generate_waypoints(5.0)]
    error = np.array([abs(ground.height(p.x, p.y, p.z) - p.z) for p in places])
    assert np.percentile(error, 99) < 0.05
    assert error.max() < 0.35  # where lanes of one junction cross at different heights


def test_ground_slopes_with_the_road():
    carla_map, field, _ = grown("carla Town03")
    ground = Ground.over(field)
    steep = max(
        carla_map.generate_waypoints(5.0),
        key=lambda w: abs((w.transform.rotation.pitch + 180.0) % 360.0 - 180.0),
    )
    place, turned = steep.transform.location, steep.transform.rotation
    pitch, roll = ground.pitch_roll(place.x, place.y, place.z, turned.yaw)
    assert pitch == pytest.approx((turned.pitch + 180.0) % 360.0 - 180.0, abs=3.0)
    assert roll == pytest.approx(0.0, abs=3.0)


def test_the_same_seed_grows_the_same_town():
    first, second, other = (grow(*loaded("authored Town02"), seed=seed) for seed in (3, 3, 4))
    for a, b in zip(first.layers, second.layers, strict=True):
        assert a.mesh.positions.tobytes() == b.mesh.positions.tobytes()
        assert a.mesh.colors.tobytes() == b.mesh.colors.tobytes()
    assert first.obstacles == second.obstacles
    assert first.obstacles != other.obstacles


def test_lamps_shine_from_above_the_street():
    _, field, scenery = grown("authored Town02")
    assert len(scenery.lamps) > 20
    high = scenery.lamps[:, 2] - field.heights(scenery.lamps.astype(np.float64))
    assert (np.abs(high - 7.5) < 0.5).all()
    assert (scenery.lamp_directions[:, 2] < -0.9).all()


def test_every_signal_has_a_pole():
    _, town = loaded("authored Town02")
    poles = [box for box in grown("authored Town02")[2].obstacles if box.tag == Tag.POLES]
    for signal in town.signals:
        assert min(np.hypot(p.x - signal.pose.x, p.y - signal.pose.y) for p in poles) < 0.3
