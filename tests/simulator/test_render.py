"""The renderer against geometry worked out by hand, and against itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from simulator.render import Renderer
from simulator.render.sky import transmittance
from simulator.render.weather import light_of
from simulator.types import (
    Camera,
    Drawable,
    Frame,
    Layer,
    Material,
    Mesh,
    Pose,
    Scenery,
    Tag,
    Weather,
)

CAMERA = Camera(200, 100, 90.0, Pose(0.0, 0.0, 1.5))
DAY = Weather(cloudiness=0.0, sun_altitude_angle=45.0, sun_azimuth_angle=180.0, fog_density=0.0)
NIGHT = replace(DAY, sun_altitude_angle=-30.0)
RAIN = replace(DAY, cloudiness=90.0, precipitation=100.0)
WALL_X = 60.0
CAR = Drawable("vehicle.tesla.model3", Pose(12.0, 0.0, 0.0), instance=321)


def quads(corners: list[Any], material: Material, tag: Tag, color: tuple[int, int, int]) -> Mesh:
    """Quads given by four corners each."""
    points = np.array(corners, np.float32).reshape(-1, 3)
    first = np.arange(0, len(points), 4)[:, None]
    faces = (first + np.array([[0, 1, 2, 0, 2, 3]])).reshape(-1, 3).astype(np.int32)
    n = len(faces)
    return Mesh(
        points,
        points[:, :2].copy(),
        faces,
        np.tile(np.array([color], np.uint8), (n, 1)),
        np.full(n, material, np.uint8),
        np.full(n, tag, np.uint8),
    )


def street() -> Scenery:
    """A road cut into uneven tiles with a wall across it at 60 m."""
    xs = np.concatenate([np.linspace(-20, 20, 14), np.linspace(20, 100, 9)[1:]])
    ys = np.linspace(-40, 40, 12)
    tiles = [
        [(a, c, 0.0), (b, c, 0.0), (b, d, 0.0), (a, d, 0.0)]
        for a, b in pairwise(xs)
        for c, d in pairwise(ys)
    ]
    wall = [(WALL_X, -40, 0), (WALL_X, 40, 0), (WALL_X, 40, 8), (WALL_X, -40, 8)]
    road = quads(tiles, Material.ASPHALT, Tag.ROADS, (110, 110, 112))
    house = quads([wall], Material.PLAIN, Tag.BUILDINGS, (190, 170, 150))
    lamps = np.array([[14.0, 3.0, 7.0]], np.float32)
    return Scenery((Layer(road), Layer(house)), (), lamps, np.array([[0, 0, -1]], np.float32))


@pytest.fixture(scope="module")
def renderer():
    made = Renderer(street(), threads=2)
    yield made
    made.close()


def luma(frame: Frame) -> np.ndarray:
    return frame.bgra[:, :, :3].astype(float).mean(2)


def test_depth_of_the_ground_is_that_of_a_plane(renderer):
    frame = renderer.render(CAMERA, [], DAY, 0.0)
    rows = np.arange(70, 100)
    down = ((rows + 0.5) / 50.0 - 1.0) * 0.5  # tan of the angle below the horizon
    expected = np.repeat((1.5 / down)[:, None], 200, 1)
    np.testing.assert_allclose(frame.depth_m[rows], expected, rtol=1e-4)


def test_tags_of_road_wall_and_sky(renderer):
    frame = renderer.render(CAMERA, [], DAY, 0.0)
    assert (frame.tags[70:] == Tag.ROADS).all()  # no cracks between tiles, near plane included
    assert frame.tags[47, 100] == Tag.BUILDINGS
    assert frame.depth_m[47, 100] == pytest.approx(WALL_X, rel=1e-4)
    assert (frame.tags[:30] == Tag.SKY).all()
    assert (frame.depth_m[:30] == 1000.0).all()
    assert (frame.bgra[:, :, 3] == 255).all()


def test_y_is_to_the_right_and_the_field_of_view_is_horizontal(renderer):
    walker = Drawable("walker.pedestrian.0001", Pose(10.0, 5.0, 0.0), half_extent=(0.2, 0.2, 0.93))
    seen = renderer.render(CAMERA, [walker], DAY, 0.0).tags == Tag.PEDESTRIANS
    columns = np.nonzero(seen)[1]
    assert columns.mean() == pytest.approx(150.0, abs=2.0)
    top = 1.5 + (50 - np.nonzero(seen)[0].min()) / 50 * 0.5 * 10.0 - 1.5
    assert top == pytest.approx(1.78 - 1.5, abs=0.2)


def test_a_camera_turned_about_all_axes_sees_the_same_plane(renderer):
    pose = Pose(0.0, 0.0, 3.0, -40.0, 25.0, 15.0)
    frame = renderer.render(Camera(64, 64, 80.0, pose), [], DAY, 0.0)
    forward, right, up = pose.rotation_matrix().T
    step = (np.arange(64) + 0.5) / 32.0 - 1.0
    tan = np.tan(np.radians(40.0))
    ray = forward + step[None, :, None] * tan * right - step[:, None, None] * tan * up
    expected = np.where(ray[:, :, 2] < -0.05, -3.0 / ray[:, :, 2], np.nan)
    on_road = (frame.tags == Tag.ROADS) & np.isfinite(expected)
    assert on_road.mean() > 0.8
    np.testing.assert_allclose(frame.depth_m[on_road], expected[on_road], rtol=1e-3)


def test_a_car_has_its_tag_and_instance_and_hides_the_road(renderer):
    frame = renderer.render(CAMERA, [CAR], DAY, 0.0)
    car = frame.tags == Tag.CAR
    assert car.sum() > 150
    assert (frame.instances[car] == 321).all()
    assert (frame.instances[~car] == 0).all()
    assert frame.depth_m[car].min() == pytest.approx(12.0 - 2.4, abs=0.15)


@pytest.mark.parametrize(
    ("kind", "half", "tag"),
    [
        ("vehicle.carlamotors.carlacola", (2.6, 1.3, 1.24), Tag.TRUCK),
        ("vehicle.mitsubishi.fusorosa", (5.1, 1.97, 2.1), Tag.BUS),
        ("vehicle.yamaha.yzf", (1.1, 0.43, 0.63), Tag.MOTORCYCLE),
        ("vehicle.bh.crossbike", (0.75, 0.43, 0.53), Tag.BICYCLE),
        ("vehicle.bh.crossbike", (0.75, 0.43, 0.53), Tag.RIDER),
        ("traffic.traffic_light", (0.2, 0.2, 0.5), Tag.TRAFFIC_LIGHT),
        ("static.prop.trafficcone01", (0.2, 0.2, 0.35), Tag.DYNAMIC),
    ],
)
def test_every_kind_of_thing_is_drawn(renderer, kind, half, tag):
    thing = Drawable(kind, Pose(10.0, 1.0, 0.0, 0.0, 150.0), half_extent=half)
    assert (renderer.render(CAMERA, [thing], DAY, 0.0).tags == tag).sum() > 5


@pytest.mark.parametrize("weather", [DAY, NIGHT, replace(DAY, fog_density=90.0), RAIN])
def test_threads_do_not_change_a_single_byte(renderer, weather):
    things = [CAR, replace(CAR, pose=Pose(25.0, -3.0, 0.0, 0.0, 180.0), lights=3)]
    alone = Renderer(street(), threads=1)
    one = alone.render(CAMERA, things, weather, 1.0, shot_noise_seed=5)
    two = renderer.render(CAMERA, things, weather, 1.0, shot_noise_seed=5)
    alone.close()
    for a, b in zip(vars(one).values(), vars(two).values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_order_of_things_and_earlier_frames_leave_no_trace(renderer):
    things = [CAR, replace(CAR, pose=Pose(25.0, -3.0, 0.0), instance=4)]
    first = renderer.render(CAMERA, things, DAY, 0.0)
    renderer.render(CAMERA._replace(width=64, height=48), [], NIGHT, 3.0)
    second = renderer.render(CAMERA, things[::-1], DAY, 0.0)
    np.testing.assert_array_equal(first.bgra, second.bgra)
    np.testing.assert_array_equal(first.instances, second.instances)


def test_tags_and_depth_are_the_same_without_color(renderer):
    full = renderer.render(CAMERA, [CAR], DAY, 0.0)
    bare = renderer.render(CAMERA, [CAR], DAY, 0.0, color=False)
    np.testing.assert_array_equal(full.tags, bare.tags)
    np.testing.assert_array_equal(full.depth_m, bare.depth_m)


@pytest.mark.parametrize(("density", "visibility_m"), [(80.0, 49.0), (90.0, 34.0), (100.0, 25.0)])
def test_contrast_is_five_percent_at_the_visibility(density, visibility_m):
    light = light_of(replace(DAY, fog_density=density), 0.0)
    share = transmittance(light.fog_per_m, 0.0, 0.0, 0.0, 0.0, visibility_m)
    assert share == pytest.approx(0.05, abs=0.006)


def test_fog_takes_the_contrast_but_not_the_tags(renderer):
    far = replace(CAR, pose=Pose(45.0, 0.0, 0.0), color=(20, 20, 20))
    near = replace(CAR, pose=Pose(10.0, 0.0, 0.0), color=(20, 20, 20))
    fog = replace(DAY, fog_density=90.0)
    contrast = {}
    for name, car in (("far", far), ("near", near)):
        frame = renderer.render(CAMERA, [car], fog, 0.0)
        seen = frame.tags == Tag.CAR
        assert seen.any()
        contrast[name] = luma(frame)[:20].mean() - luma(frame)[seen].mean()
    assert contrast["near"] > 25.0
    assert abs(contrast["far"]) < 8.0


def test_a_wall_throws_a_shadow_away_from_the_sun(renderer):
    far_sun = replace(DAY, sun_azimuth_angle=0.0, sun_altitude_angle=30.0)  # behind the wall
    above = CAMERA._replace(pose=Pose(0.0, 0.0, 12.0, -15.0))
    frame = renderer.render(above, [], far_sun, 0.0)
    road = frame.tags == Tag.ROADS
    shaded = luma(frame)[road & (frame.depth_m > 54.0)]  # the shadow is 13.9 m long
    lit = luma(frame)[road & (frame.depth_m < 42.0) & (frame.depth_m > 30.0)]
    assert shaded.mean() < 0.8 * lit.mean()


def test_a_car_darkens_the_road_beside_it(renderer):
    side = replace(DAY, sun_azimuth_angle=90.0, sun_altitude_angle=30.0)
    camera = Camera(100, 100, 60.0, Pose(12.0, 0.0, 14.0, -90.0))
    empty = luma(renderer.render(camera, [], side, 0.0))
    frame = renderer.render(camera, [CAR], side, 0.0)
    road = frame.tags == Tag.ROADS
    darker = road & (luma(frame) < 0.7 * empty)
    left = np.nonzero(darker)[1]
    assert darker.sum() > 100
    assert left.mean() < 45.0  # the sun stands on the right


def test_oncoming_headlights_at_night_veil_the_dark_around_them(renderer):
    oncoming = replace(CAR, pose=Pose(15.0, -2.0, 0.0, 0.0, 180.0))
    dark = renderer.render(CAMERA, [oncoming], NIGHT, 0.0)
    glare = renderer.render(CAMERA, [replace(oncoming, lights=3)], NIGHT, 0.0)
    sky = dark.tags == Tag.SKY
    assert luma(glare)[sky].mean() > luma(dark)[sky].mean() + 10.0
    turned = replace(oncoming, lights=3, pose=Pose(15.0, -2.0, 0.0))
    assert luma(glare).mean() > luma(renderer.render(CAMERA, [turned], NIGHT, 0.0)).mean()


def test_rain_falls_past_the_camera_and_leaves_labels_alone(renderer):
    first, later = (renderer.render(CAMERA, [CAR], RAIN, t) for t in (1.0, 1.1))
    dry = renderer.render(CAMERA, [CAR], replace(RAIN, precipitation=0.0), 1.0)
    moved = np.abs(luma(first) - luma(later)) > 4.0
    assert 0.002 < moved.mean() < 0.2
    np.testing.assert_array_equal(first.tags, dry.tags)
    np.testing.assert_array_equal(first.depth_m, dry.depth_m)


def test_drops_stay_where_they_are_in_the_world(renderer):
    """A camera a little to the side sees the same streaks, at another time it sees others."""

    def streaks(y: float, time_s: float) -> np.ndarray:
        camera = CAMERA._replace(pose=Pose(0.0, y, 1.5))
        usual = np.median([luma(renderer.render(camera, [], RAIN, t)) for t in range(20, 25)], 0)
        return (luma(renderer.render(camera, [], RAIN, time_s)) - usual).ravel()

    here = streaks(0.0, 1.0)
    assert np.corrcoef(here, streaks(0.005, 1.0))[0, 1] > 0.5
    assert np.corrcoef(here, streaks(0.0, 7.0))[0, 1] < 0.2


def test_low_beams_light_the_road_ahead(renderer):
    ego = replace(CAR, pose=Pose(-2.4, 0.0, 0.0))
    off = luma(renderer.render(CAMERA, [ego], NIGHT, 0.0))[75:85, 90:110].mean()
    on = luma(renderer.render(CAMERA, [replace(ego, lights=3)], NIGHT, 0.0))[75:85, 90:110].mean()
    assert on > 2.0 * off


def test_noise_follows_the_seed_and_grows_in_the_dark(renderer):
    def deviation(weather: Weather) -> float:
        a, b = (renderer.render(CAMERA, [], weather, 0.0, shot_noise_seed=n) for n in (1, 2))
        return float((luma(a) - luma(b)).std())

    same = [renderer.render(CAMERA, [], NIGHT, 0.0, shot_noise_seed=7).bgra for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert deviation(NIGHT) > 2.0 * deviation(DAY) > 0.0


@pytest.mark.parametrize(("state", "channel"), [(0, 2), (2, 1)])
def test_a_traffic_light_shows_its_state(renderer, state, channel):
    light = Drawable("traffic.traffic_light", Pose(8.0, 1.0, 0.0, 0.0, 180.0), signal_state=state)
    frame = renderer.render(CAMERA, [light], DAY, 0.0)
    lit = frame.bgra[frame.tags == Tag.TRAFFIC_LIGHT][:, :3].astype(int)
    other = 3 - channel
    assert (lit[:, channel] - lit[:, other]).max() > 90
    assert (lit[:, other] - lit[:, channel]).max() < 60


def test_layers_are_swapped_by_distance():
    wall = [(20, -5, 0), (20, 5, 0), (20, 5, 4), (20, -5, 4)]
    fine = quads([wall], Material.PLAIN, Tag.WALLS, (200, 0, 0))
    coarse = quads([wall], Material.PLAIN, Tag.FENCES, (200, 0, 0))
    nothing = np.zeros((0, 3), np.float32)
    town = Scenery((Layer(fine, 0.0, 60.0), Layer(coarse, 60.0, 300.0)), (), nothing, nothing)
    renderer = Renderer(town, threads=1)
    near = renderer.render(CAMERA, [], DAY, 0.0).tags
    far = renderer.render(CAMERA._replace(pose=Pose(-80.0, 0.0, 1.5)), [], DAY, 0.0).tags
    renderer.close()
    assert (near == Tag.WALLS).any()
    assert not (near == Tag.FENCES).any()
    assert (far == Tag.FENCES).any()
    assert not (far == Tag.WALLS).any()


def test_a_camera_without_pixels_is_refused(renderer):
    with pytest.raises(ValueError, match="at least 1x1"):
        renderer.render(CAMERA._replace(width=0), [], DAY, 0.0)
